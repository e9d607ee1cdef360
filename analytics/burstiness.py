"""What the packets of a link are worth for planning, read chunk by chunk. Pure."""

from __future__ import annotations

import numpy as np

from analytics.blocks import Counts
from analytics.clock import NO_RECORD
from analytics.probes import ProbeArrays
from analytics.statistics import Histogram
from analytics.waiting_time import Waited, waited_out
from analytics.worth import SeriesWorth

_DIRECTIONS = ("round_trip", "up")


class WorthScan:
    """Reads packets: how many are lost, what the losses are worth, and what the delays are, round trip else up.

    Packets that came later than `lost_after_ms` are lost (None: however late, they arrived); `waited` says how many.
    """

    def __init__(self, lost_after_ms: float | None = None) -> None:
        self._lost_after_ms = lost_after_ms
        self.waited = Waited()
        self.n = self._lost = 0
        self.first_us = self.last_us = 0
        self._losses = SeriesWorth(hits=True)
        self._delays = {direction: (SeriesWorth(), Counts()) for direction in _DIRECTIONS}

    def add(self, probes: ProbeArrays, /) -> None:
        """Add the next packets."""
        if not probes.n:
            return
        probes, waited = waited_out(probes, self._lost_after_ms, NO_RECORD)
        self.waited = self.waited.and_of(waited)
        low_us, high_us = int(probes.t_us.min()), int(probes.t_us.max())
        self.first_us = min(self.first_us, low_us) if self.n else low_us
        self.last_us = max(self.last_us, high_us)
        self.n += probes.n
        order = np.argsort(probes.t_us, kind="stable")
        lost = probes.lost[order] > 0
        self._lost += int(np.count_nonzero(lost))
        self._losses.add(lost)
        for direction, (worth, counts) in self._delays.items():
            delay = probes.delays[direction]
            values = delay.us[order][delay.valid[order]].astype(np.int64)
            if values.size:
                worth.add(values)
                counts.add(values)

    def n_eff(self) -> int:
        """Return what the packets are worth: by their losses where these vary, else by their delays."""
        if 0 < self._lost < self.n:
            share = self._lost / self.n
            return self._losses.result(float(np.sqrt(share * (1 - share))))
        for worth, counts in self._delays.values():
            if worth.n:
                return worth.result(Histogram(*counts.result()).deviation)
        return 0
