"""Columns of compressed rows, made by hand and by TimescaleDB, come back with their nulls; others are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.compressed_rows import integers
from storage.simple8b import MalformedError
from tests.storage.compressing import delta_delta, simple8b

INTS = st.integers(-(2**63), 2**63 - 1)
CELLS = st.one_of(st.none(), st.integers(-5, 5), INTS)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=40), min_size=1, max_size=6)

SENT = {
    "instants": (
        (
            "04000002f624a4f2ea600000000000002710000000070000000300000000000001ee0005ec4949e400000005ec4949e3b1df"
            "0000000000000000"
        ),
        [833_587_200_000_000 + 10_000 * place for place in range(7)],
    ),
    "int8 with a null": (
        (
            "04017fffffffffffffffffffffffffffffff00000006000000030000000000000eeb00050002000f0014ffffffffffffffe2"
            "ffffffffffffffe3000000070000000100000000000000010000000000000004"
        ),
        [10, 12, None, 15, 15, -(2**63), 2**63 - 1],
    ),
    "int2": (
        "04000000000000007fff000000000000ffff000000070000000200000000000000ca00000000000010020000006000010001",
        [1, 1, 1, 1, 1, -32_768, 32_767],
    ),
    "int4 of nulls alone": ("06", [None] * 7),
}
"""What TimescaleDB 2.29.2 sent of seven rows it had compressed."""


def read(raws, counts):
    """Return the cells of rows, None where one has no value."""
    column = integers(raws, np.array([*counts], np.int64))
    valid = np.ones(column.values.size, bool) if column.valid is None else column.valid
    return [value if known else None for value, known in zip(column.values.tolist(), valid.tolist(), strict=True)]


@given(ROWS, st.integers(0, 2**32))
def test_columns_come_back(rows, seed):
    """Any integers, any nulls, rows of any length, however they were packed."""
    rng = np.random.default_rng(seed)
    raws = [delta_delta(values, rng) for values in rows]
    assert read(raws, map(len, rows)) == [value for values in rows for value in values]


@pytest.mark.parametrize(("sent", "values"), SENT.values(), ids=SENT)
def test_columns_that_another_compressed(sent, values):
    """Known answers, and ours compressed by hand are read as theirs are."""
    assert read([bytes.fromhex(sent)], [7]) == values
    assert read([bytes.fromhex(sent), delta_delta(values), None], [7, 7, 2]) == [*values, *values, None, None]


def test_no_nulls_are_told_by_no_mask():
    """As everywhere: `valid` is None where no value is null."""
    assert integers([delta_delta([1, 2])], np.array([2])).valid is None
    assert integers([delta_delta([1, None])], np.array([2])).valid.tolist() == [True, False]
    assert integers([None], np.array([2])).valid.tolist() == [False, False]


def of_other_algorithm(raw):
    return b"\x02" + raw[1:]


WHOLE = delta_delta([4, 9, -3])
HOLED = delta_delta([4, None, -3])
MALFORMED = {
    "another algorithm": (of_other_algorithm(WHOLE), 3),
    "nothing at all": (b"", 3),
    "cut off in its head": (WHOLE[:9], 3),
    "another last value": (WHOLE[:9] + bytes([WHOLE[9] ^ 1]) + WHOLE[10:], 3),
    "another last step": (WHOLE[:17] + bytes([WHOLE[17] ^ 1]) + WHOLE[18:], 3),
    "more behind it": (WHOLE + b"\0", 3),
    "more rows than it has": (WHOLE, 4),
    "fewer rows than it has": (WHOLE, 2),
    "more rows than it has nulls for": (HOLED, 4),
    "nulls where values are": (HOLED[:-32] + simple8b([0, 0, 0]), 3),
    "nulls beside all values": (WHOLE[:1] + b"\1" + WHOLE[2:] + simple8b([0, 1, 0]), 3),
}


@pytest.mark.parametrize(("raw", "n"), MALFORMED.values(), ids=MALFORMED)
def test_what_does_not_agree_with_itself_is_refused(raw, n):
    """Alone and beside others."""
    for raws, counts in (([raw], [n]), ([WHOLE, raw, HOLED], [3, n, 3])):
        with pytest.raises(MalformedError):
            integers(raws, np.array(counts, np.int64))
