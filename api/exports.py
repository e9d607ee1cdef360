"""Files to take away: raw series as CSV while they are read, and the workbook of a run."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from analytics.report.csv_export import csv_bytes
from analytics.report.units import Header
from analytics.report.workbook import write_workbook
from api.access import Connection, Name, ProfileName, Run, Settings, chosen_profile
from api.problems import PROBLEMS, ProblemError
from api.raw_series import raw_stream, run_links
from api.run_report import RawChoice, run_report
from contract.streams import STREAMS

router = APIRouter(prefix="/v1/runs/{run}", tags=["exports"], responses=PROBLEMS)

_STREAM = f"^({'|'.join(STREAMS)})$"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/export.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def export_csv(
    *,
    connection: Connection,
    run: Run,
    stream: Annotated[str, Query(pattern=_STREAM, description="Stream of the contract")],
    device: Annotated[str | None, Query(pattern=Name, description="Only this device")] = None,
    link: Annotated[str | None, Query(pattern=Name, description="Only this link")] = None,
    header: Annotated[Header, Query(description="Column names, or labels with units in Japanese or English")] = "name",
) -> StreamingResponse:
    """Stream the raw series of a run: UTF-8 with BOM, CRLF, JST times, one header row."""
    # The rows are read while the answer is on its way: FastAPI gives the request's connection back only after that.
    links = _chosen(run_links(connection, run), device, link, stream)
    name = "_".join(part for part in (run.name, stream, device, link) if part)
    return StreamingResponse(
        csv_bytes(raw_stream(connection, run, STREAMS[stream], links), header=header),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _chosen(
    links: dict[int, tuple[str, str]], device: str | None, link: str | None, stream: str
) -> dict[int, tuple[str, str]]:
    if link is not None and STREAMS[stream].scope == "device":
        raise ProblemError(422, f"stream {stream!r} belongs to a device, not to a link", "leave out `link`")
    chosen = {
        link_id: names
        for link_id, names in links.items()
        if (device is None or names[0] == device) and (link is None or names[1] == link)
    }
    if not chosen and (device or link):
        known = ", ".join(f"{of_device}/{of_link or '-'}" for of_device, of_link in links.values()) or "none"
        raise ProblemError(404, f"the run has no link {device or '*'}/{link or '*'}", f"choose one of: {known}")
    return chosen


@router.get("/export.xlsx", response_class=FileResponse, responses={200: {"content": {_XLSX: {}}}})
def export_xlsx(
    *,
    connection: Connection,
    settings: Settings,
    run: Run,
    profile: ProfileName = None,
    raw: Annotated[
        RawChoice, Query(description="Raw sheets: auto leaves them out when there are too many rows")
    ] = "auto",
) -> FileResponse:
    """Return the workbook of a run: cover, KPIs, charts, definitions, completeness, events, raw series."""
    report = run_report(
        connection,
        run,
        profile=chosen_profile(settings, profile),
        made_at=datetime.now(tz=UTC),
        raw=raw,
        raw_rows=settings.workbook_rows,
    )
    # The file is complete before the first byte goes out: an xlsx is a zip, whose directory stands at its end.
    with tempfile.NamedTemporaryFile(prefix="jissho-", suffix=".xlsx", delete=False) as file:
        path = Path(file.name)
    discard = BackgroundTask(path.unlink, missing_ok=True)
    try:
        write_workbook(report, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return FileResponse(path, media_type=_XLSX, filename=f"{run.name}.xlsx", background=discard)
