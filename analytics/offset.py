"""The offset between the clocks of both ends, estimated afterwards from the delays themselves. Pure.

With `offset` = far clock minus own clock, a packet's measured delays are up + offset and down - offset. True delays are
never negative, so the offset lies below every measured up delay and above minus every measured down delay, at every
moment. Two clocks of constant rate differ by a straight line, which must pass between the lower convex hull of the one
and the upper hull of the other. The line that keeps the widest distance to both is the estimate: it is right where the
smallest delays of both directions are equal (the symmetric path that NTP assumes, RFC 5905 8). The bound does not
assume symmetry: it is the furthest that any line between the hulls departs from the estimate, about half the smallest
round trip, and more where few packets say what the drift is. What it does assume is a constant rate; a clock that was
stepped, or steered hard, leaves no line between the hulls and is refused.

Skew by linear programming under the delays: Moon, Skelly, Towsley, INFOCOM 1999.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.probes import ProbeArrays

LEAST_PACKETS = 100
"""Fewer packets seldom contain one that met no queue in either direction."""
LEAST_SPAN_US = 10_000_000
MAX_DRIFT_PPM = 500.0
"""No crystal and no discipline (chrony's maxslewrate aside) runs further off; a steeper line is a fault of the data."""
_WINDOWS = 4_000
"""Only the smallest delay of each window of time can shape the hulls: between two and four thousand of them keep 0.05 %
of the run apart. Leaving points out only makes the bound wider."""

_LEAST_WINDOW_US = 1_000
"""Windows of the beginning: hardly any packet shares one. They are doubled until the run has no more than it may."""

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Far clock minus own clock: `offset_us` at `at_us` (the middle), changing by `drift_ppm` (us/s).

    `bound_us` holds at any moment of the `n` packets' time, whatever the asymmetry. `round_trip_us` is the smallest
    round trip that the minima of both directions make up.
    """

    at_us: int
    offset_us: float
    drift_ppm: float
    bound_us: float
    round_trip_us: float
    n: int

    def of(self, t_us: npt.NDArray[np.int64]) -> Floats:
        """Return the offset in us at each instant (Unix us)."""
        return np.asarray(self.offset_us + self.drift_ppm * ((t_us - self.at_us) / 1e6))


class OffsetScanner:
    """Reads what an offset is estimated from, chunk by chunk, in order of time: the fastest packet of each window."""

    def __init__(self) -> None:
        self._n = 0
        self._width_us = _LEAST_WINDOW_US
        self._first_us = self._last_us = 0
        self._minima: dict[str, tuple[Times, Times]] = {}

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets; those without both one-way delays are left out."""
        up, down = probes.delays["up"], probes.delays["down"]
        both = up.valid & down.valid & (probes.lost == 0)
        if not both.any():
            return
        t_us = probes.t_us[both]
        order = None if (t_us[1:] >= t_us[:-1]).all() else np.argsort(t_us, kind="stable")
        t_us = t_us if order is None else t_us[order]
        self._first_us = self._first_us if self._n else int(t_us[0])
        self._last_us = max(self._last_us, int(t_us[-1])) if self._n else int(t_us[-1])
        self._n += int(t_us.size)
        while (self._last_us - self._first_us) // self._width_us >= _WINDOWS:
            self._width_us *= 2
        for name, delay in (("up", up), ("down", down)):
            us = delay.us[both].astype(np.int64)
            known = self._minima.get(name, (t_us[:0], us[:0]))
            us = us if order is None else us[order]
            self._minima[name] = self._fastest(np.concatenate([known[0], t_us]), np.concatenate([known[1], us]))

    def _fastest(self, t_us: Times, us: Times) -> tuple[Times, Times]:
        """Return time and delay of the fastest packet of each window, the first of several; `t_us` ascending."""
        windows = (t_us - self._first_us) // self._width_us
        heads = np.flatnonzero(np.concatenate([[True], windows[1:] != windows[:-1]]))
        least = np.minimum.reduceat(us, heads)
        places = np.flatnonzero(us == np.repeat(least, np.diff(np.append(heads, us.size))))
        mine = windows[places]
        places = places[np.concatenate([[True], mine[1:] != mine[:-1]])]
        return t_us[places], us[places]

    def result(self) -> ClockOffset | str:
        """Return the estimate, or say why it cannot be had (ja / en)."""
        n, span_us = self._n, self._last_us - self._first_us
        if n < (need := LEAST_PACKETS):
            return f"両方向の遅延があるパケットが {n} 個({need} 個必要) / {n} packets with both delays: too few"
        if span_us < LEAST_SPAN_US:
            return f"測定が {span_us / 1e6:.3g} s と短い(10 s 必要) / measured for {span_us / 1e6:.3g} s only"
        middle_us = self._first_us + span_us // 2
        hulls = _Hulls(*(_hull((t_us - middle_us) / 1e6, us.astype(np.float64)) for t_us, us in
                         (self._minima["up"], self._minima["down"])))  # fmt: skip
        drift, gap = hulls.widest()
        if gap < 0:
            return "時計差が直線で表せない(時計の歩進の疑い) / no straight line fits: a clock was stepped or steered"
        estimate = float(hulls.above(drift) - hulls.below(drift)) / 2
        ends_s = ((edge_us - middle_us) / 1e6 for edge_us in (self._first_us, self._last_us))
        bound = max(hulls.furthest(edge_s, drift, estimate) for edge_s in ends_s)
        return ClockOffset(middle_us, estimate, drift, bound, gap, n)


def estimate_offset(probes: ProbeArrays) -> ClockOffset | str:
    """Estimate the offset from packets with both one-way delays, or say why it cannot be had (ja / en)."""
    scanner = OffsetScanner()
    scanner.add(probes)
    return scanner.result()


def _hull(t_s: Floats, delay_us: Floats) -> tuple[Floats, Floats]:
    """Return the lower convex hull of some points, ascending in time."""
    hull: list[tuple[float, float]] = []
    for point in zip(t_s.tolist(), delay_us.tolist(), strict=True):
        while len(hull) > 1 and _is_above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return np.array([x for x, _ in hull]), np.array([y for _, y in hull])


def _is_above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Tell whether b lies on or above the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


class _Hulls:
    """The lower hulls of both directions, and the lines offset = a + drift * t between them (drift in us/s = ppm)."""

    def __init__(self, up: tuple[Floats, Floats], down: tuple[Floats, Floats]) -> None:
        self._up, self._down = up, down
        slopes = np.concatenate([_slopes(*up), -_slopes(*down), [-MAX_DRIFT_PPM, 0.0, MAX_DRIFT_PPM]])
        # What is sought is linear in the drift between the slopes of the hulls' edges: its extremes lie on them.
        self._candidates = np.unique(slopes[np.abs(slopes) <= MAX_DRIFT_PPM])

    def above(self, drift: Any) -> Any:
        """Return the largest `a` of each drift that keeps the line below every up delay."""
        return (self._up[1] - np.multiply.outer(drift, self._up[0])).min(axis=-1)

    def below(self, drift: Any) -> Any:
        """Return minus the smallest `a` of each drift that keeps the line above minus every down delay."""
        return (self._down[1] + np.multiply.outer(drift, self._down[0])).min(axis=-1)

    def _gap(self, drift: Any) -> Any:
        return self.above(drift) + self.below(drift)

    def widest(self) -> tuple[float, float]:
        """Return the drift with the widest gap between the hulls, and that gap; negative where no line fits."""
        gaps = self._gap(self._candidates)
        best = np.flatnonzero(gaps >= gaps.max() - 1e-6)
        # Where several are equally good the gap is flat between them.
        drift = float(self._candidates[best[[0, -1]]].mean())
        return drift, float(self._gap(drift))

    def furthest(self, at_s: float, drift: float, estimate: float) -> float:
        """Return how far a line between the hulls can be from the estimated one at a moment."""
        ends = [self._limit(drift, -MAX_DRIFT_PPM), self._limit(drift, MAX_DRIFT_PPM)]
        inside = self._candidates[(self._candidates > ends[0]) & (self._candidates < ends[1])]
        drifts = np.concatenate([ends, [drift], inside])
        here = estimate + drift * at_s
        top = (self.above(drifts) + drifts * at_s).max()
        bottom = (-self.below(drifts) + drifts * at_s).min()
        return float(max(top - here, here - bottom))

    def _limit(self, drift: float, outermost: float) -> float:
        """Return the drift furthest towards `outermost` at which a line still fits, by bisection."""
        if self._gap(outermost) >= 0:
            return outermost
        inside, outside = drift, outermost
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if self._gap(middle) >= 0 else (inside, middle)
        # The outer end: a bound must not be too small.
        return outside


def _slopes(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.diff(y) / np.maximum(np.diff(x), 1e-9))
