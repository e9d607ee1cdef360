"""Packets of one section or mesh, counted, and what they say of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analytics.class_tally import CELL_SUMS, DelayTally, HitTally, PacketFeed, Packets, Places, SparseCounts
from analytics.clock import ClockQuality
from analytics.link import blind_words
from analytics.requirements import Profile, Requirement
from analytics.results import UNDECIDED, Direction, Verdict
from analytics.series import Floats
from analytics.statistics import Histogram, Interval, proportion_interval, rank
from analytics.verdict import judge

LEVELS = ("rsrp_dbm", "sinr_db")
_PLACES = 1e9
"""Degrees are added up in whole parts of a tenth of a millimetre."""


class Rules:
    """What a cell's packets are held against."""

    def __init__(self, profile: Profile, link: str, clock: ClockQuality) -> None:
        self._profile, self._link, self._clock = profile, link, clock

    def limit_us(self, direction: Direction) -> float:
        """Return the bound of the delay."""
        parameters = self._profile.parameters
        return 1000 * (parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms)

    def bound_us(self, direction: Direction) -> float:
        """Return how far delays may be off by the clocks."""
        return 0.0 if direction == "round_trip" else self._clock.bound_us or 0.0

    def requirement(self, direction: Direction) -> Requirement | None:
        """Return what is required of the share delivered within the bound."""
        return self._profile.find("reliability", direction, "ratio", self._link)


class _Fates:
    """Of one cell and direction: the delays, and which packets of known fate were in time and which arrived at all."""

    def __init__(self) -> None:
        self.delays = DelayTally(CELL_SUMS)
        self.timely, self.arrived = HitTally(CELL_SUMS), HitTally(CELL_SUMS)

    def worth(self, delay_worth: int, usual: float) -> int:
        """Return what the packets are worth for the share in time.

        Where all fared alike that says nothing of how far their fates depended on each other: then they are worth what
        their delays are, in order of time, and what their losses are where only some were lost. Where nothing arrived,
        what the delays of the link usually are (`usual`, a packet).
        """
        if self.timely.is_mixed:
            return self.timely.result()
        if not self.arrived.hits:
            return max(int(usual * self.arrived.n), 1)
        return min(delay_worth, self.arrived.result()) if self.arrived.is_mixed else delay_worth


class CellTally:
    """The packets of one cell."""

    def __init__(self) -> None:
        self.absent = 0
        self._n = self._lost = self._late = 0
        self._fates: dict[Direction, _Fates] = {}
        self._sums = [0, 0]
        self._levels = {name: SparseCounts() for name in LEVELS}

    def add(self, packets: Packets, rows: Places, directions: Sequence[Direction], rules: Rules) -> None:
        """Add the packets at some places, which are in order of time."""
        self._n += rows.size
        self._lost += int(np.count_nonzero(packets.lost[rows]))
        if packets.is_late is not None:
            self._late += int(np.count_nonzero(packets.is_late[rows]))
        for direction in directions:
            us, has_delay, is_gone = (each[rows] for each in packets.delays(direction))
            mine = self._fates.setdefault(direction, _Fates())
            known = has_delay | is_gone
            mine.delays.add(us[has_delay])
            mine.arrived.add(has_delay[known])
            mine.timely.add((has_delay & (us <= rules.limit_us(direction)))[known])

    def add_place(self, lat_deg: Floats, lon_deg: Floats, levels: Mapping[str, Floats]) -> None:
        """Add where they were sent, and the levels measured near them."""
        # Whole numbers add up to the same however they are cut.
        for axis, values in enumerate((lat_deg, lon_deg)):
            self._sums[axis] += int(np.rint(values * _PLACES).astype(np.int64).sum())
        for name, values in levels.items():
            self._levels[name].add(values[np.isfinite(values)])

    def place(self) -> dict[str, Any]:
        """Return the mean place and the median levels."""
        lat, lon = (round(each / self._n / _PLACES, 7) for each in self._sums)
        return {"lat_deg": lat, "lon_deg": lon} | {name: _median(each) for name, each in self._levels.items()}

    def figures(self, feed: PacketFeed, rules: Rules, usual: float) -> dict[str, Any]:
        """Return what a cell says of its packets."""
        way = feed.direction
        mine = self._fates[way]
        counted, delay_worth = mine.delays.result()
        n = mine.arrived.n
        unknown = self._n - n
        delays = Histogram(counted.values, counted.counts, n - counted.n)
        limit_us, bound_us = rules.limit_us(way), rules.bound_us(way)
        low, high = None, None
        if n:
            # As for the reliability of a link: what clock and unknown fates hide widens the interval, and shifts none.
            hidden = unknown + (self.absent if feed.is_blind else 0)
            worth, total = mine.worth(delay_worth, usual), n + hidden
            low = proportion_interval(delays.up_to(limit_us - bound_us), total, worth).low
            high = proportion_interval(delays.up_to(limit_us + bound_us) + hidden, total, worth).high
        requirement = rules.requirement(way)
        verdict: Verdict | None = None
        if requirement is not None:
            verdict = UNDECIDED
            if n and not feed.doubt:
                share = mine.timely.hits / n
                verdict = judge(share, Interval(low, high), requirement.limit, "larger", n).verdict
        notes = [feed.doubt, f"遅延が不明 {unknown} / {unknown} with unknown delay" if unknown else "",
                 feed.late_words(self._late),
                 blind_words(feed.n, feed.absent, feed.waited.late) if feed.is_blind else ""]  # fmt: skip
        return {
            "n": self._n, "direction": way, "p50_ms": _quantile_ms(delays, "0.5"),
            "p95_ms": _quantile_ms(delays, "0.95"), "loss": None if feed.is_blind else self._lost / self._n,
            "unknown": unknown, "within": mine.timely.hits / n if n else None, "ci_low": low, "ci_high": high,
            "verdict": verdict, "reason": "; ".join(filter(None, notes)),
        }  # fmt: skip


def _quantile_ms(delays: Histogram, q: str) -> float | None:
    if not delays.n:
        return None
    value = delays.at([rank(q, delays.n)])[0]
    return None if np.isinf(value) else value / 1000


def _median(levels: SparseCounts) -> float | None:
    values, counts = levels.result()
    if not values.size:
        return None
    return float(values[np.searchsorted(np.cumsum(counts), (int(counts.sum()) + 1) // 2)])
