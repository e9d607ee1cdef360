"""One line of the feed as a sample. Pure.

{"stream": "radio", "t": 1767225600.25, "link": "l5g", "rsrp_dbm": -87.5}
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from contract.columns import INTEGER_BOUNDS
from contract.samples import Value
from contract.streams import STREAMS
from contract.topics import check_name

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_NS = INTEGER_BOUNDS["i8"][1]
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class LineError(ValueError):
    """Raised when a line is not a sample; the message says what is wrong with it."""


class FeedSample(NamedTuple):
    """One sample. `link` is None where the line names none: that of the configuration then holds."""

    stream: str
    t_ns: int
    values: dict[str, Value]
    link: str | None


def parse_line(line: bytes) -> FeedSample:
    """Read a line; raises LineError. Whether the columns hold what they may is the batcher's to check."""
    try:
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LineError(f"not a JSON object: {error}") from error
    stream = record.pop("stream", None)
    if not isinstance(stream, str) or stream not in STREAMS:
        raise LineError(f"stream {stream!r} is not one of {', '.join(STREAMS)}")
    t_ns = _time_ns(record)
    link = record.pop("link", None)
    if link is not None and not isinstance(link, str):
        raise LineError(f"link {link!r} is not text")
    if link:
        try:
            check_name("link", link)
        except ValueError as error:
            raise LineError(str(error)) from error
    return FeedSample(stream, t_ns, {name: _value(stream, name, value) for name, value in record.items()}, link)


def _time_ns(record: dict[str, Any]) -> int:
    """Take the time out of `record`: t_ns in nanoseconds, or t in Unix seconds or as an ISO 8601 time."""
    if ("t_ns" in record) == ("t" in record):
        raise LineError('a line needs its time: either "t" (Unix seconds, or ISO 8601) or "t_ns" (nanoseconds)')
    if "t_ns" in record:
        t_ns = record.pop("t_ns")
        if not isinstance(t_ns, int) or isinstance(t_ns, bool):
            raise LineError(f"t_ns {t_ns!r} is not a whole number of nanoseconds")
    else:
        t_ns = _unix_ns(record.pop("t"))
    if not 0 < t_ns <= _LAST_NS:
        raise LineError(f"a time of {t_ns} ns is not between 1970 and 2262")
    return t_ns


def _unix_ns(t: Any) -> int:
    if isinstance(t, str):
        try:
            moment = datetime.fromisoformat(t)
        except ValueError as error:
            raise LineError(f"t {t!r} is not an ISO 8601 time") from error
        if moment.tzinfo is None:
            raise LineError(f"t {t!r} has no time zone: add Z or +09:00")
        return (moment - _EPOCH) // _MICROSECOND * 1000
    if isinstance(t, bool) or not isinstance(t, int | float) or not abs(t) < _LAST_NS:
        raise LineError(f"t {t!r} is neither Unix seconds nor an ISO 8601 time")
    # A float of Unix seconds resolves 0.24 us: what is beyond a microsecond in it is noise.
    return t * 1_000_000_000 if isinstance(t, int) else round(t * 1e6) * 1000


def _value(stream: str, name: str, value: Any) -> Value:
    """Return `value`; an object or list for a column of JSON text as that text. Raises LineError for another one."""
    if not isinstance(value, dict | list):
        plain: Value = value
        return plain
    if any(column.name == name and column.kind == "json" for column in STREAMS[stream].columns):
        return msgspec.json.encode(value).decode()
    raise LineError(f"{name} holds an object or a list; {stream} has no such column of JSON text")
