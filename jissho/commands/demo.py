"""`jissho demo`: the whole line on this machine."""

from __future__ import annotations

import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def demo(
    *,
    seconds: float = 30.0,
    wait: Annotated[bool, Parameter(negative="--no-wait")] = True,
    trace: Path | None = None,
    folder: Path = Path("demo"),
    port: int = 0,
    seed: int = 2026,
) -> None:
    """Measure two impaired links and a simulated vehicle, replay a real trace, and show what becomes of it.

    Parameters
    ----------
    seconds
        How long to measure.
    wait
        Keep the page running at the end until Ctrl-C; --no-wait ends at once.
    trace
        Recorded file to replay: Parquet (edaf), CSV (probe_csv) or a ping log. Default: a real private 5G trace where
        one lies beside the checkout.
    folder
        Where logs, the simulator's truth and the workbook go.
    port
        Port of the page; default: a free one.
    seed
        Seed of the simulators.

    """
    from jissho.children import ChildError  # noqa: PLC0415 - commands load what they need
    from jissho.demonstration.line import find_trace, running_line  # noqa: PLC0415
    from jissho.demonstration.show import announce, measure, report  # noqa: PLC0415
    from jissho.demonstration.truth import agrees  # noqa: PLC0415
    from jissho.settings import SettingError, Settings, database  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415

    if seconds <= 0:
        raise SettingError("--seconds must be more than 0")
    # A polite end from outside tidies up like Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    recorded = find_trace(trace)
    if trace is not None and not trace.exists():
        raise SettingError(f"--trace {trace}: no such file")
    place = folder.absolute()
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("outbox.sqlite*"):
        old.unlink()
    name = f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    is_good, is_measured = True, False
    try:
        with (
            database(Settings(), folder="demo") as url,
            running_line(place, url, seconds=seconds, seed=seed, trace=recorded, http_port=port or None) as line,
            connect(url) as connection,
        ):
            announce(line, connection)
            run = measure(line, connection, seconds, name if line.device == "car-1" else f"{name}-{line.device}")
            workbook, truth, found = report(line, connection, run, place)
            is_good = all(agrees(row) for row in truth) and found.ratio == 1.0
            is_measured = True
            print(f"帳票 workbook: {workbook}")
            print(f"真値・ログ truth and logs: {place}")
            if wait:
                print(f"画面 page: {line.page_url}  (Ctrl-C で終了 to end)")
                _wait_for_ctrl_c()
    except ChildError as error:
        sys.stderr.write(f"jissho demo: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        print("終了しました ended")
        if not is_measured:
            sys.exit(130)
    if not is_good:
        print(
            "真値と一致しない項目があります / something does not agree with the truth; see the table", file=sys.stderr
        )
        sys.exit(1)


def _wait_for_ctrl_c() -> None:
    while True:
        time.sleep(3600)
