"""`jissho import`: a recorded file into a run, or an exported outbox, through the same ledger as everything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from jissho.output import print_json
from jissho.settings import SettingError, Settings, database

_SHOWN_LINES = 20


def import_file(
    file: Path,
    *,
    profile: str = "",
    run: str = "",
    site: str = "",
    device: str = "imported",
    link: str = "imported",
    option: Annotated[list[str], Parameter(negative=())] = [],  # noqa: B006 - never changed
    partial: bool = False,
    json: bool = False,
) -> None:
    """Import a recorded file, or a file of `jissho outbox export`; importing it twice adds nothing.

    An exported outbox needs neither profile nor run: its batches say themselves whose they are.

    Parameters
    ----------
    file
        Ping log, CSV or Parquet file, or a file of `jissho outbox export`.
    profile
        How to read it: a shipped profile (ping, edaf, probe_csv, throughput_points) or the path of a TOML profile.
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
    partial
        Of a torn file of `jissho outbox export`, take the batches before the tear.
    json
        Print the outcome as one JSON object.

    """
    from contract.carry import is_carry  # noqa: PLC0415 - commands load what they need

    if is_carry(file):
        _import_carried(file, has_place=bool(profile or run or site or option), partial=partial, json=json)
        return
    _check_recording(file, profile, run, link, partial=partial)
    from ingest.importer import import_recording  # noqa: PLC0415 - commands load what they need
    from storage.columnstore import copy_into_columns  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.runs import UnknownRunError, get_run, start_run, widen_run  # noqa: PLC0415
    from storage.writer import Writer  # noqa: PLC0415

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
        copy_into_columns(connection)
        with _progress() as bar:
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
        print(f"  left out {rejection.count}{_lines(rejection.lines)}: {rejection.reason} (e.g. {rejection.example})")
    print(f"see `jissho kpi {run}`")


def _lines(lines: Sequence[int]) -> str:
    """Return where rows stand in the file, as far as a line of output holds it."""
    if not lines:
        return ""
    shown = ", ".join(map(str, lines[:_SHOWN_LINES]))
    return f" (line {shown}{' ...' if len(lines) > _SHOWN_LINES else ''})"


def _check_recording(file: Path, profile: str, run: str, link: str, *, partial: bool) -> None:
    if not profile or not run:
        raise SettingError(
            f"{file} is a recorded file: say how to read it with --profile (ping, edaf, probe_csv, throughput_points "
            "or a TOML file) and to which --run it belongs"
        )
    if not link:
        raise SettingError("--link must name the link that was measured")
    if partial:
        raise SettingError("--partial is for a torn file of `jissho outbox export` only")


def _import_carried(file: Path, *, has_place: bool, partial: bool, json: bool) -> None:
    from ingest.carried import import_carried  # noqa: PLC0415 - commands load what they need
    from storage.columnstore import copy_into_columns  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.writer import Writer  # noqa: PLC0415

    if has_place:
        raise SettingError(
            f"{file} is an exported outbox and says what it holds: leave out --profile, --run, --site and --option"
        )
    with (
        database(Settings()) as url,
        connect(url) as connection,
        _progress() as bar,
    ):
        copy_into_columns(connection)
        task = bar.add_task(file.name, total=None)
        outcome = import_carried(
            Writer(connection), file, partial=partial,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    if json:
        print_json([outcome])
        return
    print(
        f"{file.name}: {outcome.site}/{outcome.device}, epoch {outcome.epoch[:12]}: {outcome.committed} batches new "
        f"({outcome.rows} rows), {outcome.duplicates} already there, {outcome.quarantined} in quarantine"
    )
    if outcome.unread:
        print(f"  the file is torn: {outcome.unread} of {outcome.announced} batches could not be read; copy it again")
    if outcome.quarantined:
        print("  see `jissho quarantine list`")


def _progress() -> Progress:
    # On standard error: standard output is for the outcome, which programs read.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise SettingError(f"--option {text!r} must be KEY=VALUE")
    return key, value
