"""Samples become batches of columns: by stream, link and source, closed by age or by size.

Every sample is checked against the contract first. A bad one becomes an event and never spoils a batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from collectors.outbox import NewBatch
from contract.samples import Sample, Value, sample_faults
from contract.streams import STREAMS

MAX_AGE_S = 0.5
"""A sample waits at most this long for company: half of the second in which it should be in the database."""

MAX_ROWS = 500
"""Rows a batch: about 10 kB of probes. At 100 rows a message one subscriber carries 1.6 to 2.5 M rows/s."""

_REPORT_EVERY_S = 60.0
_RAW_CHARACTERS = 400


class _Key(NamedTuple):
    stream: str
    link: str
    source: str


@dataclass(slots=True)
class _Open:
    began_s: float
    times_ns: list[int] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


@dataclass(slots=True)
class _Rejections:
    reported_s: float
    silent: int = 0


class Batcher:
    """Collects samples; `clock_s` is a monotonic clock and `now_ns` a wall clock, given so that tests can."""

    def __init__(
        self,
        clock_s: Callable[[], float],
        now_ns: Callable[[], int],
        *,
        max_age_s: float = MAX_AGE_S,
        max_rows: int = MAX_ROWS,
    ) -> None:
        """Start empty."""
        self._clock_s, self._now_ns = clock_s, now_ns
        self._max_age_s, self._max_rows = max_age_s, max_rows
        self._open: dict[_Key, _Open] = {}
        self._full: list[NewBatch] = []
        self._rejections: dict[tuple[str, str], _Rejections] = {}
        self.rejected = 0

    def add(self, stream: str, link: str, source: str, t_ns: int, sample: Sample) -> bool:
        """Take one sample; return False (and note an event) if the contract forbids it."""
        faults = sample_faults(stream, sample) if stream in STREAMS else [f"{stream} is not a stream"]
        if faults:
            self._reject(_Key(stream, link, source), t_ns, sample, faults)
            return False
        key = _Key(stream, link, source)
        batch = self._open.get(key)
        if batch is None:
            batch = self._open[key] = _Open(self._clock_s())
        batch.times_ns.append(t_ns)
        batch.samples.append(sample)
        if len(batch.samples) >= self._max_rows:
            self._full.append(_close(key, self._open.pop(key)))
        return True

    def event(
        self, name: str, severity: str, message: str, detail: dict[str, object] | None = None, link: str = ""
    ) -> None:
        """Note an event of the agent itself."""
        text = json.dumps(detail or {}, ensure_ascii=False, default=str)
        self.add("event", link, "agent/1", self._now_ns(), {
            "name": name, "severity": severity, "message": message, "detail": text,
        })  # fmt: skip

    def due(self, *, everything: bool = False) -> list[NewBatch]:
        """Return the batches that are full or old enough, or all of them."""
        closed, self._full = self._full, []
        now_s = self._clock_s()
        for key in list(self._open):
            if everything or now_s - self._open[key].began_s >= self._max_age_s:
                closed.append(_close(key, self._open.pop(key)))
        return closed

    def _reject(self, key: _Key, t_ns: int, sample: Sample, faults: list[str]) -> None:
        self.rejected += 1
        now_s = self._clock_s()
        stream, link, source = key
        seen = self._rejections.get((source, stream))
        if seen is not None and now_s - seen.reported_s < _REPORT_EVERY_S:
            seen.silent += 1
            return
        silent = 0 if seen is None else seen.silent
        self._rejections[source, stream] = _Rejections(now_s)
        raw = json.dumps(dict(sample), ensure_ascii=False, default=str)[:_RAW_CHARACTERS]
        self.event(
            "sample.rejected",
            "warning",
            f"{source}: {faults[0]}",
            {"stream": stream, "t_ns": t_ns, "faults": faults, "raw": raw, "rejected_silently_before": silent},
            link=link,
        )


def _close(key: _Key, batch: _Open) -> NewBatch:
    t0_ns = min(batch.times_ns)
    columns: dict[str, list[Value]] = {}
    for column in STREAMS[key.stream].columns:
        values = [sample.get(column.name, column.default) for sample in batch.samples]
        # A column that nobody measured costs no uplink: the server knows that it is null.
        if column.nullable and column.default is None and all(value is None for value in values):
            continue
        columns[column.name] = values
    return NewBatch(
        stream=key.stream,
        link=key.link,
        source=key.source,
        n=len(batch.samples),
        t0_ns=t0_ns,
        columns={"t": [t_ns - t0_ns for t_ns in batch.times_ns], **columns},
    )
