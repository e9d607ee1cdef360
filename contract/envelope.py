"""The messages: a batch of columns on its way up, a receipt on its way down, a life sign beside them."""

from __future__ import annotations

import msgspec

from contract.streams import CONTRACT_VERSION

MAX_PAYLOAD_BYTES = 1_000_000
"""Largest data payload. A batch of 1,000 probe rows takes about 20 kB; brokers commonly stop at 256 MB or less."""

MAX_BATCH_ROWS = 10_000
"""Largest batch. Beyond it a message stalls the live data behind it on a slow uplink."""

FOREIGN_EPOCH = "foreign"
"""The epoch of batches that the server made of a third party's messages, and numbers itself; no outbox may use it."""
CONFLICT_EPOCHS = "conflict-"
"""How the epochs begin in which the server numbers what came under taken numbers; no outbox may use such a one."""


def is_server_epoch(epoch: str) -> bool:
    """Tell whether the server itself numbers the batches of such an epoch: no outbox speaks for it."""
    return epoch == FOREIGN_EPOCH or epoch.startswith(CONFLICT_EPOCHS)


ColumnValues = bytes | list[int | float | str | bool | None]
"""Values of one column: a plain list (JSON, text), or packed little-endian bytes (`contract.packing`)."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of samples of one stream of one link, as it lies in the outbox and travels.

    `(site, device, epoch, seq)` is its identity: `epoch` is new for each life of an outbox, and `seq` counts batches
    from 1 without a hole. `columns["t"]` holds the sample times in nanoseconds after `t0_ns` (Unix epoch, UTC).
    `source` names the collector source and its version ("stamp/1"), so that old rows stay interpretable.
    """

    v: int = CONTRACT_VERSION
    site: str
    device: str
    epoch: str
    seq: int
    stream: str
    link: str = ""
    source: str = ""
    n: int
    t0_ns: int = 0
    columns: dict[str, ColumnValues]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an envelope that is enough to answer for a batch that was refused."""

    site: str
    device: str
    epoch: str
    seq: int
    v: int = 0


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One batch that went to quarantine: it is kept on the server, with its reason, and need not be sent again."""

    seq: int
    reason: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the database has committed of one epoch: inclusive ranges of seq, and the batches in quarantine."""

    v: int = CONTRACT_VERSION
    epoch: str
    committed: list[tuple[int, int]] = msgspec.field(default_factory=list)
    quarantined: list[Refusal] = msgspec.field(default_factory=list)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Birth and death of a collector; retained, and left with the broker as the will (state "lost")."""

    v: int = CONTRACT_VERSION
    state: str
    """"online", "offline" (stopped in order) or "lost" (the will)."""
    at_ns: int
    epoch: str = ""
    taken: int = 0
    """Highest seq that the outbox of this epoch has taken: what the server must end up having."""
    pending: int = 0
    """Batches in the outbox without a receipt."""
    agent: str = ""
    sources: list[str] = msgspec.field(default_factory=list)
