"""The agent's configuration file: TOML, checked against typed tables, with errors that name key and file."""

from __future__ import annotations

import difflib
import re
import tomllib
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from collectors.field_book import check_point
from collectors.publisher import MqttConfig
from collectors.registry import source_kinds
from collectors.source import SourceConfig
from contract.topics import check_name


class ConfigError(ValueError):
    """Raised when a configuration cannot be used; one line that names the file, the key, and what is allowed."""


class OutboxConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[outbox]` table. When `max_bytes` is reached the oldest batches are dropped, counted and reported."""

    path: str = "outbox.sqlite"
    max_bytes: int = 2_000_000_000
    payload_format: Literal["msgpack", "json"] = "msgpack"


class PointConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table `[[point]]`: a planned measuring point (測定点), with its surveyed place where that is known."""

    name: str
    lat_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None

    def __post_init__(self) -> None:
        """Refuse a name that nobody can read, and half a place."""
        check_point(self.name)
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError(f"point {self.name}: lat_deg and lon_deg go together")


class CollectConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `source` holds the tables `[[source]]`, one a thing measured, `point` the planned points."""

    site: str
    device: str
    mqtt: MqttConfig = MqttConfig()
    outbox: OutboxConfig = OutboxConfig()
    max_age_s: float = 0.5
    max_rows: int = 500
    drain_s: float = 5.0
    exit_when_finished: bool = False
    source: tuple[SourceConfig, ...] = ()
    point: tuple[PointConfig, ...] = ()

    def __post_init__(self) -> None:
        """Refuse two points of one name."""
        names = [point.name for point in self.point]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"point {name!r} stands there twice: give each [[point]] its own name")


_TABLES: dict[str, type[msgspec.Struct]] = {
    "": CollectConfig,
    "mqtt": MqttConfig,
    "outbox": OutboxConfig,
    "point": PointConfig,
}
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")


def load_config(path: Path) -> CollectConfig:
    """Read and check the file. Raises ConfigError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; docs and collectors/*/sample.toml show what it looks like") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return parse_config(raw, str(path))


def parse_config(raw: dict[str, Any], where: str) -> CollectConfig:
    """Check a decoded file; `where` names it in errors. Raises ConfigError."""
    given = dict(raw)
    sources = given.pop("source", [])
    if not isinstance(sources, list) or not sources:
        raise ConfigError(f"{where}: nothing to measure: add a [[source]] table with kind = {_choices(source_kinds())}")
    try:
        config = msgspec.convert(given, CollectConfig)
        check_name("site", config.site)
        check_name("device", config.device)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explain(str(error), CollectConfig)}") from error
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    return msgspec.structs.replace(
        config, source=tuple(_source(table, number, where) for number, table in enumerate(sources, start=1))
    )


def _source(table: Any, number: int, where: str) -> SourceConfig:
    kinds = source_kinds()
    place = f"{where}: [[source]] number {number}"
    if not isinstance(table, dict) or "kind" not in table:
        raise ConfigError(f"{place}: kind is missing; it may be {_choices(kinds)}")
    kind = kinds.get(str(table["kind"]))
    if kind is None:
        raise ConfigError(f"{place}: unknown kind {table['kind']!r}{_suggest(str(table['kind']), list(kinds))}")
    try:
        union = reduce(or_, (each.config for each in kinds.values()))
        config: SourceConfig = msgspec.convert(table, union)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{place} ({kind.name}): {_explain(str(error), kind.config)}") from error
    except ValueError as error:
        raise ConfigError(f"{place} ({kind.name}): {error}") from error
    return config


def _explain(message: str, table: type[msgspec.Struct]) -> str:
    """Turn msgspec's sentence into ours: which key, in which table, and what it may be."""
    if match := _UNKNOWN.match(message):
        path = re.sub(r"\[.*", "", match["path"] or "")
        names = [field.encode_name for field in msgspec.structs.fields(_TABLES.get(path, table) if path else table)]
        names = [name for name in names if name not in {"source", "point"}]
        inside = f" in [{path}]" if path else ""
        return f"unknown key {match['key']!r}{inside}{_suggest(match['key'], names)}"
    if match := _AT.search(message):
        return f"{match['path']}: {message[: match.start()]}"
    return message


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f"; known are {_choices(known)}"


def _choices(names: Any) -> str:
    return ", ".join(sorted(names))
