"""`jissho db`: the database itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import App
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from jissho.output import print_json
from jissho.settings import Settings, database
from jissho.state_view import print_state, size_text

app = App(name="db", help="The database: migrations and state.")


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


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on standard error, and yield what moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
