"""One message of a third party to rows of the contract's streams: all of them, or the reason why not.

A message is taken whole or not at all, so that trying it again after a correction of the profile never has to know
which part of it is in the database already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from contract.codec import PayloadError
from contract.columns import Column
from contract.envelope import MAX_BATCH_ROWS
from contract.foreign.paths import ABSENT, Path, Scope, find, parse_path, plain_text, records
from contract.foreign.payloads import parse_payload
from contract.foreign.profile import ARRIVAL, Condition, ForeignColumn, ForeignProfile, NameRule, RowRule
from contract.recording import ProfileError
from contract.recording.cells import ReadCell, cell_reader
from contract.recording.table import time_reader
from contract.recording.times import ReadTime
from contract.samples import Sample, Value, sample_faults
from contract.streams import STREAMS
from contract.topics import check_name

EARLIEST_NS = 946_684_800 * 10**9
"""2000-01-01: a clock that was never set stands at 1970 or 1980, and milliseconds read as seconds land in 1970 too."""

LATEST_AHEAD_NS = 86_400 * 10**9
"""How far a time may lie ahead of its arrival: a day, since a zone left out shifts a time by up to 14 hours."""

_HOLE = re.compile(r"\{([^{}]+)\}")
_SHOWN = 120


class ForeignRow(NamedTuple):
    """One row that a message gives. `t_ns`: Unix nanoseconds, UTC."""

    site: str
    device: str
    link: str
    stream: str
    t_ns: int
    values: Sample


class Mapped(NamedTuple):
    """What a message gives. `is_arrival`: it has no time of its own, and its rows got that of their arrival."""

    rows: tuple[ForeignRow, ...]
    is_arrival: bool


class _Times(NamedTuple):
    paths: tuple[Path, ...]
    read: ReadTime


class _Columns(NamedTuple):
    fixed: Mapping[str, Value]
    read: tuple[tuple[str, Column, Path, ReadCell, bool], ...]
    templates: tuple[tuple[str, tuple[str | Path, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    place: str
    rule: RowRule
    each: tuple[Path, ...]
    where: tuple[tuple[Path, Condition], ...]
    times: _Times | None
    link: NameRule | None
    columns: _Columns


class ForeignMapping:
    """A profile made ready: turns messages into rows. Pure; one serves for any number of messages."""

    def __init__(self, profile: ForeignProfile) -> None:
        """Compile `profile`; raises ProfileError for units that do not convert."""
        self.profile = profile
        self.patterns = profile.patterns
        self.source = profile.source
        # A column of a CSV may have dots in its name; only what begins with @ is a path there.
        self._path: Callable[[str], Path] = parse_path if profile.format == "json" else _heading
        many = len(profile.rows) > 1
        self._rules = [self._rule(rule, f"rows[{i}]: " if many else "") for i, rule in enumerate(profile.rows)]

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the captured levels of a topic that this profile takes, else None."""
        for pattern in self.patterns:
            if (found := pattern.match(topic)) is not None:
                return found
        return None

    def rows(self, topic: str, payload: bytes, received_at_us: int) -> Mapped:
        """Return the rows of one message. `received_at_us`: Unix microseconds.

        No rows: the profile passes such a message over. Raises PayloadError, whose reason is one of
        `contract.codec.QUARANTINE_REASONS`, whatever the payload is.
        """
        captured = self.match(topic)
        if captured is None:
            raise PayloadError("nothing_mapped", f"profile {self.profile.name} does not take topic {topic!r}")
        message = parse_payload(payload, self.profile)
        found: list[ForeignRow] = []
        by_arrival = 0
        for rule in self._rules:
            rows = self._apply(rule, message, captured, received_at_us)
            found += rows
            by_arrival += len(rows) if rule.times is None else 0
            if len(found) > MAX_BATCH_ROWS:
                raise PayloadError("oversized", f"the message gives more than {MAX_BATCH_ROWS} rows")
        if not found and not self.profile.ignore_unmapped:
            raise PayloadError(
                "nothing_mapped",
                f"no rule of profile {self.profile.name} makes a row of it: add one, or `ignore_unmapped = true`",
            )
        return Mapped(tuple(found), bool(found) and by_arrival == len(found))

    def _rule(self, rule: RowRule, place: str) -> _Rule:
        time = rule.time or self.profile.time
        assert time is not None
        stream = STREAMS[rule.stream]
        times = None
        if time.sources != [ARRIVAL]:
            times = _Times(tuple(map(self._path, time.sources)), time_reader(time))
        each = ["*"] if self.profile.format == "csv" else rule.record_paths
        link = rule.link or self.profile.names.get("link")
        return _Rule(
            place,
            rule,
            tuple(parse_path(path, for_records=True) for path in each),
            tuple((self._path(path), _condition(said)) for path, said in rule.where.items()),
            times,
            NameRule(const="") if link is None and stream.scope == "device" else link,
            self._columns(rule, place),
        )

    def _columns(self, rule: RowRule, place: str) -> _Columns:
        stream = STREAMS[rule.stream]
        fixed: dict[str, Value] = {}
        read: list[tuple[str, Column, Path, ReadCell, bool]] = []
        templates: list[tuple[str, tuple[str | Path, ...]]] = []
        for name, column in rule.columns.items():
            if column.template:
                templates.append((name, self._template(column)))
            elif column.source is not None:
                try:
                    reader = cell_reader(stream.column(name), column)
                except ProfileError as error:
                    raise ProfileError(f"profile {self.profile.name}: {place}columns.{name}: {error}") from error
                read.append((name, stream.column(name), self._path(column.source), reader, column.optional))
            else:
                fixed[name] = column.const
        return _Columns(fixed, tuple(read), tuple(templates))

    def _template(self, column: ForeignColumn) -> tuple[str | Path, ...]:
        parts = _HOLE.split(column.template)
        return tuple(self._path(part) if index % 2 else part for index, part in enumerate(parts) if part)

    def _apply(self, rule: _Rule, message: Any, captured: Mapping[str, str], received_at_us: int) -> list[ForeignRow]:
        scopes: Sequence[Scope] = ()
        for path in rule.each:
            if (there := records(path, message, captured)) is not None:
                scopes = there
                break
        if len(scopes) > MAX_BATCH_ROWS:
            raise PayloadError("oversized", f"the message gives more than {MAX_BATCH_ROWS} rows")
        rows = []
        for scope in scopes:
            if all(_holds(find(path, scope), condition) for path, condition in rule.where):
                row = self._row(rule, scope, received_at_us)
                if row is not None:
                    rows.append(row)
        return rows

    def _row(self, rule: _Rule, scope: Scope, received_at_us: int) -> ForeignRow | None:
        values, measured = _values(rule, scope)
        if not measured:
            return None
        for name, parts in rule.columns.templates:
            values[name] = "".join(part if isinstance(part, str) else _text_at(part, scope) for part in parts)
        if faults := sample_faults(rule.rule.stream, values):
            raise PayloadError(_reason(faults[0]), f"{rule.place}{rule.rule.stream}.{'; '.join(faults)}")
        return ForeignRow(
            self._name("site", None, scope),
            self._name("device", None, scope),
            "" if STREAMS[rule.rule.stream].scope == "device" else self._name("link", rule.link, scope),
            rule.rule.stream,
            _time(rule.times, scope, received_at_us),
            values,
        )

    def _name(self, part: str, rule: NameRule | None, scope: Scope) -> str:
        rule = rule or self.profile.names.get(part)
        if rule is None:
            name = scope.topic[part]
        elif rule.const is not None:
            return rule.const
        else:
            found = find(self._path(rule.source or ""), scope)
            text = plain_text(found) if found is not ABSENT else None
            if text is None:
                raise PayloadError("identity_mismatch", f"names.{part}: nothing stands at {rule.source}")
            name = rule.values.get(text, text.lower() if rule.case else text)
        try:
            return check_name(part, name)
        except ValueError as error:
            raise PayloadError(
                "identity_mismatch",
                f"{str(error)[:_SHOWN]}; or map it: [names] {part} = {{ from = ..., values = ... }}",
            ) from error


def _heading(text: str) -> Path:
    return parse_path(text) if text.startswith("@") else Path(text, "record", 0, (text,))


def _condition(said: str | list[str] | Condition) -> Condition:
    if isinstance(said, Condition):
        return said
    return Condition(any_of=[said] if isinstance(said, str) else said)


def _holds(value: Any, condition: Condition) -> bool:
    text = None if value is ABSENT else plain_text(value)
    if condition.any_of and text not in condition.any_of:
        return False
    if condition.none_of and text in condition.none_of:
        return False
    is_there = value is not ABSENT and value is not None
    return {
        "": True,
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "text": isinstance(value, str),
        "bool": isinstance(value, bool),
        "present": is_there,
        "absent": not is_there,
    }[condition.kind]


def _values(rule: _Rule, scope: Scope) -> tuple[dict[str, Value], bool]:
    """Return the values of a record and whether it holds any: one of which every column is null is no row."""
    values: dict[str, Value] = dict(rule.columns.fixed)
    measured = not rule.columns.read
    for name, column, path, read, optional in rule.columns.read:
        raw = find(path, scope)
        if raw is ABSENT:
            if not optional:
                remedy = "`optional = true` if it may be left out"
                raise PayloadError(
                    "missing_column", f"{rule.place}columns.{name}: nothing stands at {path.text}; {remedy}"
                )
            raw = None
        elif isinstance(raw, dict | list):
            if column.kind != "json":
                raise PayloadError("type_mismatch", f"{rule.place}columns.{name}: {path.text} is no single value")
            raw = json.dumps(raw, ensure_ascii=False)
        elif isinstance(raw, bool):
            raw = "true" if raw else "false"
        values[name] = read(raw)
        measured |= values[name] is not None
    return values, measured


def _reason(fault: str) -> str:
    if "is outside" in fault or "must be one of" in fault or "finite" in fault:
        return "out_of_range"
    return "missing_column" if fault.endswith("is missing") else "type_mismatch"


def _text_at(path: Path, scope: Scope) -> str:
    found = find(path, scope)
    text = plain_text(found) if found is not ABSENT else None
    if text is None:
        raise PayloadError("missing_column", f"template: nothing stands at {path.text}")
    return text


def _time(times: _Times | None, scope: Scope, received_at_us: int) -> int:
    received_ns = received_at_us * 1000
    if times is None:
        return received_ns
    cells = [None if (cell := find(path, scope)) is ABSENT else cell for path in times.paths]
    shown = " ".join(repr(cell)[:_SHOWN] for cell in cells)
    try:
        t_ns = times.read(cells)
    except (ValueError, OverflowError) as error:
        raise PayloadError(
            "bad_time", f"{str(error)[:_SHOWN]} (at {', '.join(p.text for p in times.paths)})"
        ) from error
    if not EARLIEST_NS <= t_ns <= received_ns + LATEST_AHEAD_NS:
        raise PayloadError(
            "bad_time",
            f"{shown} is before 2000 or a day after its arrival: is `time.unit` right, and the device's clock?",
        )
    return t_ns
