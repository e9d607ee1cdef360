"""Rows as the page's queries give them, of one minute of a device with two links."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
END = START + 60 * SECOND
LINKS = {1: "", 2: "lte", 3: "l5g"}
DEVICES = {1: "car-1", 2: "car-1", 3: "car-1"}


def probe_row(second, *, link_id=3, n=10, lost=0, quantiles_us=(20_000, 30_000)):
    return {
        "at": START + second * SECOND, "link_id": link_id, "n": n, "lost": lost,
        "quantiles_us": list(quantiles_us) if quantiles_us else None,
    }  # fmt: skip


def radio_row(second, *, link_id=3, rsrp_dbm=-95.0, sinr_db=10.0, pci=12):
    return {
        "at": START + second * SECOND, "link_id": link_id, "rsrp_dbm": rsrp_dbm, "sinr_db": sinr_db, "pci": pci,
    }  # fmt: skip


def position_row(second, lat_deg, lon_deg, *, link_id=1):
    return {"at": START + second * SECOND, "link_id": link_id, "lat_deg": lat_deg, "lon_deg": lon_deg}
