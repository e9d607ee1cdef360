"""What else than sampling a figure may be off by, and what that does to its verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.statistics import Interval


@dataclass(frozen=True, slots=True)
class Doubt:
    """The interval that a verdict rests on, wider than that of sampling; an end that nobody knows is None.

    `words` are told where they decide: where sampling alone would have given another verdict. `uncertainty` is by how
    much each value behind the figure may be off, in the figure's unit; None where that is not what is doubted.
    """

    interval: Interval
    words: str
    uncertainty: float | None = None


def shifted(interval: Interval, shift: float) -> Interval:
    """Return an interval whose ends reach farther by `shift`."""
    return Interval(
        None if interval.low is None else interval.low - shift, None if interval.high is None else interval.high + shift
    )
