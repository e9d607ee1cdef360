"""Rows of a table, whatever file they came from, to samples of one stream by a profile's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from contract.recording.cells import ReadCell, cell_reader
from contract.recording.errors import ProfileError, RecordingError, Unreadable
from contract.recording.profile import FileColumn, Profile, TimeRule
from contract.recording.times import ReadTime, decimal_ns, format_ns, iso_ns, zone
from contract.samples import Sample, Value
from contract.streams import STREAMS

NS = 1_000_000_000


class RecordedSample(NamedTuple):
    """One sample of a recording. `t_ns` Unix nanoseconds, UTC; `link` None means the link the reader was asked for.

    `line` is where it stands in the file, from 1; 0 where it stands nowhere.
    """

    t_ns: int
    stream: str
    link: str | None
    values: Sample
    line: int = 0


class Row(NamedTuple):
    """One row of a file: its line (from 1) and the cells of the columns asked for; a fault instead of cells."""

    line: int
    cells: Sequence[Any]
    fault: str = ""


OpenRows = Callable[[Sequence[str], frozenset[str]], Iterable[Row]]
"""Opens the rows of a file: names of the columns wanted, and those of them that the file may lack (cells None)."""

OnUnreadable = Callable[[Unreadable], None]
_TEXT_SHOWN = 200


def time_reader(rule: TimeRule, start_ns: int | None = None) -> ReadTime:
    """Return the function that reads the time of a row from its time cells; relative times count from `start_ns`."""
    default = zone(rule.timezone) if rule.timezone else None
    shift_ns = decimal_ns(rule.offset_s, "s") + (start_ns or 0)
    unit, pattern = rule.unit, rule.format

    def read(cells: Sequence[Any]) -> int:
        if any(cell is None or cell == "" for cell in cells):
            raise ValueError("the time is missing")
        if pattern:
            return format_ns(_joined(cells), pattern, default) + shift_ns
        if unit == "iso":
            return iso_ns(_joined(cells), default) + shift_ns
        if len(cells) != 1:
            raise ValueError(f"a time in {unit} stands in one column")
        return decimal_ns(cells[0], unit) + shift_ns

    return read


def _joined(cells: Sequence[Any]) -> str:
    return str(cells[0]).strip() if len(cells) == 1 else " ".join(str(cell).strip() for cell in cells)


def read_table(
    profile: Profile, open_rows: OpenRows, session: int, on_unreadable: OnUnreadable
) -> Iterator[RecordedSample]:
    """Yield the samples of a table in the order of the file, or sorted where the profile says so.

    Rows without readable time or cells go to `on_unreadable`. `session` is what `number = "content"` stands for.
    """
    samples = _samples(profile, open_rows, session, on_unreadable)
    if profile.sort_by:
        samples = iter(sorted(samples, key=lambda sample: _sort_key(sample, profile.sort_by)))
    numbered = [name for name, rule in profile.columns.items() if rule.number == "row"]
    if not numbered:
        yield from samples
        return
    for index, sample in enumerate(samples):
        yield sample._replace(values={**sample.values, **dict.fromkeys(numbered, index)})


def _sort_key(sample: RecordedSample, name: str) -> tuple[bool, Any, int]:
    value = sample.t_ns if name == "t" else sample.values[name]
    if isinstance(value, str):  # a cell that is no number: last, where its rejection is told
        value = None
    return (value is None, 0 if value is None else value, sample.t_ns)


def _samples(
    profile: Profile, open_rows: OpenRows, session: int, on_unreadable: OnUnreadable
) -> Iterator[RecordedSample]:
    assert profile.time is not None
    rule = profile.time
    read_time = time_reader(rule, profile.start_ns if rule.relative else None)
    fixed, readers = _compiled(profile, session)
    sources = [rule.source or "" for name, rule in profile.columns.items() if name in readers]
    optional = frozenset(rule.source or "" for rule in profile.columns.values() if rule.optional)
    wanted = [*rule.sources, *sources, *profile.single_valued]
    rows = open_rows(wanted, optional | frozenset(profile.single_valued))
    time_end, cells_end = len(rule.sources), len(rule.sources) + len(sources)
    strict = {name: rule for name, rule in profile.columns.items() if rule.required or rule.at_least is not None}
    seen: dict[str, Any] = {}
    for row in rows:
        try:
            t_ns = 0 if row.fault else read_time(row.cells[:time_end])
            fault = row.fault
        except ValueError as error:
            t_ns, fault = 0, str(error)
        if fault:
            on_unreadable(Unreadable(row.line, fault, _shown(row)))
            continue
        if profile.single_valued:
            _check_single(profile, row, cells_end, seen)
        values: dict[str, Value] = dict(fixed)
        for (name, read), cell in zip(readers.items(), row.cells[time_end:cells_end], strict=True):
            values[name] = read(cell)
        if fault := _refusal(strict, values, profile.csv.also):
            on_unreadable(Unreadable(row.line, fault, _shown(row)))
            continue
        yield RecordedSample(t_ns, profile.stream, None, values, row.line)


def _shown(row: Row) -> str:
    return ",".join(str(cell) for cell in row.cells)[:_TEXT_SHOWN]


def _refusal(strict: Mapping[str, FileColumn], values: Mapping[str, Value], also: Mapping[str, Sequence[str]]) -> str:
    """Return what a profile's own rules say against a row, "" where nothing; `also` are other headings of columns."""
    for name, rule in strict.items():
        value, source = values[name], rule.source or name
        called = f"{source} ({', '.join(also[source])})" if source in also else source
        if value is None and rule.required:
            return f"{called} is empty: fill it in, or leave the row out"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and rule.at_least is not None and float(value or 0) < rule.at_least:
            return f"{called} is below {rule.at_least:g}: check the value and its unit"
    return ""


def _compiled(profile: Profile, session: int) -> tuple[Mapping[str, Value], dict[str, ReadCell]]:
    stream = STREAMS[profile.stream]
    fixed: dict[str, Value] = {}
    readers: dict[str, ReadCell] = {}
    for name, rule in profile.columns.items():
        if rule.source is not None:
            try:
                readers[name] = cell_reader(stream.column(name), rule)
            except ProfileError as error:
                raise ProfileError(f"profile {profile.name}: columns.{name}: {error}") from error
        elif rule.number == "content":
            fixed[name] = session
        elif rule.const is not None:
            fixed[name] = rule.const
    return fixed, readers


def _check_single(profile: Profile, row: Row, start: int, seen: dict[str, Any]) -> None:
    for name, cell in zip(profile.single_valued, row.cells[start:], strict=True):
        if seen.setdefault(name, cell) != cell:
            raise RecordingError(
                f"column {name!r} holds {seen[name]!r} and {cell!r} (line {row.line}): split the file, since an import "
                "goes to one device and one link"
            )
