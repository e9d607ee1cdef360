"""Times as Japanese reports print them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.report.jst import clock_text, date_text, duration_text, iso_texts


@given(st.integers(0, 4_000_000_000_000_000))
def test_iso_text_is_the_same_instant_to_the_microsecond(t_us):
    """What is printed parses back to the very microsecond, at UTC+9."""
    (text,) = iso_texts(np.array([t_us], dtype=np.int64))
    parsed = datetime.fromisoformat(text)

    assert (parsed - datetime(1970, 1, 1, tzinfo=UTC)) / (datetime.resolution) == t_us
    assert text.endswith("+09:00")


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(2025, 11, 27, 5, 3, 5, tzinfo=UTC), "令和7年(2025年)11月27日(木) 14:03:05"),
        (datetime(2019, 4, 30, 14, 59, 59, tzinfo=UTC), "2019年4月30日(火) 23:59:59"),
        (datetime(2019, 4, 30, 15, 0, 0, tzinfo=UTC), "令和元年(2019年)5月1日(水) 00:00:00"),
    ],
)
def test_dates_carry_both_calendars(instant, expected):
    """The Japanese year never stands without the western one; before Reiwa only the western one."""
    assert date_text(instant) == expected


def test_midnight_in_japan_is_the_next_day():
    """15:00 UTC is the next day in Japan."""
    assert clock_text(datetime(2025, 11, 27, 15, 0, 0, 1500, tzinfo=UTC)) == "2025-11-28 00:00:00.001"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(12.34, "12.3秒"), (59.94, "59.9秒"), (307, "5分07秒"), (4980, "1時間23分")]
)
def test_durations(seconds, expected):
    """Two units at most."""
    assert duration_text(seconds) == expected
