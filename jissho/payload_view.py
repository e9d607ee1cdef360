"""A refused payload made readable: its content where it is JSON or MessagePack, its bytes where it is neither."""

from __future__ import annotations

from typing import Any

import msgspec

from contract.codec import is_json
from contract.packing import unpack

HEXDUMP_BYTES = 256
_LINE_BYTES = 16


def decoded_view(payload: bytes) -> dict[str, Any] | None:
    """Return the payload as a dictionary that JSON can hold, packed columns as lists; None if it is not readable."""
    decode = msgspec.json.decode if is_json(payload) else msgspec.msgpack.decode
    try:
        found = decode(payload, type=dict[str, Any])
        columns, n = found.get("columns"), found.get("n")
        if isinstance(columns, dict) and isinstance(n, int):
            found["columns"] = {name: _values(values, n) for name, values in columns.items()}
        # To JSON and back: what prints must be what a program gets, and MessagePack can hold what JSON cannot.
        return msgspec.json.decode(msgspec.json.encode(found), type=dict[str, Any])
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None


def _values(values: Any, n: int) -> Any:
    if not isinstance(values, bytes):
        return values
    try:
        return unpack(values, n)
    except ValueError:
        return f"(not a packed column of {n} values) {values.hex()}"


def hexdump(payload: bytes) -> str:
    """Return the first 256 bytes, sixteen a line, with offset and printable ASCII."""
    lines = []
    for offset in range(0, min(len(payload), HEXDUMP_BYTES), _LINE_BYTES):
        part = payload[offset : min(offset + _LINE_BYTES, HEXDUMP_BYTES)]
        readable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)  # noqa: PLR2004 - printable
        lines.append(f"{offset:08x}  {part.hex(' '):<47}  {readable}")
    if len(payload) > HEXDUMP_BYTES:
        lines.append(f"... {len(payload) - HEXDUMP_BYTES} bytes more")
    return "\n".join(lines)


def printable(text: str) -> str:
    """Return text of a stranger as a terminal may see it: control characters as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
