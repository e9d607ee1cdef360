"""What pairs two sides: the same time since the start, or the same section of one road. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analytics.comparison.units import Blocks, blocks_of
from analytics.probes import Ints
from analytics.road import Road
from analytics.track import Track, sections

_REPETITION = 1 << 32
_BEFORE = 1 << 31
"""Room for samples before the start: a modem may report before the first packet is sent."""


class Alignment(Protocol):
    """Says in which unit a run was at some instants."""

    def __call__(self, t_us: Ints) -> Blocks:
        """Return the unit of each instant, -1 for none."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Blocks of time since the start of a run; those of other repetitions are other blocks."""

    start_us: int
    block_s: float
    repetition: int = 0

    def __call__(self, t_us: Ints) -> Blocks:
        """Return the block of each instant."""
        return blocks_of(t_us, self.block_s, self.start_us) + (self.repetition * _REPETITION + _BEFORE)


@dataclass(frozen=True, slots=True)
class Sections:
    """Sections of a road that a run drove whole; equal numbers are the same place, wherever a run began.

    However often and in which direction it came by: passes are pooled, those of all repetitions too.
    """

    road: Road
    path: Track
    section_m: float
    whole: Blocks

    def __call__(self, t_us: Ints) -> Blocks:
        """Return the section in which the vehicle was at each instant, -1 off the road and where not known."""
        along_m = self.road.at(self.path, t_us)
        numbers = sections(np.where((along_m >= 0) & (along_m < self.road.length_m), along_m, np.nan), self.section_m)
        return np.where(np.isin(numbers, self.whole), numbers, -1)


def whole_sections(road: Road, path: Track, t_us: Ints, section_m: float) -> Sections:
    """Return the sections of a road that a run drove whole, judged by some of the instants at which it measured."""
    numbers = road.whole_sections(path, t_us, section_m)
    return Sections(road, path, section_m, np.unique(numbers[numbers >= 0]))
