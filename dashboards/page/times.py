"""Times as the page prints them: Japan Standard Time, whatever the browser's zone is."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")


def jst(moment: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a moment to the second, or in another form."""
    return f"{moment.astimezone(JST):{form}}"


def span_jst(start: datetime, end: datetime) -> str:
    """Return an interval, its date once where it ends on the same day, with milliseconds where one end has any."""
    is_one_day = jst(start, "%F") == jst(end, "%F")
    forms = ("%Y-%m-%d %H:%M:%S", "%H:%M:%S" if is_one_day else "%Y-%m-%d %H:%M:%S")
    milliseconds = [moment.microsecond // 1000 for moment in (start, end)]
    ends = [jst(moment, form) for moment, form in zip((start, end), forms, strict=True)]
    if any(milliseconds):
        ends = [f"{words}.{part:03d}" for words, part in zip(ends, milliseconds, strict=True)]
    return " 〜 ".join(ends)
