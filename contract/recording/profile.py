"""Mapping profiles: a TOML file that says how a vendor's columns become the columns of one stream.

Shipped profiles are found by their name, others by their path. Everything is checked when the profile is loaded:
unknown keys, unknown columns, units that do not convert, columns that would be missing.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from contract.recording.errors import ProfileError
from contract.recording.times import iso_ns, zone
from contract.samples import Value, sample_faults
from contract.streams import STREAMS
from contract.video_trials import METRIC, VideoSetup

SHIPPED = Path(__file__).parent / "profiles"
DEFAULT_NULLS = ("", "-", "na", "n/a", "nan", "null", "none")
"""What stands for "not measured" in a cell, compared without regard to case."""

Format = Literal["csv", "parquet", "ping"]


class TimeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the time of a row stands. Several columns (date, time) are joined by a blank.

    `unit`: s, ms, us, ns since the Unix epoch, or "iso"; `format` (strptime) instead of it. `timezone` is for times
    without offset. `relative`: the unit counts from the option `start`. `offset_s` is added: a clock known to be off.
    """

    source: str | list[str] = msgspec.field(name="from")
    unit: Literal["s", "ms", "us", "ns", "iso"] = "iso"
    format: str = ""
    timezone: str = ""
    relative: bool = False
    offset_s: float = 0.0

    @property
    def sources(self) -> list[str]:
        """Names of the time columns."""
        return [self.source] if isinstance(self.source, str) else self.source


class ColumnRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one column of the stream comes from: a column of the file, a constant, or a number that is made here.

    In this order: `null` markers, the `values` map, `factor` and `offset`, then the conversion from `unit`. `number`:
    "row" counts rows from 0 in the order of the output, "content" is 31 bits of the file's SHA-256 (a session).
    """

    source: str | None = msgspec.field(name="from", default=None)
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0
    const: int | float | str | bool | None = None
    number: Literal["row", "content"] | None = None
    values: dict[str, int | float | str | bool] = {}
    null: list[str] = []
    optional: bool = False
    """The file may lack the column; its values are null then."""


class FileColumn(ColumnRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column of a file, of which the profile may ask more than the stream does."""

    required: bool = False
    """A row whose cell is empty is refused, though the stream would take it."""
    at_least: float | None = None
    """A row with a smaller number is refused, though the stream would take it."""


class CsvRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the text file is written. `names` gives the columns of a file without a header row."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    skip_lines: int = 0
    names: list[str] = []


class FileCsv(CsvRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file is written that people may have made: `also` gives other headings of a column.

    They stand by the heading that the profile goes by; a file has one of them.
    """

    also: dict[str, list[str]] = {}


class PingRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ping log does not say. `encoding` empty: found out (UTF-8, UTF-16 of PowerShell, Shift_JIS)."""

    interval_s: float | None = None
    encoding: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checked profile. `start`: ISO 8601, for files whose times are relative or absent.

    `g2g` says how trials of glass-to-glass delay were recorded, and makes every row one.
    """

    name: str
    format: Format
    stream: str
    description: str = ""
    start: str = ""
    sort_by: str = ""
    """A column of the stream, or "t". The rows are held in memory and sorted; without it they stream through."""
    single_valued: list[str] = []
    """Columns of the file that must not change: an import goes to one device and one link."""
    time: TimeRule | None = None
    columns: dict[str, FileColumn] = {}
    csv: FileCsv = FileCsv()
    ping: PingRule = PingRule()
    g2g: VideoSetup | None = None

    @property
    def start_ns(self) -> int | None:
        """The option `start` in nanoseconds, or None; raises ProfileError."""
        if not self.start:
            return None
        try:
            return iso_ns(self.start, zone(self.time.timezone) if self.time and self.time.timezone else None)
        except ValueError as error:
            raise ProfileError(f"profile {self.name}: start: {error}") from error

    @property
    def identity(self) -> str:
        """SHA-256 of what the profile says, options included: equal files give equal samples under equal identity."""
        said: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, name="", description=""))
        # What came later counts only where it says something: a file that was imported before is still the same file.
        _without_defaults(said, {"g2g": None})
        _without_defaults(said["csv"], {"also": {}})
        for rule in said["columns"].values():
            _without_defaults(rule, {"required": False, "at_least": None})
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def _without_defaults(said: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    for name, default in defaults.items():
        if said[name] == default:
            del said[name]


OPTIONS = ("start", "interval_s", "timezone", "encoding", "time_offset_s")
"""What a caller may give for one file instead of writing a profile of its own."""


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_profile(name_or_path: str | Path, options: Mapping[str, str] | None = None) -> Profile:
    """Load a shipped profile by name or any profile by path, and apply `options` (see OPTIONS).

    Raises ProfileError, whose message names the file and the key.
    """
    path = SHIPPED / f"{name_or_path}.toml" if str(name_or_path) in shipped_profiles() else Path(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(shipped_profiles())
        raise ProfileError(f"profile {str(name_or_path)!r} is neither a file nor one of {known}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{path}: {error}") from error
    try:
        profile = _with_options(_profile(path.stem, _like(table)), options or {})
        _check(profile)
    except ProfileError as error:
        raise ProfileError(f"{path.name}: {error}") from error
    return profile


def _like(table: dict[str, Any]) -> dict[str, Any]:
    """Return a profile's table laid over that of the shipped profile that it is `like`, table by table."""
    own = dict(table)
    name = own.pop("like", None)
    if name is None:
        return own
    if name not in shipped_profiles():
        raise ProfileError(f"like: {name!r} is not one of {', '.join(shipped_profiles())}")
    whole = tomllib.loads((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))
    for key, value in own.items():
        is_table = isinstance(value, dict) and isinstance(whole.get(key), dict)
        whole[key] = {**whole[key], **value} if is_table else value
    return whole


def _profile(name: str, table: dict[str, Any]) -> Profile:
    # What only matters to messages by MQTT (contract.foreign): one profile may serve a device's files and messages.
    table = {key: value for key, value in table.items() if key not in {"topics", "names"}}
    # Column by column, since msgspec does not say at which key of a dictionary it stopped.
    columns = table.get("columns", {})
    rules = {
        key: _convert(value, FileColumn, f"columns.{key}")
        for key, value in (columns.items() if isinstance(columns, dict) else ())
    }
    if table.get("g2g") == {}:
        raise ProfileError(
            'how the trials were recorded is not said: write a profile with like = "g2g_csv" and a table [g2g] that '
            "gives method, camera, camera_fps, monitor_hz, reading_ms ... (contract/recording/README.md)"
        )
    whole: Profile = _convert({"name": name, **table, "columns": {}}, Profile, "")
    return msgspec.structs.replace(whole, columns=rules if whole.g2g is None else _as_trials(whole.g2g, rules))


def _as_trials(setup: VideoSetup, columns: dict[str, FileColumn]) -> dict[str, FileColumn]:
    """Return the columns of trials of glass-to-glass delay: every row also says how it was recorded."""
    if "value" not in columns:
        raise ProfileError("columns.value: the profile does not say where the delay of a trial stands")
    return {
        "name": FileColumn(const=METRIC),
        "unit": FileColumn(const="ms"),
        "detail": FileColumn(const=msgspec.json.encode(setup, order="sorted").decode()),
        # Nothing is read that is shorter than what the reading resolves: 0.18 is a delay in seconds.
        "value": msgspec.structs.replace(columns["value"], required=True, at_least=setup.reading_ms),
    }


def _convert(value: object, kind: type, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ProfileError(f"{where}: {error}" if where else str(error)) from error


def _with_options(profile: Profile, options: Mapping[str, str]) -> Profile:
    for key, value in options.items():
        if key not in OPTIONS:
            raise ProfileError(f"option {key!r} is not one of {', '.join(OPTIONS)}")
        if key == "start":
            profile = msgspec.structs.replace(profile, start=value)
        elif key == "encoding":
            profile = msgspec.structs.replace(
                profile,
                csv=msgspec.structs.replace(profile.csv, encoding=value),
                ping=msgspec.structs.replace(profile.ping, encoding=value),
            )
        elif key == "interval_s" and profile.format == "ping":
            rule = msgspec.structs.replace(profile.ping, interval_s=_number_option(key, value))
            profile = msgspec.structs.replace(profile, ping=rule)
        elif key == "timezone" and profile.time:
            profile = msgspec.structs.replace(profile, time=msgspec.structs.replace(profile.time, timezone=value))
        elif key == "time_offset_s" and profile.time:
            shifted = msgspec.structs.replace(profile.time, offset_s=_number_option(key, value))
            profile = msgspec.structs.replace(profile, time=shifted)
        else:
            raise ProfileError(f"option {key!r} means nothing for format {profile.format!r}")
    return profile


def _number_option(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ProfileError(f"option {key}: {value!r} is not a number") from error


def _check(profile: Profile) -> None:
    stream = STREAMS.get(profile.stream)
    if stream is None:
        raise ProfileError(f"stream: {profile.stream!r} is not one of {', '.join(STREAMS)}")
    if profile.format == "ping":
        _check_ping(profile)
        return
    if profile.time is None:
        raise ProfileError("time: the profile does not say where the time of a row stands")
    check_time(profile.time)
    if profile.time.relative and not profile.start:
        raise ProfileError("time.relative: the option `start` must say when the recording began (ISO 8601)")
    check_columns(profile.stream, profile.columns)
    if profile.sort_by not in {"", "t", *profile.columns}:
        raise ProfileError(f'sort_by: {profile.sort_by!r} is neither "t" nor a mapped column')


def check_columns(stream_name: str, columns: Mapping[str, ColumnRule], made: Collection[str] | None = None) -> None:
    """Check the columns of a profile for `stream_name`; raises ProfileError. `made` come by another rule of theirs."""
    stream = STREAMS[stream_name]
    for name, rule in columns.items():
        if name not in stream.column_names:
            raise ProfileError(f"columns.{name}: stream {stream.name} has only {', '.join(stream.column_names)}")
        given = [rule.source is not None, rule.const is not None, rule.number is not None, name in (made or ())]
        if sum(given) != 1:
            raise ProfileError(
                f"columns.{name}: give one of `from`, `const` and {'`number`' if made is None else '`template`'}"
            )
    constants: dict[str, Value] = {name: rule.const for name, rule in columns.items() if rule.const is not None}
    for fault in sample_faults(stream.name, constants):
        name, _, rest = fault.partition(" ")
        if name in constants or name not in columns:
            raise ProfileError(f"columns.{name}: {rest}")


def _check_ping(profile: Profile) -> None:
    interval_s = profile.ping.interval_s
    if interval_s is not None and not 0 < interval_s < float("inf"):
        raise ProfileError(f"ping.interval_s: {interval_s} must be greater than 0")
    if profile.stream != "probe":
        raise ProfileError('stream: a ping log fills stream "probe"')
    if profile.time or profile.columns or profile.sort_by:
        raise ProfileError("a ping log has no columns: leave out `time`, `columns` and `sort_by`")


def check_time(rule: TimeRule) -> None:
    """Check where a time stands and how it is written; raises ProfileError."""
    if not rule.sources:
        raise ProfileError("time.from: names no column")
    if rule.timezone:
        zone(rule.timezone)
    if rule.relative and (rule.unit == "iso" or rule.format):
        raise ProfileError("time.relative: a relative time needs a unit of s, ms, us or ns")
