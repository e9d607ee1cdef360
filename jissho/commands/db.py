"""`jissho db`: the database itself."""

from __future__ import annotations

import shutil

from cyclopts import App

from jissho.output import print_json
from jissho.settings import Settings, database
from jissho.state_view import print_state

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
