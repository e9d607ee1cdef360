"""`jissho point`: standing at a measuring point (測定点) in the field."""

from __future__ import annotations

import fcntl
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from jissho.output import DIRECTIONS, print_json
from jissho.point_view import print_rows, rows_of
from jissho.settings import SettingError
from jissho.times import utc

if TYPE_CHECKING:
    from collectors.config import CollectConfig, PointConfig
    from collectors.field_book import FieldBook, Stay
    from collectors.iperf3 import Direction, Outcome

app = App(
    name="point",
    help="Measuring points (測定点) in the field: mark where the device stands, test throughput there. "
    "Runs beside `jissho collect`; needs no database and no network but for the tests.",
)

Config = Annotated[Path, Parameter(name=["--config", "-c"])]
_CONFIG = Path("collect.toml")
_EACH: dict[str, tuple[Direction, ...]] = {"both": ("down", "up"), "down": ("down",), "up": ("up",)}


@app.command
def arrive(
    name: str, *, at: datetime | None = None, new: Annotated[bool, Parameter(negative=())] = False,
    config: Config = _CONFIG,
) -> None:  # fmt: skip
    """Mark that the device stands at a point: tests from now on are of it, whichever program makes them.

    Parameters
    ----------
    name
        Name of the point; one of the tables [[point]] where the configuration has any.
    at
        Time of the arrival (UTC unless it has an offset), if not now.
    new
        Mark a point that is not among those of the configuration.
    config
        TOML file of the agent.

    """
    settings, book = _open(config)
    with book:
        stay = _arrive(settings, book, name, at=at, is_new=new)
    print(f"測定点{stay.point}にいます / at point {stay.point}; when the tests are done `jissho point leave`")
    _say_if_alone(settings)


@app.command
def leave(*, at: datetime | None = None, config: Config = _CONFIG) -> None:
    """Mark that the device leaves the point: tests that end later are not of it.

    Parameters
    ----------
    at
        Time of leaving (UTC unless it has an offset), where it was forgotten.
    config
        TOML file of the agent.

    """
    from collectors.field_book import clock_text  # noqa: PLC0415 - commands load what they need

    settings, book = _open(config)
    with book:
        stay = book.leave(_ns(at), time.time_ns())
        late = [test.ended_ns for test in book.tests(stay) if test.ended_ns > (stay.left_ns or 0)]
    print(f"測定点{stay.point}を出ました / left point {stay.point}; what was counted: `jissho point status`")
    if late:
        print(
            f"{len(late)} rows that ended after that time carry {stay.point} already: on the server leave them out by "
            f"`jissho exclusion add RUN --start {clock_text(stay.left_ns or 0)} --end {clock_text(max(late) + 1)} "
            '--reason "..." --by ...`'
        )
    _say_if_alone(settings)


@app.command(name="test")
def measure(
    name: str = "",
    *,
    server: str,
    link: str = "",
    tests: int = 3,
    direction: Literal["both", "down", "up"] = "both",
    seconds: int = 10,
    parallel: int = 1,
    bind: str = "",
    new: Annotated[bool, Parameter(negative=())] = False,
    config: Config = _CONFIG,
) -> None:
    """Run throughput tests at the point by iperf3 (TCP), three each way; a test that fails is kept, and told.

    Parameters
    ----------
    name
        Point: it is marked before the tests, and left after them. None: the point where `jissho point arrive` was said.
    server
        Host of `iperf3 -s`, or host:port.
    link
        Link that is tested; may be left out where the configuration measures only one.
    tests
        How many tests each way; MIC's convention is the mean of three.
    direction
        Which way; "both" alternates, down first.
    seconds
        Length of one test.
    parallel
        TCP connections at once.
    bind
        Own address to send from: on a device with several links the one of this link.
    new
        The point is not among those of the configuration.
    config
        TOML file of the agent.

    """
    from collectors.field_book import LONGEST_STAY_S, clock_text  # noqa: PLC0415 - commands load what they need
    from collectors.iperf3 import Plan, run_test  # noqa: PLC0415

    if min(tests, seconds, parallel) < 1:
        raise SettingError("--tests, --seconds and --parallel are numbers of 1 and more")
    program = shutil.which("iperf3")
    if program is None:
        raise SettingError(
            "iperf3 is not installed: `apt install iperf3`; or test with another program whose rows come by the source "
            "`feed` (collectors/feed/README.md): between `jissho point arrive` and `leave` they get the point too"
        )
    settings, book = _open(config)
    host, port = _server(server)
    plan = Plan(host, port, seconds, parallel, bind)
    link = _link(settings, link)
    with book:
        stay = book.open_stay()
        is_ours = bool(name) and (stay is None or stay.point != name.strip())
        if is_ours:
            stay = _arrive(settings, book, name, is_new=new)
        if stay is None:
            raise SettingError(
                "at no measuring point / どの測定点にもいません: name it (`jissho point test NAME ...`), or say "
                "`jissho point arrive NAME` first"
            )
        if time.time_ns() > stay.arrived_ns + LONGEST_STAY_S * 1_000_000_000:
            raise SettingError(
                f"point {stay.point} was marked at {clock_text(stay.arrived_ns)} and never left / 出発の記録なし"
                ": `jissho point leave --at TIME`, then mark where you are"
            )
        try:
            for number in range(1, tests + 1):
                for way in _EACH[direction]:
                    result = _write_down(book, stay, run_test(program, plan, way), link)
                    print(f"{stay.point} {link} {DIRECTIONS[way]} {number}/{tests}: {result}", flush=True)
        finally:
            if is_ours and _is_at(book, stay):
                book.leave(time.time_ns(), time.time_ns())
        print_rows(rows_of(book, stay.point, stay.arrived_ns))
        _say_if_far(next(each for each in book.stays() if each.number == stay.number))
    _say_if_alone(settings)


@app.command
def status(*, json: bool = False, config: Config = _CONFIG) -> None:
    """Say at which point the device stands, and which tests each point has so far.

    Parameters
    ----------
    json
        Print one JSON object a point, link and direction.
    config
        TOML file of the agent.

    """
    from collectors.field_book import clock_text  # noqa: PLC0415 - commands load what they need

    settings, book = _open(config)
    with book:
        stay = book.open_stay()
        last = {each.point: each.arrived_ns for each in book.stays()}
        found = [row for point, arrived_ns in last.items() for row in rows_of(book, point, arrived_ns)]
        waiting = len(book.waiting())
    if json:
        print_json(found)
        return
    if stay is None:
        print("測定点にはいません / at no measuring point")
    else:
        print(f"測定点{stay.point}にいます / at point {stay.point} since {clock_text(stay.arrived_ns)}")
        _say_if_far(stay)
    print_rows(found)
    untested = [each.name for each in settings.point if each.name not in {row["point"] for row in found}]
    if untested:
        print(f"試行のない測定点 / points without a test: {', '.join(untested)}")
    if waiting:
        print(f"{waiting} tests wait for `jissho collect` to send them")
    _say_if_alone(settings)


def _open(config: Path) -> tuple[CollectConfig, FieldBook]:
    from collectors.config import load_config  # noqa: PLC0415 - commands load what they need
    from collectors.field_book import FieldBook, book_path  # noqa: PLC0415

    settings = load_config(config)
    return settings, FieldBook(book_path(Path(settings.outbox.path)))


def _arrive(
    settings: CollectConfig, book: FieldBook, name: str, *, at: datetime | None = None, is_new: bool = False
) -> Stay:
    from collectors.field_book import check_point  # noqa: PLC0415

    try:
        name = check_point(name)
    except ValueError as error:
        raise SettingError(str(error)) from error
    planned = {point.name: point for point in settings.point}
    if planned and name not in planned and not is_new:
        raise SettingError(
            f"{name!r} is no point of the configuration / 設定にない測定点です: it has {', '.join(planned)}; "
            "--new marks one more"
        )
    point: PointConfig | None = planned.get(name)
    return book.arrive(
        name,
        _ns(at),
        time.time_ns(),
        lat_deg=point.lat_deg if point else None,
        lon_deg=point.lon_deg if point else None,
    )


def _link(settings: CollectConfig, link: str) -> str:
    from contract.topics import check_name  # noqa: PLC0415

    known = sorted({source.link for source in settings.source if source.link})
    if not link:
        if len(known) == 1:
            return known[0]
        raise SettingError(
            f"--link is missing: which link is tested? The configuration has {', '.join(known) or 'none'}"
        )
    try:
        check_name("link", link)
    except ValueError as error:
        raise SettingError(str(error)) from error
    if known and link not in known:
        print(f"note: no source of the configuration measures link {link} (it has {', '.join(known)})")
    return link


def _server(server: str) -> tuple[str, int]:
    from collectors.iperf3 import DEFAULT_PORT  # noqa: PLC0415

    host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", str(DEFAULT_PORT))
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise SettingError(f"--server {server!r} must be a host, or host:port")
    return host, int(port)


def _is_at(book: FieldBook, stay: Stay) -> bool:
    now = book.open_stay()
    return now is not None and now.number == stay.number


def _write_down(book: FieldBook, stay: Stay, outcome: Outcome, link: str) -> str:
    """Write a test down and return what to print of it."""
    if not _is_at(book, stay):
        raise SettingError(
            f"point {stay.point} was left while the test ran / 試行中に測定点{stay.point}を離れました: it does not "
            "count; mark the point and test again"
        )
    book.add_test(stay, link, outcome.ended_ns, outcome.sample)
    rate_bps = outcome.sample["rate_bps"]
    return f"失敗 failed: {outcome.failure}" if rate_bps is None else f"{float(rate_bps) / 1e6:.1f} Mbit/s"


def _say_if_far(stay: Stay) -> None:
    """Say where the device does not stand at the surveyed place: two names are easily taken for one another."""
    from collectors.stamping import FAR_M, metres_from_plan  # noqa: PLC0415

    metres = metres_from_plan(stay)
    if metres is not None and metres > FAR_M:
        print(
            f"{stay.point}の測量位置から{metres:.0f} m離れています。名前を確かめてください / the device stood "
            f"{metres:.0f} m from the surveyed place of {stay.point}: is it the right point? If not, test again under "
            "the right name, and leave these tests out on the server with `jissho exclusion add`"
        )


def _say_if_alone(settings: CollectConfig) -> None:
    """Say where no agent runs beside: what was marked is kept, and sent when one starts."""
    try:
        with Path(f"{settings.outbox.path}.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except BlockingIOError:
        return
    print("`jissho collect` does not run here: what was marked is kept, and sent when it starts")


def _ns(at: datetime | None) -> int:
    return time.time_ns() if at is None else round(utc(at).timestamp() * 1e9)
