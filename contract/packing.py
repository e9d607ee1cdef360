"""Packed columns: how a column of numbers travels in MessagePack, as bytes that numpy reads without a copy.

A packed column is: one type letter (`b h i q` signed, `B H I` unsigned, `f d` IEEE), one flag byte (1 = a null map
follows), the null map (one bit a value, least significant first, 1 = null) where flagged, then the values, little
endian. Integers take the narrowest letter that holds them: telemetry shares the uplink with the video it measures.
This side is written with the standard library alone, since a vehicle PC has no numpy; `ingest` reads it with numpy.
"""

from __future__ import annotations

import operator
import sys
from array import array
from typing import TYPE_CHECKING, Any

from contract.columns import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

HAS_NULLS = 1
ITEM_BYTES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "f": 4, "d": 8}
_NARROWEST_FIRST = (
    ("b", -(2**7), 2**7 - 1),
    ("B", 0, 2**8 - 1),
    ("h", -(2**15), 2**15 - 1),
    ("H", 0, 2**16 - 1),
    ("i", -(2**31), 2**31 - 1),
    ("I", 0, 2**32 - 1),
    ("q", -(2**63), 2**63 - 1),
)
_FLOAT_LETTER = {"f4": "f", "f8": "d"}


def can_pack(kind: Kind) -> bool:
    """Tell whether columns of this kind travel packed (numbers and booleans do, text does not)."""
    return kind not in {"text", "json"}


def _integer_letter(values: Sequence[int]) -> str:
    low, high = min(values, default=0), max(values, default=0)
    for letter, letter_low, letter_high in _NARROWEST_FIRST:
        if letter_low <= low and high <= letter_high:
            return letter
    message = f"integer outside 8 bytes: {low} .. {high}"
    raise ValueError(message)


def _null_map(values: Sequence[object]) -> bytes:
    bits = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value is None:
            bits[index >> 3] |= 1 << (index & 7)
    return bytes(bits)


def pack(kind: Kind, values: Sequence[Any]) -> bytes:
    """Pack one column; raise ValueError or TypeError if a value does not fit its kind."""
    has_nulls = None in values
    solid = [0 if value is None else value for value in values]
    items: array[Any]
    if kind in _FLOAT_LETTER:
        letter = _FLOAT_LETTER[kind]
        items = array(letter, solid)
    else:
        whole = [operator.index(value) for value in solid]
        letter = _integer_letter(whole)
        items = array(letter, whole)
    if sys.byteorder == "big":
        items.byteswap()
    head = bytes((ord(letter), HAS_NULLS if has_nulls else 0))
    return head + (_null_map(values) if has_nulls else b"") + items.tobytes()


def split(packed: bytes, n: int) -> tuple[str, bytes | None, memoryview]:
    """Split a packed column of `n` values into (letter, null map or None, value bytes).

    Raises ValueError if the letter is unknown or the length is not exactly that of `n` values.
    """
    if len(packed) < 2 or (letter := chr(packed[0])) not in ITEM_BYTES or packed[1] & ~HAS_NULLS:  # noqa: PLR2004
        message = "packed column does not start with a known type letter and flag byte"
        raise ValueError(message)
    map_bytes = (n + 7) // 8 if packed[1] & HAS_NULLS else 0
    expected = 2 + map_bytes + n * ITEM_BYTES[letter]
    if len(packed) != expected:
        message = f"packed column has {len(packed)} bytes where {n} values of type {letter!r} take {expected}"
        raise ValueError(message)
    view = memoryview(packed)
    return letter, (packed[2 : 2 + map_bytes] if map_bytes else None), view[2 + map_bytes :]


def unpack(packed: bytes, n: int) -> list[float | None]:
    """Return the values of a packed column as a list (for tools and tests; ingest reads the bytes with numpy)."""
    letter, null_map, raw = split(packed, n)
    items = array(letter)
    items.frombytes(raw)
    if sys.byteorder == "big":
        items.byteswap()
    values: list[float | None] = list(items)
    if null_map is not None:
        for index in range(n):
            if null_map[index >> 3] >> (index & 7) & 1:
                values[index] = None
    return values
