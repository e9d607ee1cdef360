"""Times as Japanese reports print them: always Japan Standard Time, UTC+9, without daylight saving."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

JST = timezone(timedelta(hours=9), "JST")
JST_NOTE = "時刻は日本標準時(JST)"
_OFFSET_US = 9 * 3_600_000_000
_REIWA_FROM = datetime(2019, 5, 1, tzinfo=JST)
_WEEKDAYS = "月火水木金土日"


def iso_texts(t_us: npt.NDArray[np.int64]) -> list[str]:
    """Return `t_us` (int64[n], microseconds since the Unix epoch, UTC) as "2025-11-27T14:03:05.123456+09:00".

    The offset and the T are there for Excel's sake too: it takes "2025-11-27 14:03:05.123456" for a date of its own
    and cuts it to milliseconds, and leaves the full ISO 8601 form alone as text.
    """
    local = (t_us + _OFFSET_US).astype("datetime64[us]")
    return [f"{text}+09:00" for text in np.datetime_as_string(local).tolist()]


def clock_text(instant: datetime) -> str:
    """Return an instant for tables that people read: "2025-11-27 14:03:05.123"."""
    return instant.astimezone(JST).isoformat(sep=" ", timespec="milliseconds").removesuffix("+09:00")


def date_text(instant: datetime) -> str:
    """Return an instant in both calendars, as the ministry wants it: "令和7年(2025年)11月27日(木) 14:03:05"."""
    local = instant.astimezone(JST)
    year = f"{local.year}年"
    if local >= _REIWA_FROM:
        reiwa = local.year - 2018
        year = f"令和{'元' if reiwa == 1 else reiwa}年({year})"
    weekday = _WEEKDAYS[local.weekday()]
    return f"{year}{local.month}月{local.day}日({weekday}) {local:%H:%M:%S}"


def duration_text(seconds: float) -> str:
    """Return a duration in the largest two units that fit: "1時間23分", "5分07秒", "12.3秒"."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f}秒"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes}分{rest:02d}秒"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}時間{minutes:02d}分"
