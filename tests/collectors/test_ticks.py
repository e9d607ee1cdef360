"""Ticks do not drift, and missed ones are counted instead of bunched."""

import pytest

from collectors.ticks import TickCount, next_tick, ticks


@pytest.mark.parametrize(
    ("now_s", "last", "expected"),
    [(10.0, 0, 1), (10.9, 0, 1), (11.0, 0, 1), (11.01, 0, 2), (15.5, 1, 6), (9.0, 0, 1)],
)
def test_the_next_tick_is_the_first_still_to_come(now_s, last, expected):
    """Start 10, period 1: late ones are skipped."""
    assert next_tick(10.0, 1.0, now_s, last) == expected


async def test_late_work_skips_ticks_and_keeps_the_grid():
    """Work that takes 2.5 periods misses two ticks; the following ones fall on the grid again."""
    now = [0.0]
    count = TickCount()
    seen = []
    async for number in ticks(0.01, count, clock_s=lambda: now[0]):
        seen.append(number)
        now[0] = {1: number * 0.01 + 0.025}.get(number, (number + 1) * 0.01)
        if number >= 6:
            break

    assert seen == [0, 1, 4, 5, 6]
    assert (count.fallen, count.missed) == (5, 2)
