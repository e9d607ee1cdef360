"""Sequences packed by hand, in every way there is, come back; what is not whole is refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.simple8b import MalformedError, packed_at, unpacked
from tests.storage.compressing import BITS, simple8b

VALUES = st.one_of(*(st.integers(0, (1 << bits) - 1) for bits in BITS[1:]))
RUNS = st.lists(st.tuples(VALUES, st.integers(1, 90))).map(lambda runs: [value for value, n in runs for _ in range(n)])


def read(raws):
    packed, ends = packed_at(raws, [0] * len(raws))
    assert ends == [len(raw) for raw in raws]
    return unpacked(packed).tolist()


@given(st.lists(RUNS, max_size=6), st.integers(0, 2**32))
def test_sequences_come_back(sequences, seed):
    """One behind the other, empty ones among them, whichever blocks the packer took."""
    rng = np.random.default_rng(seed)
    assert read([simple8b(values, rng) for values in sequences]) == [value for values in sequences for value in values]


@pytest.mark.parametrize("selector", range(1, 15))
def test_every_width_at_its_greatest(selector):
    """A full block of the greatest values and one more: the second block is filled up with what is none."""
    full = 64 // BITS[selector]
    greatest = (1 << BITS[selector]) - 1
    block = sum(greatest << BITS[selector] * place for place in range(full))
    raw = struct.pack(">II3Q", full + 1, 2, selector | selector << 4, block, greatest)
    assert read([raw, raw]) == [greatest] * 2 * (full + 1)


def test_a_sequence_that_another_wrote():
    """Marks of nulls as TimescaleDB 2.29.2 sent them: the third of seven."""
    assert read([bytes.fromhex("000000070000000100000000000000010000000000000004")]) == [0, 0, 1, 0, 0, 0, 0]


def test_a_sequence_is_read_where_it_begins():
    """Something before and behind it is none of it."""
    raw = b"before" + simple8b([5, 5, 7]) + b"behind"
    packed, (end,) = packed_at([raw], [6])
    assert unpacked(packed).tolist() == [5, 5, 7]
    assert raw[end:] == b"behind"


MALFORMED = {
    "cut off in its head": simple8b([1, 2, 3])[:5],
    "cut off in its blocks": simple8b([1, 2, 3])[:-1],
    "values, but no block": struct.pack(">II", 3, 0),
    "a block, but no values": struct.pack(">II2Q", 0, 1, 1, 0),
    "a block of no known width": struct.pack(">II2Q", 3, 1, 0, 7),
    "fewer values than it says": struct.pack(">II2Q", 3, 1, 14, 7),
    "a run that is too long": struct.pack(">II2Q", 3, 1, 15, 4 << 36 | 1),
    "a run of none": struct.pack(">II3Q", 1, 2, 15 | 15 << 4, 1, 1 << 36 | 1),
    "a block more than it needs": struct.pack(">II3Q", 1, 2, 1 | 1 << 4, 1, 1),
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_whole_is_refused(raw):
    """Nothing is made up of it, and a sequence beside it does not hide it."""
    for raws in ([raw], [simple8b([1, 2]), raw], [raw, simple8b([1, 2])]):
        with pytest.raises(MalformedError):
            read(raws)
