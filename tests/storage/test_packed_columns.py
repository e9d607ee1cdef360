"""What the server packs into words, numpy reads back: every kind, its extremes, nulls and signs."""

import numpy as np
import pytest
from psycopg import sql

from contract.columns import Column
from storage.columnar import NUMPY_DTYPE
from storage.packed_columns import words_of
from storage.reader import link_ids, read_columns
from tests.storage.test_writer import ALL_TIME, probe_batch

SQL_TYPE = {"i2": "int2", "i4": "int4", "i8": "int8", "f4": "float4", "f8": "float8", "bool": "bool"}


def column(name, kind, *, nullable=True):
    """A column of the contract's shape."""
    return Column(name=name, kind=kind, unit="1", ja=name, en=name, nullable=nullable)


def read_back(connection, columns, rows):
    """Put rows into a table of its own and read them in words."""
    names = [sql.SQL(f"{each.name} {SQL_TYPE[each.kind]}") for each in columns]
    connection.execute("DROP TABLE IF EXISTS packed_here")
    connection.execute(sql.SQL("CREATE TEMP TABLE packed_here ({})").format(sql.SQL(", ").join(names)))
    cells = sql.SQL(", ").join(sql.Placeholder() * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(sql.SQL("INSERT INTO packed_here VALUES ({})").format(cells), rows)
    words = words_of(columns)
    packed = sql.SQL(", ").join(word.packed for word in words)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(sql.SQL("SELECT {} FROM packed_here").format(packed)).fetchone()
    return dict(pair for word, raw in zip(words, found, strict=True) for pair in word.unpacked(raw))


KINDS = [
    ["i4"], ["i2"], ["i4", "i4"], ["i4", "i2"], ["i2", "i2", "i2"], ["i4", "i2", "i2"], ["i2", "i4", "i4", "i2", "i2"],
    ["i8", "f4", "f8", "bool", "i4", "i4", "i4", "i2", "i2", "i2", "i2", "i2"],
]  # fmt: skip


@pytest.mark.parametrize("kinds", KINDS, ids=["_".join(each) for each in KINDS])
def test_every_value_comes_back(db, kinds):
    """Smallest but one (the smallest stands for null), greatest, signs and nulls in every combination of neighbours."""
    columns = [column(f"c{place}", kind) for place, kind in enumerate(kinds)]
    rng = np.random.default_rng(len(kinds))
    choices = {
        kind: [None, -1, 0, 1, int(np.iinfo(NUMPY_DTYPE[kind]).min) + 1, int(np.iinfo(NUMPY_DTYPE[kind]).max)]
        for kind in ("i2", "i4", "i8")
    } | {"f4": [None, -0.5, 3.25, 0.0], "f8": [None, -1e300, 2.5, 0.0], "bool": [None, True, False]}
    rows = [tuple(choices[kind][rng.integers(len(choices[kind]))] for kind in kinds) for _ in range(300)]
    found = read_back(db.connect(), columns, rows)
    for place, each in enumerate(columns):
        wanted = [row[place] for row in rows]
        valid = found[each.name].valid
        known = np.ones(len(rows), bool) if valid is None else valid
        assert known.tolist() == [value is not None for value in wanted]
        assert found[each.name].values.dtype == NUMPY_DTYPE[each.kind]
        assert found[each.name].values[known].tolist() == [value for value in wanted if value is not None]


def test_columns_that_are_never_null_keep_their_smallest_value(db):
    """Nothing stands for null there."""
    columns = [column("a", "i4", nullable=False), column("b", "i4", nullable=False), column("c", "i2", nullable=False)]
    rows = [(-(2**31), 2**31 - 1, -(2**15)), (-1, -(2**31), 2**15 - 1)]
    found = read_back(db.connect(), columns, rows)
    assert [[*map(int, found[name].values)] for name in "abc"] == [[*each] for each in zip(*rows, strict=True)]


def test_a_probe_needs_four_words():
    """As few as there can be: 28 bytes of numbers in four times eight."""
    kinds = ["i4", "i4", "i4", "i4", "i4", "i4", "i2", "i2"]
    assert [len(word.columns) for word in words_of([column(f"c{n}", kind) for n, kind in enumerate(kinds)])] == [
        2, 2, 2, 2,
    ]  # fmt: skip


def test_rows_that_lie_in_any_order_are_read_in_the_order_of_time(db):
    """The batches come in the wrong order: the server does not sort, the reader does."""
    writer = db.writer()
    for seq in (3, 1, 4, 2):
        writer.commit([probe_batch(seq, n=50, lost_every=7)])
    ids = list(link_ids(writer.connection, "site-a").values())
    found = read_columns(writer.connection, "probe", ("seq", "rtt_us", "lost"), link_ids=ids, **ALL_TIME)
    rows = writer.connection.execute("SELECT seq, rtt_us, lost FROM probe ORDER BY t").fetchall()
    assert (np.diff(found["t_us"].values) >= 0).all()
    assert found["seq"].values.tolist() == [row[0] for row in rows]
    assert found["lost"].values.tolist() == [row[2] for row in rows]
    known = np.array([row[1] is not None for row in rows])
    assert found["rtt_us"].valid is not None
    assert found["rtt_us"].valid.tolist() == known.tolist()
    assert found["rtt_us"].values[known].tolist() == [row[1] for row in rows if row[1] is not None]
