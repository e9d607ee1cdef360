"""Integer columns of TimescaleDB's compressed rows, each of which holds up to a thousand rows of a chunk.

What is sent of a compressed column is a twentieth of what its values are, and the server spends a twelfth of the time
on it; numpy undoes many rows of it at once. Every column carries its last value and its last step, and every row its
number of rows: what does not come out as they say is not believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from storage.columnar import ArrayColumn
from storage.simple8b import Ints, MalformedError, Packed, Unsigned, packed_at, unpacked

_DELTA_DELTA = 4
_NULL = b"\6"
"""Numbers of the algorithms, which TimescaleDB keeps in its catalog: the others are of types that are none of ours."""

_HEAD = np.dtype([("algorithm", "u1"), ("has_nulls", "u1"), ("last", ">i8"), ("last_step", ">i8")])
_ONE = np.uint64(1)


def integers(raws: Sequence[bytes | None], counts: Ints) -> ArrayColumn:
    """Return the values of one column of compressed rows as int64, `counts` of each row's, one behind the other.

    A row's `raw` is None, or of the null algorithm, where all its values are null. Raises MalformedError where one is
    of another algorithm, or its values are not those it says it holds.
    """
    is_filled = np.array([raw is not None and raw != _NULL for raw in raws], np.bool_)
    filled = [raw for raw in raws if raw is not None and raw != _NULL]
    heads = _heads(filled)
    packed, ends = packed_at(filled, [_HEAD.itemsize] * len(filled))
    has_nulls = heads["has_nulls"] != 0
    marked = [(raw, end) for raw, end, has in zip(filled, ends, has_nulls.tolist(), strict=True) if has]
    nulls, null_ends = packed_at([raw for raw, _ in marked], [end for _, end in marked])
    if sum(ends) - sum(end for _, end in marked) + sum(null_ends) != sum(map(len, filled)):
        raise MalformedError("more behind a column than belongs to it")
    rows = counts[is_filled]
    if (packed.n > rows).any() or (packed.n[~has_nulls] < rows[~has_nulls]).any():
        raise MalformedError("a column of other rows than its row has")
    values = _undone(packed, heads)
    if is_filled.all() and not has_nulls.any():
        return ArrayColumn(values)
    if not np.array_equal(nulls.n, rows[has_nulls]):
        raise MalformedError("nulls of other rows than their row has")
    is_marked = is_filled.copy()
    is_marked[is_filled] = has_nulls
    is_null = np.repeat(~is_filled, counts)
    is_null[np.repeat(is_marked, counts)] = unpacked(nulls) != 0
    return _spread(values, is_null)


def _heads(raws: Sequence[bytes]) -> npt.NDArray[np.void]:
    joined = b"".join([raw[: _HEAD.itemsize] for raw in raws])
    if len(joined) != _HEAD.itemsize * len(raws):
        raise MalformedError("a column that is cut off")
    heads = np.frombuffer(joined, _HEAD)
    if not (heads["algorithm"] == _DELTA_DELTA).all():
        raise MalformedError(f"columns compressed in a way not known here: {np.unique(heads['algorithm']).tolist()}")
    return heads


def _undone(packed: Packed, heads: npt.NDArray[np.void]) -> Ints:
    """Return the values out of their second differences."""
    values = _signed(unpacked(packed))
    some = packed.n > 0
    counts, heads = packed.n[some], heads[some]
    lasts = np.cumsum(counts) - 1
    _sum_up(values, counts)
    last_steps = values[lasts]
    _sum_up(values, counts)
    if not (np.array_equal(values[lasts], heads["last"]) and np.array_equal(last_steps, heads["last_step"])):
        raise MalformedError("a column that ends with another value than it says")
    return values


def _signed(zigzag: Unsigned) -> Ints:
    """Return, in their place, integers whose sign was put into the lowest bit."""
    sign = zigzag & _ONE
    np.negative(sign.view(np.int64), out=sign.view(np.int64))
    zigzag >>= _ONE
    zigzag ^= sign
    return zigzag.view(np.int64)


def _sum_up(steps: Ints, counts: Ints) -> None:
    """Put the running sum within every column in the place of its steps, modulo 2**64 as they were taken."""
    if counts.size and (counts == counts[0]).all():
        table = steps.reshape(counts.size, -1)
        np.cumsum(table, axis=1, out=table)
        return
    starts = np.cumsum(counts) - counts
    firsts = steps[starts]
    np.cumsum(steps, out=steps)
    steps -= np.repeat(steps[starts] - firsts, counts)


def _spread(values: Ints, is_null: npt.NDArray[np.bool_]) -> ArrayColumn:
    """Return values with rows between them that have none."""
    valid = ~is_null
    place: Ints = np.cumsum(valid, dtype=np.int64)
    if values.size != (int(place[-1]) if place.size else 0):
        raise MalformedError("values where nulls are, or the other way round")
    if values.size == valid.size:
        return ArrayColumn(values)
    if not values.size:
        return ArrayColumn(np.zeros(valid.size, np.int64), valid)
    # Where there is none stands the one before: three times as fast as putting each into its place.
    place -= 1
    return ArrayColumn(values[place], valid)
