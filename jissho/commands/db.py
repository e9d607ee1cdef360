"""`jissho db`: the database itself."""

from __future__ import annotations

from cyclopts import App

from jissho.output import print_json, print_table
from jissho.settings import Settings, database

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
    """Show server, mode, and rows and size of each stream."""
    from contract.streams import STREAMS  # noqa: PLC0415 - commands load what they need
    from storage.connect import connect  # noqa: PLC0415
    from storage.migrate import database_mode  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database())"
        ).fetchone()
        assert row is not None
        state = {"server": f"PostgreSQL {row[0]}", "mode": database_mode(connection), "bytes": row[1], "streams": {}}
        for name, stream in STREAMS.items():
            counted = connection.execute(
                "SELECT coalesce(sum(n), 0)::int8, max(t_last) FROM batch WHERE stream = %s", (name,)
            ).fetchone()
            assert counted is not None
            state["streams"][name] = {"label": stream.ja, "rows": counted[0], "latest": counted[1]}
    if json:
        print_json([state])
        return
    print_table(
        f"{state['server']}, {state['mode']}, {state['bytes'] / 1e6:.1f} MB",
        ["Stream", "内容 Content", "行 Rows", "最新 Latest"],
        [(name, entry["label"], entry["rows"], entry["latest"]) for name, entry in state["streams"].items()],
    )
