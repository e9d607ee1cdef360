"""`jissho export`: the workbook or the CSV files of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from jissho.settings import SettingError, Settings, database


def export(
    run: str, *, xlsx: Path | None = None, csv: Path | None = None, stream: str = "probe", profile: str = ""
) -> None:
    """Write what a report needs from a run.

    Parameters
    ----------
    run
        Name or number of the run.
    xlsx
        Write the workbook (KPI表・定義・完全性・生の時系列) here. Default RUN.xlsx, unless --csv is given.
    csv
        Write the raw series of one stream as CSV (UTF-8 with BOM) here.
    stream
        The stream for --csv.
    profile
        Requirement profile for verdicts. Default JISSHO_PROFILE.

    """
    from analytics.report.csv_export import csv_bytes  # noqa: PLC0415 - commands load what they need
    from analytics.report.workbook import write_workbook  # noqa: PLC0415
    from api.raw_series import raw_stream, run_links  # noqa: PLC0415
    from api.run_report import run_report  # noqa: PLC0415
    from contract.streams import STREAMS  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    if stream not in STREAMS:
        raise SettingError(f"no stream {stream!r}; there are {', '.join(STREAMS)}")
    settings = Settings()
    with database(settings) as url, connect(url) as connection:
        record = get_run(connection, run)
        if csv is not None:
            with csv.open("wb") as file:
                file.writelines(
                    csv_bytes(raw_stream(connection, record, STREAMS[stream], run_links(connection, record)))
                )
            print(f"wrote {csv}")
        if xlsx is not None or csv is None:
            path = xlsx or Path(f"{record.name}.xlsx")
            wanted = profile or settings.text("JISSHO_PROFILE") or None
            report = run_report(connection, record, profile=wanted, made_at=datetime.now(tz=UTC))
            write_workbook(report, path)
            print(f"wrote {path}")
