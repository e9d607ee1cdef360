"""Foreign profiles: a TOML file that says what a third party's MQTT messages mean.

The words are those of the profiles for recorded files (`contract.recording`): `[time]`, `[columns]`, units, nulls,
value maps. A column's `from` is a path here (`contract.foreign.paths`), and one message may give rows of several
streams.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from contract.foreign.paths import heading_path, parse_path, template_parts
from contract.foreign.topics import TopicPattern, parse_pattern
from contract.recording import ProfileError
from contract.recording.profile import ColumnRule, CsvRule, TimeRule, check_columns, check_time
from contract.streams import STREAMS
from contract.topics import check_name

SHIPPED = Path(__file__).parent / "profiles"
ARRIVAL = "@received"
"""`time.from` of a device that sends no time: its rows get the time at which ingest received the message."""

_PARTS = ("site", "device", "link")
_SINGLE = ("stream", "each", "where", "columns")


class NameRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a site, device or link gets its name: a constant, or what stands at a path, through the `values` map.

    `case = "lower"` is for serial numbers in capitals; any other character that a name may not have is an error of
    the message, since two devices must never become one by a silent replacement.
    """

    const: str | None = None
    source: str | None = msgspec.field(name="from", default=None)
    values: dict[str, str] = {}
    case: Literal["", "lower"] = ""


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must stand at a path for a rule to apply: one of some values, none of some, or a kind of value."""

    any_of: list[str] = msgspec.field(name="in", default_factory=list)
    none_of: list[str] = msgspec.field(name="not_in", default_factory=list)
    kind: Literal["", "number", "text", "bool", "present", "absent"] = msgspec.field(name="is", default="")


class ForeignColumn(ColumnRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column; `from` is a path. `template` puts a text together: "{^^.name}.{@key}"."""

    template: str = ""


class RowRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of one stream: one for each record at `each` (the first of its paths at which something stands)."""

    stream: str
    each: str | list[str] = "$"
    where: dict[str, str | list[str] | Condition] = {}
    time: TimeRule | None = None
    link: NameRule | None = None
    columns: dict[str, ForeignColumn] = {}

    @property
    def record_paths(self) -> list[str]:
        """The paths of `each`."""
        return [self.each] if isinstance(self.each, str) else self.each


class ForeignProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checked profile. `stream` and `columns` at the top stand for one entry of `rows`.

    `ignore_unmapped`: a message of which no rule makes a row is passed over instead of quarantined.
    """

    name: str
    format: Literal["json", "csv"] = "json"
    description: str = ""
    topics: list[str]
    names: dict[str, NameRule] = {}
    time: TimeRule | None = None
    csv: CsvRule = CsvRule()
    rows: list[RowRule] = []
    ignore_unmapped: bool = False

    @property
    def patterns(self) -> list[TopicPattern]:
        """The parsed topics."""
        return [parse_pattern(text) for text in self.topics]

    @property
    def identity(self) -> str:
        """SHA-256 of what the profile says; its first digits stand in the `source` of every batch made by it."""
        said = msgspec.json.encode(msgspec.structs.replace(self, name="", description=""), order="sorted")
        return hashlib.sha256(said).hexdigest()

    @property
    def source(self) -> str:
        """What batches made by it name as their source."""
        return f"foreign/{self.name}@{self.identity[:8]}"


def shipped_foreign_profiles() -> list[str]:
    """Return the names of the profiles that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_foreign_profile(name_or_path: str | Path) -> ForeignProfile:
    """Load a shipped profile by name or any profile by path.

    Raises ProfileError, whose message names the file and the key.
    """
    known = shipped_foreign_profiles()
    path = SHIPPED / f"{name_or_path}.toml" if str(name_or_path) in known else Path(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ProfileError(
            f"foreign profile {str(name_or_path)!r} is neither a file nor one of {', '.join(known)}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{path}: {error}") from error
    try:
        return parse_foreign_profile(path.stem, table)
    except ProfileError as error:
        raise ProfileError(f"{path.name}: {error}") from error


def parse_foreign_profile(name: str, table: Mapping[str, Any]) -> ForeignProfile:
    """Return the checked profile that a TOML table says; raises ProfileError, which names the key."""
    table = dict(table)
    blocks = table.pop("rows", [])
    single = {key: table.pop(key) for key in _SINGLE if key in table}
    if not isinstance(blocks, list) or bool(blocks) == bool(single):
        raise ProfileError("give either `stream` and `columns`, or one or more [[rows]]")
    places = {"": single} if single else {f"rows[{index}].": block for index, block in enumerate(blocks)}
    rows = [_row_rule(place, block) for place, block in places.items()]
    profile: ForeignProfile = _convert({"name": name, **table}, ForeignProfile, "")
    profile = msgspec.structs.replace(profile, rows=rows)
    _check_topics_and_names(profile)
    for place, rule in zip(places, rows, strict=True):
        try:
            _check_rule(profile, rule)
        except ProfileError as error:
            raise ProfileError(f"{place}{error}") from error
    return profile


def _row_rule(place: str, block: Any) -> RowRule:
    # Column by column, since msgspec does not say at which key of a dictionary it stopped.
    columns = block.get("columns", {}) if isinstance(block, dict) else {}
    rules = {
        key: _convert(value, ForeignColumn, f"{place}columns.{key}")
        for key, value in (columns.items() if isinstance(columns, dict) else ())
    }
    rule: RowRule = _convert({**block, "columns": {}} if isinstance(block, dict) else block, RowRule, place)
    return msgspec.structs.replace(rule, columns=rules)


def _convert(value: object, kind: type, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ProfileError(f"{where}: {error}" if where else str(error)) from error


def _check_topics_and_names(profile: ForeignProfile) -> None:
    if not profile.topics:
        raise ProfileError("topics: name at least one, such as cpe/{site}/{device}/status")
    patterns = profile.patterns
    for part, rule in profile.names.items():
        if part not in _PARTS:
            raise ProfileError(f"names.{part}: only {', '.join(_PARTS)} have names")
        _check_name_rule(profile, f"names.{part}", rule)
    for part in ("site", "device"):
        for pattern in patterns:
            if part not in profile.names and part not in pattern.captures:
                raise ProfileError(f"names.{part}: topic {pattern.text!r} has no {{{part}}}: say where it is to be had")


def _check_path(profile: ForeignProfile, text: str) -> None:
    path = parse_path(text) if profile.format == "json" else heading_path(text)
    for pattern in profile.patterns if path.start == "topic" else ():
        if path.steps[0] not in pattern.captures:
            raise ProfileError(f"path {text!r}: topic {pattern.text!r} has no {{{path.steps[0]}}}")


def _check_name_rule(profile: ForeignProfile, place: str, rule: NameRule) -> None:
    if (rule.const is None) == (rule.source is None):
        raise ProfileError(f"{place}: give one of `from` and `const`")
    names = [*rule.values.values(), *([rule.const] if rule.const is not None else [])]
    for name in names:
        if name or not place.endswith("link"):
            try:
                check_name(place, name)
            except ValueError as error:
                raise ProfileError(str(error)) from error
    if rule.source is not None:
        _check_path(profile, rule.source)


def _check_rule(profile: ForeignProfile, rule: RowRule) -> None:
    stream = STREAMS.get(rule.stream)
    if stream is None:
        raise ProfileError(f"stream: {rule.stream!r} is not one of {', '.join(STREAMS)}")
    if profile.format == "csv" and rule.each != "$":
        raise ProfileError("each: the records of a CSV are its rows")
    for path in rule.record_paths:
        parse_path(path, for_records=True)
    _check_time_rule(profile, rule.time or profile.time)
    check_columns(rule.stream, rule.columns, {name for name, column in rule.columns.items() if column.template})
    for name, column in rule.columns.items():
        if column.number is not None:
            raise ProfileError(f"columns.{name}: `number` is for files; a message has no rows to count")
        if column.template and stream.column(name).kind != "text":
            raise ProfileError(f"columns.{name}: `template` makes text, and the column is none")
    columns = rule.columns.values()
    paths = [*rule.where, *(column.source for column in columns if column.source is not None)]
    for path in (*paths, *(part for column in columns for part in template_parts(column.template)[1::2])):
        _check_path(profile, path)
    _check_link(profile, rule, scope=stream.scope)


def _check_time_rule(profile: ForeignProfile, time: TimeRule | None) -> None:
    if time is None:
        raise ProfileError('time: say where the time of a row stands; `from = "@received"` if the device sends none')
    if time.relative:
        raise ProfileError("time.relative: a message has no beginning to count from")
    if time.sources == [ARRIVAL]:
        if time != TimeRule(source=time.source):
            raise ProfileError(f"time: {ARRIVAL} has neither unit nor format, time zone nor offset")
        return
    for path in time.sources:
        _check_path(profile, path)
    check_time(time)


def _check_link(profile: ForeignProfile, rule: RowRule, *, scope: str) -> None:
    if rule.link is not None:
        _check_name_rule(profile, "link", rule.link)
    if scope == "device" or rule.link is not None or "link" in profile.names:
        return
    for pattern in profile.patterns:
        if "link" not in pattern.captures:
            raise ProfileError(
                f"link: stream {rule.stream!r} belongs to a link, and topic {pattern.text!r} names none: give "
                '`link = { const = "l5g" }` (or const = "" where it is about the device itself)'
            )
