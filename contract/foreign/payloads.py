"""The bytes of a foreign message: to what they hold, and to what the message is told apart by."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import msgspec

from contract.codec import PayloadError
from contract.envelope import MAX_PAYLOAD_BYTES
from contract.foreign.profile import ForeignProfile

_SHOWN = 120


def parse_payload(payload: bytes, profile: ForeignProfile) -> Any:
    """Return what a payload holds: JSON values, or of a CSV a list of objects. Raises PayloadError."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError("oversized", f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are allowed")
    return _json(payload) if profile.format == "json" else _csv(payload, profile)


def message_digest(topic: str, payload: bytes, arrival_us: int | None) -> bytes:
    """Return what a message is told apart by: the SHA-256 of topic and payload.

    A message without a time of its own counts by the second of its arrival too (`arrival_us`, Unix microseconds):
    without it a device that reports the same state again would be taken for a redelivery, for ever.
    """
    name = topic.encode("utf-8", "surrogatepass")
    second = b"" if arrival_us is None else str(arrival_us // 1_000_000).encode()
    # Lengths first, so that no two different triples give the same bytes.
    head = f"jissho-foreign-1 {len(name)} {len(second)} ".encode()
    return hashlib.sha256(head + name + second + payload).digest()


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:  # NaN and Infinity are no JSON, and many devices write them where they measured nothing
        found = json.loads(payload, parse_constant=lambda _: None)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text that can be stored
    except (ValueError, RecursionError) as error:
        raise PayloadError("malformed", f"not JSON: {str(error)[:_SHOWN]!a}") from error
    return found


def _csv(payload: bytes, profile: ForeignProfile) -> list[dict[str, str | None]]:
    rule = profile.csv
    try:
        text = payload.decode(rule.encoding)
        lines = io.StringIO(text, newline="")
        for _ in range(rule.skip_lines):
            lines.readline()
        table = list(csv.reader(lines, delimiter=rule.delimiter))
    except (UnicodeError, LookupError, csv.Error) as error:
        raise PayloadError("malformed", f"not CSV in {rule.encoding}: {str(error)[:_SHOWN]!a}") from error
    header = rule.names or [name.strip() for name in (table.pop(0) if table else [])]
    rows: list[dict[str, str | None]] = []
    for cells in filter(None, table):
        if len(cells) != len(header):
            raise PayloadError("malformed", f"row {len(rows) + 1} of the CSV has not {len(header)} cells")
        rows.append(dict(zip(header, cells, strict=True)))
    return rows
