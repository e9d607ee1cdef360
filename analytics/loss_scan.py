"""What is lost of one link, in one pass over its packets: of most packets only their number is kept. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analytics.loss import LossCounts, count_losses, loss_distances, lost_places
from analytics.loss_runs import LossRuns, LossRunsBuilder
from analytics.probes import ProbeArrays, concatenated
from analytics.worth import SeriesWorth

Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossScan:
    """What is lost of `sent` packets, `absent` more having no row.

    `runs` are the loss periods and what was delivered between them, `distances` those of RFC 3357, `n_eff` is the worth
    of the loss indicator (None where all packets fared alike), `has_numbers` tells whether the reflector numbered any
    packet. `interval_us` is the mean time from one number to the next within a session, None where that is no time.
    """

    counts: LossCounts
    runs: LossRuns
    distances: Lengths
    n_eff: int | None
    absent: int
    has_numbers: bool
    interval_us: float | None

    @property
    def delivered(self) -> int:
        """Packets that arrived."""
        return self.counts.sent - self.counts.lost


class LossScanner:
    """Reads what is lost, chunk by chunk, in order of sending.

    Lost packets and their neighbours are kept as they are: their pattern is read from those alone, by the same
    functions that read whole runs. A percent of loss in 100 M packets is three million rows, 60 MB.
    """

    def __init__(self) -> None:
        self._kept: list[ProbeArrays] = []
        self._last: ProbeArrays | None = None
        self._is_last_kept = False
        self._worth = SeriesWorth(hits=True)
        self._runs = LossRunsBuilder()
        self._absent = 0
        self._steps = self._span_us = 0
        self._has_numbers = False

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        places = lost_places(probes)
        self._worth.add_places(places, probes.n)
        self._has_numbers = self._has_numbers or int(probes.refl_seq.max(initial=-1)) >= 0
        whole = probes if self._last is None else concatenated([self._last, probes.rows(slice(1))])
        if self._last is not None:
            is_same = whole.session[0] == whole.session[1]
            if is_same:
                self._add_span(whole, 0, 1)
            if whole.lost[1] > 0 and not self._is_last_kept:
                self._kept.append(_slim(self._last, np.array([0])))
        self._runs.add(probes)
        for part in probes.sessions():
            self._add_span(probes, part.start, part.stop - 1)
        near = np.concatenate([places - 1, places, places + 1])
        if self._last is not None and self._last.lost[0] > 0:
            near = np.append(near, 0)
        near = np.unique(near)
        near = near[(near >= 0) & (near < probes.n)]
        if near.size:
            self._kept.append(_slim(probes, near))
        self._is_last_kept = bool(near.size) and int(near[-1]) == probes.n - 1
        self._last = probes.rows(slice(-1, None))

    def _add_span(self, probes: ProbeArrays, first: int, last: int) -> None:
        """Add the numbers and the time from one packet of a session to a later one."""
        steps = int(probes.seq[last]) - int(probes.seq[first])
        self._absent += steps - (last - first)
        self._steps += steps
        self._span_us += int(probes.t_us[last]) - int(probes.t_us[first])

    def result(self) -> LossScan:
        """Return what was read."""
        sent, runs = self._worth.n, self._runs.result()
        interval_us = self._span_us / self._steps if self._steps and self._span_us > 0 else None
        if not self._kept:
            return LossScan(
                counts=LossCounts(sent, 0, 0, 0, 0), runs=runs, distances=np.empty(0, np.int64), n_eff=None,
                absent=self._absent, has_numbers=self._has_numbers, interval_us=interval_us,
            )  # fmt: skip
        kept = concatenated(self._kept)
        counts = replace(count_losses(kept), sent=sent)
        share = counts.lost / sent
        return LossScan(
            counts=counts, runs=runs, distances=loss_distances(kept, lost_places(kept)),
            n_eff=self._worth.result(math.sqrt(share * (1 - share))) if counts.lost < sent else None,
            absent=self._absent, has_numbers=self._has_numbers, interval_us=interval_us,
        )  # fmt: skip


def _slim(probes: ProbeArrays, places: npt.NDArray[np.intp]) -> ProbeArrays:
    """Return some packets without times and delays, which the pattern of loss does not ask for."""
    nothing = np.broadcast_to(np.int8(0), places.shape)
    return ProbeArrays(
        nothing, probes.session[places], probes.seq[places], probes.refl_seq[places],
        probes.lost[places].astype(np.int8), {}, {},
    )  # fmt: skip
