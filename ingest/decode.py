"""Payload to numpy columns, with every check of the contract: what passes here the database will take.

A packed column becomes an array without a Python object per value; lists (JSON, text) are converted once.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from contract.codec import PayloadError, decode_batch
from contract.columns import Column
from contract.envelope import MAX_BATCH_ROWS, Batch, ColumnValues, is_server_epoch
from contract.packing import ITEM_BYTES, split
from contract.streams import STREAMS
from contract.topics import NAME, Topic
from storage.columnar import NUMPY_DTYPE, ArrayColumn, BatchKey, ColumnBatch
from storage.writer import SEQ_BITS

_I8_MAX = 2**63 - 1
_TIME = Column(name="t", kind="i8", unit="ns", ja="時刻", en="Time", nullable=False)
_EPOCH_MAX_CHARACTERS = 64
_KNOWN_NAMES = {name: frozenset(("t", *stream.column_names)) for name, stream in STREAMS.items()}
_LETTER_DTYPE = {letter: np.dtype(f"<{letter if letter != 'd' else 'f8'}") for letter in ITEM_BYTES}
_FEW_VALUES = 48
"""Up to so many integers, Python's min and max of a list are quicker than numpy's (10 values: 0.5 against 1.5 us; 48:
1.3 against 1.5; 100: 2.5 against 1.4)."""


def decode(payload: bytes, *, topic: Topic | None, received_at_us: int) -> ColumnBatch:
    """Decode and validate one data payload. `topic` is None for batches that came by file.

    Raises PayloadError, whose reason is one of `contract.codec.QUARANTINE_REASONS`.
    """
    batch = decode_batch(payload)
    _check_identity(batch, topic)
    return to_columns(batch, received_at_us=received_at_us)


def to_columns(batch: Batch, *, received_at_us: int) -> ColumnBatch:
    """Return a batch as numpy columns, checked against the contract except for its names. Raises PayloadError."""
    stream = STREAMS.get(batch.stream)
    if stream is None:
        raise PayloadError("unknown_stream", f"stream {batch.stream!r} is not in the table of streams")
    if not 1 <= batch.n <= MAX_BATCH_ROWS:
        raise PayloadError("malformed", f"n is {batch.n}, must be 1 to {MAX_BATCH_ROWS}")
    known = _KNOWN_NAMES[batch.stream]
    if not batch.columns.keys() <= known:
        name = next(name for name in batch.columns if name not in known)
        raise PayloadError("unknown_column", f"stream {batch.stream!r} has no column {name!r}")
    columns = {column.name: _column(column, batch.columns.get(column.name), batch.n) for column in stream.columns}
    return ColumnBatch(
        key=BatchKey(batch.site, batch.device, batch.epoch, batch.seq),
        stream=batch.stream,
        link=batch.link,
        source=batch.source,
        n=batch.n,
        t_us=_times(batch),
        columns=columns,
        received_at_us=received_at_us,
    )


def _check_identity(batch: Batch, topic: Topic | None) -> None:
    for what, name in (("site", batch.site), ("device", batch.device), ("link", batch.link or "-")):
        if not NAME.match(name) and name != "-":
            raise PayloadError("identity_mismatch", f"{what} {name!r} is not a valid name")
    if not batch.epoch or len(batch.epoch) > _EPOCH_MAX_CHARACTERS or "\0" in batch.epoch + batch.source:
        raise PayloadError(
            "identity_mismatch", f"epoch {batch.epoch!r} must have 1 to {_EPOCH_MAX_CHARACTERS} characters"
        )
    if is_server_epoch(batch.epoch):
        raise PayloadError("identity_mismatch", f"epoch {batch.epoch!r} is one of those that the server numbers itself")
    if not 0 < batch.seq < 2**SEQ_BITS:
        raise PayloadError("identity_mismatch", f"seq {batch.seq} must be 1 to 2^{SEQ_BITS} - 1")
    if topic is not None and (topic.site, topic.device, topic.kind) != (batch.site, batch.device, batch.stream):
        raise PayloadError(
            "identity_mismatch",
            f"topic says {topic.site}/{topic.device}/{topic.kind}, "
            f"the envelope {batch.site}/{batch.device}/{batch.stream}",
        )


def _times(batch: Batch) -> npt.NDArray[np.int64]:
    offsets = _column(_TIME, batch.columns.get("t"), batch.n).values
    least, most = _extremes(offsets)
    low, high = least + batch.t0_ns, most + batch.t0_ns
    if low < -_I8_MAX or high > _I8_MAX:
        raise PayloadError("out_of_range", f"t: {low} .. {high} ns is outside 8 bytes of nanoseconds")
    times: npt.NDArray[np.int64] = (offsets + batch.t0_ns) // 1000
    return times


def _column(column: Column, values: ColumnValues | None, n: int) -> ArrayColumn:
    dtype = NUMPY_DTYPE[column.kind]
    if values is None:
        if column.default is not None:
            return ArrayColumn(np.full(n, column.default, dtype=dtype))
        if not column.nullable:
            raise PayloadError("missing_column", f"{column.name} is missing")
        return ArrayColumn(np.zeros(n, dtype=dtype), np.zeros(n, dtype=np.bool_))
    if dtype.hasobject:
        return _text_column(column, values, n)
    raw, valid = _packed(column, values, n) if isinstance(values, bytes) else _listed(column, values, n)
    if valid is not None and not column.nullable:
        raise PayloadError("type_mismatch", f"{column.name} must not be null (row {int(np.argmin(valid))})")
    _check_range(column, raw, valid)
    return ArrayColumn(raw.astype(dtype, copy=False), valid)


def _packed(column: Column, packed: bytes, n: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    try:
        letter, null_map, view = split(packed, n)
    except ValueError as error:
        raise PayloadError("length_mismatch", f"{column.name}: {error}") from error
    raw = np.frombuffer(view, dtype=_LETTER_DTYPE[letter])
    _check_type(column, raw)
    if null_map is None:
        return raw, None
    is_null = np.unpackbits(np.frombuffer(null_map, dtype=np.uint8), count=n, bitorder="little")
    return raw, is_null == 0


def _listed(column: Column, values: list[Any], n: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    if len(values) != n:
        raise PayloadError("length_mismatch", f"{column.name} has {len(values)} values, n is {n}")
    valid: npt.NDArray[np.bool_] | None = None
    if None in values:
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        filler = next((value for value in values if value is not None), False if column.kind == "bool" else 0)
        values = [filler if value is None else value for value in values]
    # A list that mixes booleans with numbers would silently turn them into 0 and 1, so look before converting.
    booleans = sum(isinstance(value, bool) for value in values)
    if booleans not in ((n,) if column.kind == "bool" else (0,)):
        raise PayloadError("type_mismatch", f"{column.name}: a value is not of type {column.kind}")
    raw = np.asarray(values)
    _check_type(column, raw)
    return raw, valid


def _check_type(column: Column, raw: npt.NDArray[Any]) -> None:
    allowed = {"i": "iu", "f": "iuf", "b": "biu"}[column.kind[0]]
    if raw.dtype.kind not in allowed:
        raise PayloadError("type_mismatch", f"{column.name}: values are not of type {column.kind}")


def _extremes(whole: npt.NDArray[Any]) -> tuple[int, int]:
    if whole.size <= _FEW_VALUES:
        values = whole.tolist()
        return min(values), max(values)
    return int(whole.min()), int(whole.max())


def _check_range(column: Column, raw: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> None:
    low, high = (0, 1) if column.kind == "bool" else column.bounds
    if raw.dtype.kind in "iu":
        # Placeholders of nulls count here too: they are in range as a rule, and if not, the rest looks closer.
        least, most = _extremes(raw)
        if (low is None or least >= low) and (high is None or most <= high):
            return
    present = raw if valid is None else raw[valid]
    if not present.size:
        return
    least, most = present.min(), present.max()
    is_finite = present.dtype.kind != "f" or (np.isfinite(least) and np.isfinite(most))
    if is_finite and (low is None or least >= low) and (high is None or most <= high):
        return
    wrong = ~np.isfinite(raw)
    if low is not None:
        wrong |= raw < low
    if high is not None:
        wrong |= raw > high
    if valid is not None:
        wrong &= valid
    row = int(np.argmax(wrong))
    raise PayloadError(
        "out_of_range",
        f"{column.name}: {raw[row]} in row {row} ({int(wrong.sum())} such) is outside {low} .. {high} {column.unit}",
    )


def _text_column(column: Column, values: ColumnValues, n: int) -> ArrayColumn:
    if isinstance(values, bytes):
        raise PayloadError("type_mismatch", f"{column.name} is text and does not travel packed")
    if len(values) != n:
        raise PayloadError("length_mismatch", f"{column.name} has {len(values)} values, n is {n}")
    valid = np.array([value is not None for value in values], dtype=np.bool_)
    for row, value in enumerate(values):
        if value is None:
            if not column.nullable:
                raise PayloadError("type_mismatch", f"{column.name} must not be null (row {row})")
        elif not isinstance(value, str) or "\0" in value:
            raise PayloadError("type_mismatch", f"{column.name}: row {row} is not text without NUL characters")
        elif column.choices and value not in column.choices:
            raise PayloadError("out_of_range", f"{column.name}: {value!r} is not one of {', '.join(column.choices)}")
        elif column.kind == "json":
            _check_json(column, value, row)
    array = np.empty(n, dtype=object)
    array[:] = values
    return ArrayColumn(array, None if valid.all() else valid)


def _check_json(column: Column, text: str, row: int) -> None:
    # PostgreSQL's jsonb takes neither broken JSON nor an escaped NUL; either would abort the whole COPY.
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PayloadError("type_mismatch", f"{column.name}: row {row} is not JSON: {error}") from error
    if "\\u0000" in text:
        raise PayloadError("type_mismatch", f"{column.name}: row {row} holds a NUL character")
