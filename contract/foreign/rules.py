"""One rule of a profile made ready: a record of a message to one row, or everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from contract.codec import PayloadError
from contract.columns import Column
from contract.foreign.paths import ABSENT, Path, Scope, find, heading_path, parse_path, plain_text, template_parts
from contract.foreign.profile import ARRIVAL, Condition, ForeignProfile, NameRule, RowRule
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

_SHOWN = 80
_DEVICE_ITSELF = NameRule(const="")

Complaints = list[PayloadError]


class ForeignRow(NamedTuple):
    """One row that a message gives. `t_ns`: Unix nanoseconds, UTC."""

    site: str
    device: str
    link: str
    stream: str
    t_ns: int
    values: Sample


class _Reading(NamedTuple):
    column: Column
    path: Path
    read: ReadCell
    optional: bool


class _Name(NamedTuple):
    part: str
    rule: NameRule
    path: Path | None


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One [[rows]] of a profile. `place` begins every complaint; `read_time` is None where the arrival counts."""

    place: str
    stream: str
    each: tuple[Path, ...]
    where: tuple[tuple[Path, Condition], ...]
    time_paths: tuple[Path, ...]
    read_time: ReadTime | None
    names: tuple[_Name, ...]
    fixed: Mapping[str, Value]
    readings: tuple[_Reading, ...]
    templates: tuple[tuple[str, tuple[str | Path, ...]], ...]

    def row(self, scope: Scope, received_at_us: int, complaints: Complaints) -> ForeignRow | None:
        """Return the row of one record, or None; what is wrong with it is added to `complaints`.

        A record to which `where` does not apply, and one of which every column is null, is no row and no fault.
        """
        if not all(_holds(find(path, scope), condition) for path, condition in self.where):
            return None
        found: Complaints = []
        values, measured = self._values(scope, found)
        if not measured and not found:
            return None
        if not found:
            faults = sample_faults(self.stream, values)
            found += [PayloadError(_reason(fault), f"{self.place}{self.stream}.{fault}") for fault in faults]
        site, device, link = (_attempt(found, "", _name, name, scope) for name in self.names)
        t_ns = _attempt(found, 0, self._time, scope, received_at_us)
        complaints += found
        return None if found else ForeignRow(site, device, link, self.stream, t_ns, values)

    def _values(self, scope: Scope, complaints: Complaints) -> tuple[dict[str, Value], bool]:
        values: dict[str, Value] = dict(self.fixed)
        measured = not self.readings
        for reading in self.readings:
            raw = _attempt(complaints, None, _cell, reading, scope, self.place)
            value = values[reading.column.name] = reading.read(raw)
            measured |= value is not None
        if measured:
            for name, parts in self.templates:
                texts = [
                    part if isinstance(part, str) else _attempt(complaints, "", _text, part, scope) for part in parts
                ]
                values[name] = "".join(texts)
        return values, measured

    def _time(self, scope: Scope, received_at_us: int) -> int:
        received_ns = received_at_us * 1000
        if self.read_time is None:
            return received_ns
        cells = [None if (cell := find(path, scope)) is ABSENT else cell for path in self.time_paths]
        try:
            t_ns = self.read_time(cells)
        except (ValueError, OverflowError) as error:
            places = ", ".join(path.text for path in self.time_paths)
            raise PayloadError("bad_time", f"{self.place}time (at {places}): {str(error)[: 2 * _SHOWN]!s}") from error
        if not EARLIEST_NS <= t_ns <= received_ns + LATEST_AHEAD_NS:
            shown = " ".join(repr(cell)[:_SHOWN] for cell in cells)
            raise PayloadError(
                "bad_time",
                f"{self.place}time {shown} is before 2000 or a day after its arrival: "
                "is `time.unit` right, and the device's clock?",
            )
        return t_ns


def compile_rule(profile: ForeignProfile, rule: RowRule, place: str) -> CompiledRule:
    """Make a checked rule ready; raises ProfileError for units that do not convert."""
    path_of: Callable[[str], Path] = parse_path if profile.format == "json" else heading_path
    stream = STREAMS[rule.stream]
    time = rule.time or profile.time
    assert time is not None
    by_arrival = time.sources == [ARRIVAL]
    readings = []
    for name, column in rule.columns.items():
        if column.source is not None:
            try:
                reader = cell_reader(stream.column(name), column)
            except ProfileError as error:
                raise ProfileError(f"profile {profile.name}: {place}columns.{name}: {error}") from error
            readings.append(_Reading(stream.column(name), path_of(column.source), reader, column.optional))
    link = _DEVICE_ITSELF if stream.scope == "device" else rule.link or profile.names.get("link")
    named = {"site": profile.names.get("site"), "device": profile.names.get("device"), "link": link}
    names = []
    for part, given in named.items():
        said = given or NameRule(source=f"@topic.{part}")
        names.append(_Name(part, said, None if said.source is None else path_of(said.source)))
    return CompiledRule(
        place=place,
        stream=rule.stream,
        each=tuple(
            parse_path(path, for_records=True) for path in (["*"] if profile.format == "csv" else rule.record_paths)
        ),
        where=tuple((path_of(path), _condition(said)) for path, said in rule.where.items()),
        time_paths=() if by_arrival else tuple(map(path_of, time.sources)),
        read_time=None if by_arrival else time_reader(time),
        names=tuple(names),
        fixed={name: column.const for name, column in rule.columns.items() if column.const is not None},
        readings=tuple(readings),
        templates=tuple(
            (name, _template(column.template, path_of)) for name, column in rule.columns.items() if column.template
        ),
    )


def _template(text: str, path_of: Callable[[str], Path]) -> tuple[str | Path, ...]:
    return tuple(path_of(part) if index % 2 else part for index, part in enumerate(template_parts(text)) if part)


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


def _attempt(complaints: Complaints, otherwise: Any, read: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `read` returns; where it complains, note that and return `otherwise`."""
    try:
        return read(*arguments)
    except PayloadError as error:
        complaints.append(error)
        return otherwise


def _cell(reading: _Reading, scope: Scope, place: str) -> Any:
    raw = find(reading.path, scope)
    where = f"{place}columns.{reading.column.name}"
    if raw is ABSENT:
        if not reading.optional:
            raise PayloadError(
                "missing_column",
                f"{where}: nothing stands at {reading.path.text}; `optional = true` if it may be left out",
            )
        return None
    if isinstance(raw, dict | list):
        if reading.column.kind != "json":
            raise PayloadError("type_mismatch", f"{where}: {reading.path.text} is an object or a list; go further down")
        try:
            return json.dumps(raw, ensure_ascii=False)
        except RecursionError as error:
            raise PayloadError("malformed", f"{where}: {reading.path.text} is nested too deep") from error
    return plain_text(raw) if isinstance(raw, bool) else raw


def _text(path: Path, scope: Scope) -> str:
    found = find(path, scope)
    text = plain_text(found) if found is not ABSENT else None
    if text is None:
        raise PayloadError("missing_column", f"template: nothing stands at {path.text}")
    return text


def _name(name: _Name, scope: Scope) -> str:
    part, rule, path = name
    if path is None:
        return rule.const or ""
    found = find(path, scope)
    text = plain_text(found) if found is not ABSENT else None
    if text is None:
        raise PayloadError("identity_mismatch", f"names.{part}: nothing stands at {path.text}")
    if (mapped := rule.values.get(text)) is not None:
        return mapped
    try:
        return check_name(part, text.lower()[:_SHOWN] if rule.case else text[:_SHOWN])
    except ValueError as error:
        remedy = f'[names] {part} = {{ from = "{path.text}", values = {{ ... }} }} maps it'
        raise PayloadError("identity_mismatch", f"{error}; {remedy}") from error


def _reason(fault: str) -> str:
    if "is outside" in fault or "must be one of" in fault or "finite" in fault:
        return "out_of_range"
    return "missing_column" if fault.endswith("is missing") else "type_mismatch"
