"""Batches of probes at given times, for tests of parts in a database."""

from storage.columnar import ArrayColumn, BatchKey, ColumnBatch
from tests.analytics.making import T0_US, columns

MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
# In the evening of a day, in the middle of an hour and of a minute.
START_US = T0_US // DAY_US * DAY_US + 22 * HOUR_US + 17 * MINUTE_US + 12_345_678


def batch(number, t_us, *, session=1, seq=None, lost=(), link="l5g", epoch="e1"):
    """Make a batch of packets at times, those at the positions `lost` lost."""
    first = 0 if seq is None else seq
    rows = [
        {
            "t_us": at,
            "session": session,
            "seq": first + place,
            "rtt_us": None if place in lost else 2000 + place * 7919 % 50_000,
        }
        for place, at in enumerate(t_us)
    ]
    cells = {name: ArrayColumn(one.values, one.valid) for name, one in columns(rows).items()}
    times = cells.pop("t_us").values
    return ColumnBatch(
        BatchKey("site-a", "car-1", epoch, number), "probe", link, "test/1", times.size, times, cells, int(times[-1])
    )
