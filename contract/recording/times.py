"""Times of a recording to nanoseconds since the Unix epoch (UTC), exactly.

Decimal digits are taken as they stand: 1723214207.0723794 s is ...379400 ns, though the nearest double is 62 ns off.
A float column (Parquet) is read by its shortest decimal form, which is what its writer had before it became a double.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from contract.recording.errors import ProfileError

NS = 1_000_000_000
_MOST_DIGITS = 40
_CONTEXT = Context(prec=_MOST_DIGITS, rounding=ROUND_HALF_EVEN)
_NS_PER = {"s": Decimal(NS), "ms": Decimal(1_000_000), "us": Decimal(1000), "ns": Decimal(1)}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)\Z")
_ISO = re.compile(
    r"\s*(\d{4})[-/.](\d\d?)[-/.](\d\d?)[T _]\s*(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?\s*\Z"
)
_DIGITS = {"Y": "[0-9]{4}", "f": "[0-9]{1,6}", **dict.fromkeys("mdHMS", "[0-9]{2}")}
"""Fields of a `strptime` format as loggers write them; it takes a single digit too, and much else."""
_NAMED = {"UTC": UTC, "Z": UTC, "JST": timezone(timedelta(hours=9), "JST")}

ReadTime = Callable[[Sequence[Any]], int]
"""Turns the values of the time columns of one row into nanoseconds; raises ValueError where that fails."""


def zone(name: str) -> tzinfo:
    """Return the time zone called `name`: "UTC", "JST", an offset such as "+09:00", or an IANA name.

    Raises ProfileError for a name that is none of them.
    """
    if name in _NAMED:
        return _NAMED[name]
    if match := _OFFSET.match(name):
        sign, hours, minutes = match.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-shift if sign == "-" else shift)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ProfileError(f'time zone {name!r} is not known: write an offset such as "+09:00", or UTC, or JST') from (
            error
        )


def decimal_of(value: object) -> Decimal:
    """Return a number as the decimal it was written as; raise ValueError if it is none.

    Floats go through their shortest decimal form. NaN and infinity come back as such.
    """
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, int):
        return Decimal(value)
    text = repr(value) if isinstance(value, float) else str(value).strip()
    if "_" in text:  # Python's own notation, never a measured value
        raise ValueError(f"{value!r} is not a number")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error


def decimal_ns(value: object, unit: str) -> int:
    """Return `value` in `unit` ("s", "ms", "us", "ns") as whole nanoseconds, rounded half to even."""
    number = decimal_of(value)
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
        raise ValueError(f"{str(value)[:_MOST_DIGITS]!r} is not a time")
    return int(_CONTEXT.multiply(number, _NS_PER[unit]).to_integral_value(ROUND_HALF_EVEN))


def iso_ns(text: str, default: tzinfo | None) -> int:
    """Return an ISO 8601 date and time ("/" and " " are accepted too) in nanoseconds; nine digits count.

    Seconds may be missing: times written by hand, and spreadsheets, often have none.

    Raises ValueError, also where the text has no offset and `default` is None.
    """
    match = _ISO.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not an ISO 8601 date and time")
    parts, fraction, offset = match.groups()[:6], match[7], match[8]
    moment = datetime(*(int(part or 0) for part in parts), tzinfo=zone(offset) if offset else default)  # type: ignore[misc,arg-type]
    return seconds_of(moment) * NS + int((fraction or "").ljust(9, "0"))


def seconds_of(moment: datetime) -> int:
    """Return whole Unix seconds; raise ValueError for a time without offset."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(
            f"{moment.isoformat(' ')} has no offset from UTC: write one (+09:00), or give the profile a `timezone`"
        )
    days = moment.toordinal() - _EPOCH_DAY
    local = days * 86_400 + moment.hour * 3600 + moment.minute * 60 + moment.second
    return local - (offset.days * 86_400 + offset.seconds)


def format_ns(text: str, pattern: str, default: tzinfo | None) -> int:
    """Return a date and time in the `strptime` format `pattern`, in nanoseconds (%f has at most six digits)."""
    moment = _in_digits(text, pattern) or datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is set in the next line
    moment = moment if moment.tzinfo else moment.replace(tzinfo=default)
    return seconds_of(moment) * NS + moment.microsecond * 1000


def _in_digits(text: str, pattern: str) -> datetime | None:
    """Return what `strptime` returns, in a third of its time; None where it has more to do, or something to say."""
    fields = _fields(pattern)
    match = fields.fullmatch(text) if fields else None
    if match is None:
        return None
    parts = match.groupdict()
    year, month, day, hour, minute, second = (int(parts.get(name, 0)) for name in "YmdHMS")
    micros = int(parts.get("f", "").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micros)  # noqa: DTZ001 - as `strptime` does
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _fields(pattern: str) -> re.Pattern[str] | None:
    """Return the expression of a format that is a date, or a date and time, of digits; None for any other."""
    parts = re.split(r"%(.)", pattern)
    names = parts[1::2]
    if len({*names}) < len(names) or not {"Y", "m", "d"} <= {*names} <= _DIGITS.keys():
        return None
    return re.compile(
        "".join(f"(?P<{part}>{_DIGITS[part]})" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )
