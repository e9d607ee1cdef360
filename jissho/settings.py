"""The table of settings: every environment variable jissho reads on the server side, with its default and its help.

The collector's settings are in its TOML file; these are for the server and the command line. `docs/settings.md` is
rendered from this table.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.topics import NAME

if TYPE_CHECKING:
    from contract.foreign import ForeignMappings
    from ingest.service import IngestSettings

log = logging.getLogger("jissho")

FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable."""

    name: str
    default: str
    help: str
    is_secret: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "JISSHO_DATABASE_URL",
        "",
        "PostgreSQL or TimescaleDB, e.g. postgresql://user:password@host:5432/jissho. Empty: an embedded PostgreSQL.",
        is_secret=True,
    ),
    Setting("JISSHO_HOME", "~/.local/share/jissho", "Folder of the embedded PostgreSQL (as root: /var/lib/jissho)."),
    Setting("JISSHO_MQTT_HOST", "127.0.0.1", "Broker that ingest subscribes to."),
    Setting("JISSHO_MQTT_PORT", "1883", "Port of the broker."),
    Setting("JISSHO_MQTT_USERNAME", "", "User name for the broker; empty: none."),
    Setting("JISSHO_MQTT_PASSWORD", "", "Password for the broker.", is_secret=True),
    Setting("JISSHO_MQTT_TLS", "no", "yes: TLS to the broker, checked against the system's certificates."),
    Setting("JISSHO_MQTT_VERSION", "5", "MQTT version: 5 or 3.1.1."),
    Setting(
        "JISSHO_MQTT_SHARE",
        "",
        "Group of ingest processes that share the messages (MQTT 5), foreign devices' too; e.g. ingest. Empty: one.",
    ),
    Setting(
        "JISSHO_INGEST_METRICS_PORT", "", "Port at which ingest serves its own metrics for Prometheus. Empty: none."
    ),
    Setting(
        "JISSHO_INGEST_REPORT_S",
        "10",
        "Seconds between two rows of ingest's own health (site server, metric ingest.*). 0: none.",
    ),
    Setting(
        "JISSHO_FOREIGN_PROFILES",
        "",
        "Foreign devices that ingest listens to: shipped profile names (`jissho foreign list`) or paths, with commas.",
    ),
    Setting("JISSHO_HTTP_HOST", "127.0.0.1", "Address of the API and the page; 0.0.0.0 to open them to the network."),
    Setting("JISSHO_HTTP_PORT", "8080", "Port of the API and the page."),
    Setting("JISSHO_PROFILE", "", "Requirement profile for verdicts: a shipped name or the path of a TOML file."),
)


class SettingError(ValueError):
    """Raised when an environment variable holds what it may not; the message names it and what it may hold."""


class Settings:
    """The values of the table, from the environment."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Read the variables; raises SettingError for a JISSHO_ variable that does not exist (a typing error)."""
        given = os.environ if environment is None else environment
        known = {setting.name for setting in SETTINGS}
        foreign = {name for name in given if name.startswith("JISSHO_") and not name.startswith("JISSHO_TEST_")} - known
        if foreign:
            raise SettingError(f"unknown setting {', '.join(sorted(foreign))}; known are {', '.join(sorted(known))}")
        self._values = {setting.name: given.get(setting.name) or setting.default for setting in SETTINGS}

    def text(self, name: str) -> str:
        """Return a value as text."""
        return self._values[name]

    def port(self, name: str) -> int:
        """Return a value as a port number."""
        value = self._values[name]
        if not value.isdigit() or not 0 <= int(value) < 65_536:  # noqa: PLR2004 - the range of ports
            raise SettingError(f"{name}={value!r} is not a port number")
        return int(value)

    def seconds(self, name: str) -> float:
        """Return a value as a number of seconds, 0 or more."""
        try:
            value = float(self._values[name])
        except ValueError:
            value = -1.0
        if not 0 <= value < 1e9:  # noqa: PLR2004 - thirty years
            raise SettingError(f"{name}={self._values[name]!r} is not a number of seconds")
        return value

    def flag(self, name: str) -> bool:
        """Return a value as yes or no."""
        value = self._values[name].lower()
        if value not in {"yes", "no"}:
            raise SettingError(f"{name}={value!r} must be yes or no")
        return value == "yes"

    def foreign(self) -> ForeignMappings:
        """Return the profiles of foreign devices, ready to map; raises ProfileError."""
        from contract.foreign import load_foreign_mappings  # noqa: PLC0415 - most commands need none

        return load_foreign_mappings(self.text("JISSHO_FOREIGN_PROFILES"))

    def ingest(self, database_url: str) -> IngestSettings:
        """Return the settings of the ingest service."""
        from ingest.service import IngestSettings  # noqa: PLC0415 - the edge install has no ingest

        version = self.text("JISSHO_MQTT_VERSION")
        if version not in {"5", "3.1.1"}:
            raise SettingError(f"JISSHO_MQTT_VERSION={version!r} must be 5 or 3.1.1")
        share = self.text("JISSHO_MQTT_SHARE")
        if share and (version != "5" or not NAME.match(share)):
            raise SettingError(
                f"JISSHO_MQTT_SHARE={share!r} must be letters, digits, '-' and '_', with JISSHO_MQTT_VERSION=5"
            )
        return IngestSettings(
            database_url=database_url,
            mqtt_host=self.text("JISSHO_MQTT_HOST"),
            mqtt_port=self.port("JISSHO_MQTT_PORT"),
            mqtt_username=self.text("JISSHO_MQTT_USERNAME") or None,
            mqtt_password=self.text("JISSHO_MQTT_PASSWORD") or None,
            mqtt_tls=self.flag("JISSHO_MQTT_TLS"),
            mqtt_version=version,
            share_group=share,
            metrics_port=self.port("JISSHO_INGEST_METRICS_PORT") if self.text("JISSHO_INGEST_METRICS_PORT") else 0,
            report_every_s=self.seconds("JISSHO_INGEST_REPORT_S"),
        )


@contextmanager
def database(settings: Settings, *, folder: str = "", is_service: bool = False, migrates: bool = True) -> Iterator[str]:
    """Yield the URL of a migrated database: the one that is set, else the embedded one, started where needed.

    `folder` below JISSHO_HOME keeps an embedded database apart, as the demonstration does. A service waits for a
    database that is not there yet, with growing pauses; any other command raises UnreachableError at once.
    Without `migrates` the schema is left as it is.
    """
    from storage.connect import connect  # noqa: PLC0415 - the edge install has no database driver
    from storage.embedded import default_home, embedded_server  # noqa: PLC0415
    from storage.errors import UnreachableError  # noqa: PLC0415
    from storage.migrate import migrate  # noqa: PLC0415

    def prepare(url: str) -> None:
        with connect(url) as connection:
            if migrates:
                migrate(connection)

    if url := settings.text("JISSHO_DATABASE_URL"):
        pause_s = FIRST_RETRY_S
        while True:
            try:
                prepare(url)
            except UnreachableError as error:
                if not is_service:
                    raise
                log.warning("%s; trying again in %.1f s", error, pause_s)
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_RETRY_S)
            else:
                break
        yield url
        return
    with embedded_server(default_home() / folder if folder else default_home()) as server:
        prepare(server.url)
        yield server.url
