"""The truth of a simulated path: one CSV row per packet copy and direction, and what follows from all rows.

A row says when the packet came to the path and when it left it, both as the kernel stamped them, so `release - arrival`
is the delay that the path really caused, not the one that was drawn. Columns, in order:

- `direction`: up (to the reflector) or down (to the sender).
- `sender_port`: the UDP port of the sender whose packet it is; tells several senders apart.
- `seq`: the sender's sequence number (octets 0-3 of a request, 24-27 of an answer, RFC 8762); -1 if unreadable.
- `stamp`: the sender's timestamp as 64 bits (octets 4-11 and 28-35); with `seq` it names a packet even after the
  sender began a new session from the same port.
- `refl_seq`: the reflector's sequence number (octets 0-3 of an answer); -1 going up.
- `copy`: 1, and 2 for the copy that the path made; 0 if the packet was lost at once.
- `fate`: delivered, dropped (random loss), outage, overflow (a buffer of this machine was full), cut (the path ended).
- `arrival_ns`, `release_ns`: Unix time; `release_ns` is 0 if nothing left.
- `wanted_us`: the hold that was drawn; `reordered`: 1 if it was taken out of the queue's order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

COLUMNS = (
    "direction",
    "sender_port",
    "seq",
    "stamp",
    "refl_seq",
    "copy",
    "fate",
    "arrival_ns",
    "release_ns",
    "wanted_us",
    "reordered",
)
FATES = ("delivered", "dropped", "outage", "overflow", "cut")
LOST_UP, LOST_DOWN, LOST_UNANSWERED = 1, 2, 3
"""Codes of `packets()["lost"]`: 1 and 2 as in the contract's probe stream; 3: it left the path, and no answer came."""

_HEADER = ",".join(COLUMNS) + "\n"
_DTYPES = {
    "direction": "U4",
    "fate": "U9",
    "stamp": "u8",
    "wanted_us": "f8",
}
Arrays = Mapping[str, NDArray[Any]]


class TruthRow(NamedTuple):
    """One row; the fields are described at the head of this module."""

    direction: str
    sender_port: int
    seq: int
    stamp: int
    refl_seq: int
    copy: int
    fate: str
    arrival_ns: int
    release_ns: int
    wanted_us: float
    reordered: bool


class TruthWriter:
    """Writes rows to a CSV file; `flush` bounds what a crash can lose."""

    def __init__(self, path: Path) -> None:
        """Create the file at `path`, and its folder; raise OSError if that fails."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="ascii", newline="")
        self._file.write(_HEADER)
        self._lines: list[str] = []

    def add(self, row: TruthRow) -> None:
        """Take a row; cheap, since it runs between two packets."""
        head = f"{row.direction},{row.sender_port},{row.seq},{row.stamp},{row.refl_seq},{row.copy},{row.fate},"
        self._lines.append(f"{head}{row.arrival_ns},{row.release_ns},{row.wanted_us:.3f},{int(row.reordered)}\n")

    @property
    def pending(self) -> int:
        """Rows that are not in the file yet."""
        return len(self._lines)

    def flush(self) -> None:
        """Write what is pending to the file."""
        self._file.writelines(self._lines)
        self._lines.clear()
        self._file.flush()

    def close(self) -> None:
        """Write what is pending and close the file."""
        self.flush()
        self._file.close()


def load_truth(path: Path) -> dict[str, NDArray[Any]]:
    """Load a truth file as one array per column.

    Raises ValueError if the file is not one. A last line that a crash cut short is left out.
    """
    text = path.read_text(encoding="ascii")
    lines = text[: text.rfind("\n") + 1].splitlines()
    if not lines or tuple(lines[0].split(",")) != COLUMNS:
        raise ValueError(f"{path} does not begin with the columns of a path truth file")
    fields = list(zip(*(line.split(",") for line in lines[1:]), strict=True)) or [()] * len(COLUMNS)
    return {name: np.array(values, dtype=_DTYPES.get(name, "i8")) for name, values in zip(COLUMNS, fields, strict=True)}


def packets(truth: Arrays) -> dict[str, NDArray[Any]]:
    """Return the truth of each packet sent, in the order of arrival: what a perfect probe would have found.

    Keys: `sender_port`, `stamp`, `seq`, `arrival_ns`; `lost` (0, 1 up, 2 down, 3 no answer), `answers` (how many
    reached the sender), and the path delays `up_us`, `down_us`, `round_trip_us` of the answer that came first (NaN
    where lost). The k-th answer of the reflector belongs to the k-th copy that reached it. Packets that a buffer of
    this machine swallowed unread have no row here; `summarise_truth` counts them.
    """
    is_up, delivered, first_copy = truth["direction"] == "up", truth["fate"] == "delivered", truth["copy"] <= 1
    sent = np.flatnonzero(is_up & first_copy & (truth["seq"] >= 0))
    sent = sent[np.argsort(truth["arrival_ns"][sent], kind="stable")]
    packet = _packet_numbers(truth, sent)
    known = packet >= 0
    up_out, down_out = np.flatnonzero(is_up & delivered & known), np.flatnonzero(~is_up & delivered & known)
    n = len(sent)

    def count(rows: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.bincount(packet[rows], minlength=n)

    answers = count(down_out)
    lost = np.zeros(n, dtype=np.int64)
    lost[answers == 0] = LOST_DOWN
    lost[count(np.flatnonzero(~is_up & first_copy & known)) == 0] = LOST_UNANSWERED
    lost[count(up_out) == 0] = LOST_UP

    hold_us = (truth["release_ns"] - truth["arrival_ns"]) / 1000.0
    up_us, down_us = np.full(n, np.nan), np.full(n, np.nan)
    if len(up_out):
        down_out = down_out[np.lexsort((truth["release_ns"][down_out], packet[down_out]))]
        answered, place = np.unique(packet[down_out], return_index=True)
        first = down_out[place]
        down_us[answered] = hold_us[first]
        turn = _turns(np.where(is_up, -1, packet), truth["arrival_ns"])[first]
        up_out = up_out[np.lexsort((truth["release_ns"][up_out], packet[up_out]))]
        begin = np.searchsorted(packet[up_out], answered)
        copies = count(up_out)[answered]
        reached = copies > 0
        asked = up_out[(begin + np.minimum(turn, copies - 1))[reached]]
        up_us[answered[reached]] = hold_us[asked]
    return {
        **{name: truth[name][sent] for name in ("sender_port", "stamp", "seq", "arrival_ns")},
        "lost": lost,
        "answers": answers,
        "up_us": up_us,
        "down_us": down_us,
        "round_trip_us": up_us + down_us,
    }


def _packet_numbers(truth: Arrays, sent: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return for each row the place of its packet in `sent`, -1 if it belongs to none."""
    keys = np.empty(len(truth["seq"]), dtype=[("sender_port", "i8"), ("stamp", "u8"), ("seq", "i8")])
    for name in ("sender_port", "stamp", "seq"):
        keys[name] = truth[name]
    unique, back = np.unique(keys, return_inverse=True)
    number_of = np.full(len(unique), -1, dtype=np.int64)
    number_of[back[sent]] = np.arange(len(sent))
    return number_of[back]


def _turns(group: NDArray[np.int64], value: NDArray[Any]) -> NDArray[np.int64]:
    """Return the dense rank of each `value` inside its `group`, from 0: equal values share a rank."""
    order = np.lexsort((value, group))
    new_group = np.diff(group[order], prepend=group[order][:1] - 1) != 0
    new_value = new_group | (np.diff(value[order], prepend=value[order][:1]) != 0)
    count = np.cumsum(new_value)
    turns = np.empty(len(order), dtype=np.int64)
    turns[order] = count - np.maximum.accumulate(np.where(new_group, count, 0))
    return turns


@dataclass(frozen=True, slots=True)
class PathSummary:
    """Counts per direction and delay quantiles of one path.

    `lost_up`, `lost_down`, `unanswered` and `delivered` add up to `sent`. `overflow_up` and `overflow_down` are
    packets that this machine's buffers swallowed at the path: they are lost too, and a test should ask for zero.
    `duplicates` are answers beyond the first. `quantiles_us[section][q]` is over delivered packets; sections are
    up, down and round_trip.
    """

    sent: int
    delivered: int
    lost_up: int
    lost_down: int
    unanswered: int
    overflow_up: int
    overflow_down: int
    duplicates: int
    quantiles_us: dict[str, dict[float, float]]


def summarise_truth(truth: Arrays, quantiles: Sequence[float] = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)) -> PathSummary:
    """Count and rank the truth; quantiles by RFC 2330 11.3 (the smallest value x with F(x) >= q).

    Without a delivered packet `quantiles_us` has empty sections.
    """
    table = packets(truth)
    lost = table["lost"]
    got = lost == 0
    sections = {}
    for name in ("up", "down", "round_trip"):
        delays_us = table[f"{name}_us"][got]
        values = np.quantile(delays_us, list(quantiles), method="inverted_cdf").tolist() if len(delays_us) else []
        sections[name] = dict(zip(quantiles, values, strict=False))
    overflow = truth["fate"] == "overflow"
    is_up = truth["direction"] == "up"
    return PathSummary(
        sent=len(lost),
        delivered=int(got.sum()),
        lost_up=int((lost == LOST_UP).sum()),
        lost_down=int((lost == LOST_DOWN).sum()),
        unanswered=int((lost == LOST_UNANSWERED).sum()),
        overflow_up=int((overflow & is_up).sum()),
        overflow_down=int((overflow & ~is_up).sum()),
        duplicates=int(np.maximum(table["answers"] - 1, 0).sum()),
        quantiles_us=sections,
    )
