"""Payload codecs: JSON for eyes and foreign devices, MessagePack with packed columns for volume.

The first byte tells them apart ("{" or white space is JSON), so MQTT 3.1.1, which has no content type, serves too.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from contract.envelope import MAX_PAYLOAD_BYTES, Batch, Identity
from contract.packing import can_pack, pack
from contract.streams import CONTRACT_VERSION, STREAMS

PayloadFormat = Literal["json", "msgpack"]

_batch_json = msgspec.json.Decoder(Batch)
_batch_msgpack = msgspec.msgpack.Decoder(Batch)
_identity_json = msgspec.json.Decoder(Identity)
_identity_msgpack = msgspec.msgpack.Decoder(Identity)
_to_msgpack = msgspec.msgpack.Encoder().encode
_to_json = msgspec.json.Encoder().encode
_JSON_STARTS = frozenset(b"{ \t\r\n")


class PayloadError(ValueError):
    """Raised when a payload cannot become a batch. `reason` is a stable short code, `detail` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep `reason` (see docs/data-contract.md, "Quarantine reasons") and `detail`."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


QUARANTINE_REASONS: dict[str, str] = {
    "oversized": "The payload is larger than the contract allows.",
    "malformed": "The payload is neither JSON nor MessagePack of the envelope's shape (of a foreign device: no JSON).",
    "unknown_version": "The payload speaks another major version of the contract.",
    "unknown_stream": "The stream is not in the table of streams.",
    "identity_conflict": "Another batch was committed under the same number: a device or its outbox was cloned, or its "
    "disk went back in time. `jissho quarantine replay --reason identity_conflict` takes it into an epoch of its own.",
    "identity_mismatch": "Site, device or stream of the topic and of the envelope differ, or are not valid names.",
    "unknown_column": "The stream has no such column; a newer server will know it.",
    "missing_column": "A column without default is absent.",
    "length_mismatch": "A column does not have n values.",
    "type_mismatch": "A value is not of the column's type, or null where none may be.",
    "out_of_range": "A value is outside the column's valid range.",
    "nothing_mapped": "No profile takes the topic of a foreign message, or no rule of it makes a row of the message.",
    "bad_time": "The time of a foreign message is missing, cannot be read, or cannot be true.",
    "rejected_by_database": "Every check of the contract passed and the database still refused the batch.",
}


def is_json(payload: bytes) -> bool:
    """Tell JSON from MessagePack by the first byte."""
    return bool(payload) and payload[0] in _JSON_STARTS


def encode_batch(batch: Batch, payload_format: PayloadFormat = "msgpack") -> bytes:
    """Encode `batch`, whose columns are lists; MessagePack packs its number columns.

    Raises ValueError or TypeError if a value does not fit its column's kind.
    """
    if payload_format == "json":
        return _to_json(batch)
    stream = STREAMS[batch.stream]
    columns = {}
    for name, values in batch.columns.items():
        kind = "i8" if name == "t" else stream.column(name).kind
        columns[name] = pack(kind, values) if isinstance(values, list) and can_pack(kind) else values
    return _to_msgpack(msgspec.structs.replace(batch, columns=columns))


def decode_batch(payload: bytes) -> Batch:
    """Decode a payload; columns stay lists or packed bytes. Raises PayloadError with the quarantine reason."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError("oversized", f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are allowed")
    try:
        batch = (_batch_json if is_json(payload) else _batch_msgpack).decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        identity = salvage_identity(payload)
        if identity is not None and identity.v != CONTRACT_VERSION:
            raise PayloadError("unknown_version", f"contract version {identity.v}") from error
        raise PayloadError("malformed", str(error)) from error
    if batch.v != CONTRACT_VERSION:
        raise PayloadError("unknown_version", f"contract version {batch.v}, this server speaks {CONTRACT_VERSION}")
    return batch


def salvage_identity(payload: bytes) -> Identity | None:
    """Return who sent a payload that did not decode, if that much of it can be read."""
    try:
        return (_identity_json if is_json(payload) else _identity_msgpack).decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
