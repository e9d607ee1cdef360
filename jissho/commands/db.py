"""`jissho db`: the database itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from contract.streams import STREAMS
from jissho.output import print_json
from jissho.retention_view import print_deletions, print_policies
from jissho.settings import SettingError, Settings, database
from jissho.state_view import print_state, size_text

app = App(name="db", help="The database: schema, state, backup, retention.")


@app.command
def migrate() -> None:
    """Bring the schema of JISSHO_DATABASE_URL (or of the embedded server) to this version."""
    from storage.connect import connect, without_password  # noqa: PLC0415 - commands load what they need
    from storage.migrate import database_mode  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        print(f"{without_password(url)}: schema is up to date, mode {database_mode(connection)}")


@app.command
def status(*, json: bool = False) -> None:
    """Show schema, streams, aggregates, gaps, quarantine and disk.

    Parameters
    ----------
    json
        Print one JSON object.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.embedded import default_home  # noqa: PLC0415
    from storage.status import database_state  # noqa: PLC0415

    settings = Settings()
    # A look at the database changes nothing in it, not even its schema.
    with database(settings, migrates=False) as url, connect(url) as connection:
        # Only of our own server is it known on which disk it lies.
        free = None if settings.text("JISSHO_DATABASE_URL") else shutil.disk_usage(default_home()).free
        state = database_state(connection, disk_free_bytes=free)
    if json:
        print_json([state])
        return
    print_state(state)


@app.command
def backup(folder: Path, *, json: bool = False) -> None:
    """Write every table, as of one instant, into a new folder; ingest may go on meanwhile.

    Parameters
    ----------
    folder
        Folder to write into; it must be empty or not there.
    json
        Print one JSON object: the manifest.

    """
    from storage.backup import write_backup  # noqa: PLC0415 - commands load what they need
    from storage.connect import connect  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection, _progress() as progress:
        manifest = write_backup(connection, folder, progress)
    if json:
        print_json([manifest])
        return
    print(
        f"{folder}: {len(manifest.tables)} tables, {manifest.rows} rows, {size_text(manifest.bytes)}; "
        f"`jissho db restore {folder}` reads it into an empty database"
    )


@app.command
def restore(folder: Path, *, json: bool = False) -> None:
    """Read a backup into an empty database, plain PostgreSQL or TimescaleDB, whichever it came from.

    Parameters
    ----------
    folder
        Folder that `jissho db backup` wrote.
    json
        Print one JSON object: the manifest.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.restore import restore_backup  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection, _progress() as progress:
        manifest = restore_backup(connection, folder, progress)
    if json:
        print_json([manifest])
        return
    print(f"{folder}: {len(manifest.tables)} tables, {manifest.rows} rows restored; see `jissho db status`")


@app.command
def retention(
    *,
    older_than: str = "",
    policy: str = "",
    stream: Annotated[list[str], Parameter(negative=())] = [],  # noqa: B006 - never changed
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
) -> None:
    """Delete old raw samples, except those of runs that are evidence; without an option show the policies.

    Parameters
    ----------
    older_than
        Delete now what is older, e.g. 180d, 26w, 1y or 48h.
    policy
        Have ingest delete what is older once a day; off: no longer.
    stream
        Only this stream; may be given several times; none means all.
    dry_run
        Only say what would be deleted, by --older-than or else by the policies.
    json
        Print one JSON object a line: a stream, or a policy.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.retention import delete_older, known_stream, parse_age  # noqa: PLC0415
    from storage.retention_policy import list_policies, policy_limits, set_policy  # noqa: PLC0415

    if policy and (older_than or dry_run):
        raise SettingError("--policy is for the time to come: give it without --older-than and --dry-run")
    names = [known_stream(name) for name in stream]
    age = parse_age(older_than) if older_than else None
    kept_for = parse_age(policy) if policy not in {"", "off"} else None
    with database(Settings()) as url, connect(url) as connection:
        if policy:
            for name in names or [""]:
                set_policy(connection, name, kept_for)
        policies = list_policies(connection)
        if age is None and not dry_run:
            print_policies(policies, json=json)
            return
        now = datetime.now(tz=UTC)
        limits = policy_limits(policies, now) if age is None else dict.fromkeys(STREAMS, now - age)
        wanted = {name: limit for name, limit in limits.items() if not names or name in names}
        with _progress() as progress:
            deleted = delete_older(connection, wanted, dry_run=dry_run, progress=progress)
    print_deletions(deleted, is_dry_run=dry_run, json=json)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on standard error, and yield what moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
