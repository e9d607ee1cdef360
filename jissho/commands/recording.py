"""`jissho import`: a recorded file into a run, through the same ledger as everything else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from jissho.output import print_json
from jissho.settings import SettingError, Settings, database


def import_file(
    file: Path,
    *,
    profile: str,
    run: str,
    site: str = "",
    device: str = "imported",
    link: str = "imported",
    option: Annotated[list[str], Parameter(negative=())] = [],  # noqa: B006 - never changed
    json: bool = False,
) -> None:
    """Import a recorded file; importing it twice adds nothing.

    Parameters
    ----------
    file
        Ping log, CSV or Parquet file.
    profile
        How to read it: a shipped profile (ping, edaf, probe_csv) or the path of a TOML profile.
    run
        The run that the data belong to; made if there is none of that name.
    site
        Site of a run that is made now; the run's own otherwise.
    device
        Device under which the data are filed.
    link
        Link that was measured.
    option
        KEY=VALUE for the profile, e.g. start=2026-06-01T09:00:00+09:00 or interval_s=0.2; may be given several times.
    json
        Print the outcome as one JSON object.

    """
    from ingest.importer import import_recording  # noqa: PLC0415 - commands load what they need
    from storage.connect import connect  # noqa: PLC0415
    from storage.runs import UnknownRunError, get_run, start_run, widen_run  # noqa: PLC0415
    from storage.writer import Writer  # noqa: PLC0415

    if not link:
        raise SettingError("--link must name the link that was measured")
    options = dict(_pair(text) for text in option)
    with database(Settings()) as url, connect(url) as connection:
        try:
            record = get_run(connection, run)
        except UnknownRunError:
            record = None
        if record is None and not site:
            raise SettingError(
                f"run {run!r} does not exist yet: say at which --site it was measured, or start it first"
            )
        where = site or (record.site if record else "")
        with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), transient=True) as bar:
            task = bar.add_task(file.name, total=None)
            outcome = import_recording(
                Writer(connection), file, profile, site=where, device=device, link=link, options=options,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
        if outcome.first_t_us is not None and outcome.last_t_us is not None:
            first, last = (
                datetime.fromtimestamp(t_us / 1e6, tz=UTC) for t_us in (outcome.first_t_us, outcome.last_t_us + 1)
            )
            if record is None:
                start_run(
                    connection, name=run, site=where, devices=[device], links=[link], started_at=first, ended_at=last,
                    note=f"imported {file.name}",
                )  # fmt: skip
            else:
                widen_run(connection, run, first, last, device=device, link=link)
    if json:
        print_json([outcome])
        return
    print(
        f"{file.name}: {outcome.samples} samples in {outcome.batches} batches; {outcome.committed} new, "
        f"{outcome.duplicates} already there"
    )
    for rejection in outcome.rejected:
        print(f"  left out {rejection.count}: {rejection.reason} (e.g. {rejection.example})")
    print(f"see `jissho kpi {run}`")


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise SettingError(f"--option {text!r} must be KEY=VALUE")
    return key, value
