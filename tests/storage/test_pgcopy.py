"""The bytes of COPY, against a plain encoder that writes one row after the other."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.columnar import NUMPY_DTYPE, ArrayColumn
from storage.pgcopy import POSTGRES_EPOCH_US, CopyColumn, encode_rows

FORMAT = {"i2": ">h", "i4": ">i", "i8": ">q", "f4": ">f", "f8": ">d", "bool": ">?", "t": ">q"}


def plain_rows(columns, n):
    """Return each row's bytes: the count of fields, then length and value of each, or -1."""
    rows = []
    for row in range(n):
        cells = [len(columns).to_bytes(2, "big")]
        for each in columns:
            values, valid = each.column.values, each.column.valid
            if valid is not None and not valid[row]:
                cells.append(b"\xff\xff\xff\xff")
                continue
            value = values[row].item() - (POSTGRES_EPOCH_US if each.kind == "t" else 0)
            cell = struct.pack(FORMAT[each.kind], value)
            cells.append(len(cell).to_bytes(4, "big") + cell)
        rows.append(b"".join(cells))
    return rows


def encoded(columns, n):
    """Return all bytes; what was yielded is copied before the next is asked for, as the connection does."""
    return b"".join(bytes(part) for part in encode_rows(columns, n))


def cut(data, fields):
    """Return the rows that `data` holds, whatever their order."""
    rows, at = [], 0
    while at < len(data):
        start = at
        at += 2
        for _ in range(fields):
            length = int.from_bytes(data[at : at + 4], "big", signed=True)
            at += 4 + max(length, 0)
        rows.append(data[start:at])
    return rows


@st.composite
def tables(draw):
    """Return columns of every fixed width, each without nulls, with some, or null throughout."""
    n = draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = []
    for kind in draw(st.lists(st.sampled_from(sorted(FORMAT)), min_size=1, max_size=6)):
        dtype = np.dtype(np.int64) if kind == "t" else NUMPY_DTYPE[kind]
        values = generator.integers(0, 2, n).astype(dtype) if kind == "bool" else generator.integers(0, 99, n)
        share = draw(st.sampled_from([None, 0.0, 0.5, 0.9, 1.0]))
        valid = None if share is None else generator.random(n) < share
        columns.append(CopyColumn(kind, ArrayColumn(values.astype(dtype), valid)))
    return columns, n


@given(st.lists(tables(), min_size=1, max_size=4))
def test_every_row_is_encoded_once_as_a_plain_encoder_would(blocks):
    """Block after block, of any size and any nulls: a table kept from the block before leaves nothing behind."""
    for columns, n in blocks:
        assert sorted(plain_rows(columns, n)) == sorted(cut(encoded(columns, n), len(columns)))


def test_rows_keep_their_order_where_nothing_is_null():
    """Without nulls the bytes are the rows in their order."""
    columns = [CopyColumn("i8", ArrayColumn(np.arange(100))), CopyColumn("t", ArrayColumn(np.arange(100)))]

    assert b"".join(plain_rows(columns, 100)) == encoded(columns, 100)


def test_a_block_larger_than_what_is_kept_is_encoded_too():
    """More rows than a thread keeps a table for are encoded all the same."""
    n = 33_000
    columns = [CopyColumn("i4", ArrayColumn(np.arange(n, dtype=np.int32), np.arange(n) % 7 > 0))]

    assert sorted(plain_rows(columns, n)) == sorted(cut(encoded(columns, n), 1))
