"""Made-up data for the page: a minute of two links with radio, positions, clocks, a life sign and a run."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contract.envelope import Status
from storage.runs import start_run
from tests.api.conftest import batch, probes

SECONDS = 60
NEW_CELL_AT_S = 30


@dataclass(frozen=True)
class Drive:
    """What was written: the run "drive-1" that has ended, and its first packet."""

    started_at: datetime
    ended_at: datetime


def write_drive(writer, *, device="car-1", ended_ago_s=2.0):
    """Write a minute that ended a moment ago and register it as the run "drive-1"."""
    end = datetime.now(tz=UTC) - timedelta(seconds=ended_ago_s)
    start = end - timedelta(seconds=SECONDS)
    t0_us = round(start.timestamp() * 1e6)
    seconds = [t0_us + number * 1_000_000 for number in range(SECONDS)]
    cells = [12 if number < NEW_CELL_AT_S else 34 for number in range(SECONDS)]

    def radio(seq, link, rat, rsrp_dbm):
        levels = [rsrp_dbm - number % 7 for number in range(SECONDS)]
        return batch(seq, "radio", seconds, link=link, device=device, rat=[rat] * SECONDS, pci=cells,
                     rsrp_dbm=levels, sinr_db=[10.0] * SECONDS)  # fmt: skip

    def clock(seq, link, method):
        return batch(seq, "clock", seconds, link=link, device=device, method=[method] * SECONDS,
                     synced=[True] * SECONDS, bound_us=[250.0] * SECONDS)  # fmt: skip

    links = [probes(1, t0_us, link="l5g", rtt_us=20_000), probes(2, t0_us, link="lte", rtt_us=60_000)]
    links = [replace(made, key=made.key._replace(device=device)) for made in links]
    latitudes = [35.6 + number * 1e-5 for number in range(SECONDS)]
    longitudes = [139.7 + number * 2e-5 for number in range(SECONDS)]
    writer.commit([
        *links, radio(3, "l5g", "NR-SA", -95.0), radio(4, "lte", "LTE", -85.0),
        batch(5, "position", seconds, device=device, lat_deg=latitudes, lon_deg=longitudes, mode=[3] * SECONDS),
        clock(6, "", "chrony"), clock(7, "l5g", "stamp"), clock(8, "lte", "stamp"),
    ])  # fmt: skip
    status = Status(state="online", at_ns=t0_us * 1000, epoch="e1", taken=8, agent="test/1")
    writer.announce("site-a", device, status)
    start_run(writer.connection, name="drive-1", site="site-a", started_at=start, ended_at=end, weather="晴れ")
    return Drive(start, end)
