"""One line of the feed as a sample. Pure."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any, NamedTuple

from contract.samples import Value
from contract.streams import STREAMS
from contract.topics import NAME

_END_NS = 2**63  # what eight bytes of nanoseconds hold


class LineError(ValueError):
    """Raised when a line is not a sample; the message says why."""


class FeedSample(NamedTuple):
    """One sample of the feed. `t_ns` is None where the line has no time."""

    stream: str
    t_ns: int | None
    link: str | None
    values: dict[str, Value]


def parse_line(line: str) -> FeedSample:
    """Read `{"stream": ..., "t_ns" | "t": ..., "link": ..., column: value, ...}`. Raises LineError."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise LineError("not a JSON object")
    stream = record.pop("stream", None)
    if not isinstance(stream, str) or stream not in STREAMS:
        raise LineError(f"stream {stream!r} is not one of {', '.join(STREAMS)}")
    link = record.pop("link", None)
    if link is not None and link != "" and not (isinstance(link, str) and NAME.match(link)):
        raise LineError(f"link {link!r} is not a valid name")
    t_ns = _time_ns(record)
    if t_ns is not None and not 0 <= t_ns < _END_NS:
        raise LineError(f"the time {t_ns} ns is not within 1970 to 2262")
    detail = record.get("detail")
    if stream == "event" and isinstance(detail, dict | list):
        record["detail"] = json.dumps(detail, ensure_ascii=False)
    return FeedSample(stream, t_ns, link, record)


def _time_ns(record: dict[str, Any]) -> int | None:
    if "t_ns" in record:
        t_ns = record.pop("t_ns")
        if not isinstance(t_ns, int) or isinstance(t_ns, bool):
            raise LineError(f"t_ns {t_ns!r} is not a whole number of nanoseconds")
        return t_ns
    t = record.pop("t", None)
    if t is None:
        return None
    if isinstance(t, int | float) and not isinstance(t, bool) and math.isfinite(t):
        # A float of today's seconds is good to 0.24 us: to the microsecond it is what was written.
        seconds = math.floor(t)
        return seconds * 1_000_000_000 + round((t - seconds) * 1_000_000) * 1000
    try:
        moment = datetime.fromisoformat(str(t))
    except ValueError as error:
        raise LineError(f"t {t!r} is neither Unix seconds nor an ISO 8601 time") from error
    if moment.tzinfo is None:
        raise LineError(f"t {t!r} has no time zone: write Z or +09:00")
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
