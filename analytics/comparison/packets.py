"""Comparison of packets: delay quantiles and mean, loss and reliability. Lost packets are infinitely late. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from analytics.bootstrap import difference_interval
from analytics.clock import ClockQuality
from analytics.comparison.effects import ALL_OR_NONE, Effect
from analytics.comparison.figures import ratio_of_sums
from analytics.comparison.packet_units import PacketUnits, shared_directions
from analytics.comparison.units import Blocks, Drawn, Replicated, blocks_of, usual_length_s
from analytics.link import blind_words
from analytics.log_histogram import RELATIVE_ERROR
from analytics.probes import ProbeArrays
from analytics.results import MS, Direction
from analytics.series import Floats
from analytics.statistics import Interval, proportion_interval, share_of
from analytics.subject import NONE, widened

_STATISTICS = ("p50", "p95", "p99")

Clocks = Sequence[ClockQuality]
"""The clocks of both sides."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side: packets, and the block of each (-1: in none, and left out)."""

    probes: ProbeArrays
    block: Blocks


def time_blocks(probes: ProbeArrays, block_s: float, start_us: int | None = None) -> Blocks:
    """Return the block of each packet: elapsed time since `start_us` (default: the first packet) by block length."""
    start = int(probes.t_us.min()) if start_us is None and probes.n else (start_us or 0)
    return blocks_of(probes.t_us, block_s, start)


def usual_block_s(a: ProbeArrays, b: ProbeArrays) -> float:
    """Return the usual block length for two sides (`analytics.comparison.units.usual_length_s`)."""
    return usual_length_s(*(float(np.ptp(each.t_us)) / 1e6 if each.n else 0.0 for each in (a, b)))


def compare(
    a: Side, b: Side, *, is_paired: bool, unit_name: str, within_ms: float, statistics: Sequence[str] = _STATISTICS
) -> list[Effect]:
    """Compare packets that are all there."""
    units = [np.unique(side.block[side.block >= 0]) for side in (a, b)]
    drawn = Drawn(*units, is_paired=is_paired, unit_name=unit_name)
    kept = [PacketUnits(each, within_ms) for each in drawn.units]
    for side, each in zip((a, b), kept, strict=True):
        each.add(side.probes, side.block)
    return compare_packets(kept[0], kept[1], drawn, statistics=statistics)


def compare_packets(
    a: PacketUnits, b: PacketUnits, drawn: Drawn, *, clocks: Clocks = (), clock_limit_us: float = math.inf,
    statistics: Sequence[str] = _STATISTICS,
) -> list[Effect]:  # fmt: skip
    """Compare delay quantiles and mean, loss and reliability in every direction that both sides measured.

    One-way figures say how good the `clocks` of both sides are where those are given, and are for reference where one
    is unknown or its bound beyond `clock_limit_us`.
    """
    told = _clocks(clocks, clock_limit_us)
    shared = shared_directions(a, b)
    effects = [each for direction in shared for each in _delays((a, b), drawn, direction, statistics, told)]
    effects.append(_ratio("loss", (a, b), (a.lost, b.lost), drawn))
    if "round_trip" in shared:
        effects.append(_ratio("reliability", (a, b), (a.timely, b.timely), drawn))
    return effects


def _ratio(kpi: str, sides: Sequence[PacketUnits], hits: Sequence[Floats], drawn: Drawn) -> Effect:
    """Return the difference of two shares of packets.

    Recordings that cannot say "lost" have none. Where it holds for all packets of a side, or for none, drawing blocks
    would say that this is so for certain: such a side has a binomial interval on the worth of its delays, and the two
    sides' distances to their bounds are added as squares (Newcombe 1998, method 10).
    """
    blind = [
        f"{name}: {blind_words(side.n, side.absent, side.late)}"
        for name, side in zip("AB", sides, strict=True)
        if side.is_blind
    ]
    what: tuple[str, Direction, str] = (kpi, "round_trip", "ratio")
    counts = [int(side.sent.sum()) for side in sides]
    found = [
        Replicated(None) if blind else ratio_of_sums(hit, side.sent, weights)
        for hit, side, weights in zip(hits, sides, drawn.each_weights, strict=True)
    ]
    before, after = (each.value for each in found)
    if not drawn.is_drawn or before is None or after is None:
        return drawn.effect(what, found, NONE, counts, reason="; ".join(blind))
    if not {before, after} & {0.0, 1.0}:
        return drawn.effect(what, found, drawn.of_difference(*found), counts)
    a, b = (_own_interval(side, each, n, drawn) for side, each, n in zip(sides, found, counts, strict=True))
    return drawn.effect(what, found, difference_interval(before, after, a, b), counts, reason=ALL_OR_NONE)


def _own_interval(side: PacketUnits, found: Replicated, n: int, drawn: Drawn) -> Interval:
    assert found.value is not None
    assert found.replicates is not None
    if found.value in {0.0, 1.0}:
        return proportion_interval(found.value * n, n, side.worth())
    return drawn.interval(found.replicates)


def _delays(
    sides: Sequence[PacketUnits], drawn: Drawn, direction: Direction, statistics: Sequence[str], told: tuple[str, str]
) -> Iterator[Effect]:
    """Yield the differences of mean and quantiles of one direction."""
    kpi = "rtt" if direction == "round_trip" else "owd"
    delays = [side.delays[direction] for side in sides]
    counts, weights = [each.n for each in delays], drawn.each_weights
    words, doubt = told if kpi == "owd" else ("", "")
    spreads = [each.spread() for each in delays]
    for statistic in ("mean", *statistics):
        rounding = 0.0
        if statistic == "mean":
            found = [each.mean(times) for each, times in zip(delays, weights, strict=True)]
        else:
            q = share_of(statistic)
            found = [each.quantile(q, times) for each, times in zip(spreads, weights, strict=True)]
            rounding = RELATIVE_ERROR * sum(abs(each.value or 0.0) for each in found)
        is_whole = drawn.is_drawn and all(each.value is not None for each in found)
        # Values in buckets are off by as much, those of the replicates too.
        interval = widened(drawn.of_difference(*found), rounding) if is_whole else NONE
        effect = drawn.effect((kpi, direction, statistic), found, interval, counts, reason=doubt, clock=words)
        # An offset of the clocks may be all of the difference.
        yield msgspec.structs.replace(effect, is_clear=effect.is_clear and not doubt)


def _clocks(clocks: Clocks, limit_us: float) -> tuple[str, str]:
    """Return how good the clocks of both sides are, and why one-way figures are for reference only, if they are."""
    words, doubts = [], []
    for name, each in zip("AB", clocks, strict=False):
        bound = "" if each.bound_us is None else f" ±{each.bound_us / MS:.4g} ms"
        poor_s = sum(end - start for start, end in each.poor) / 1e6
        left_out = f"(限度を超える {poor_s:.4g} s の片方向遅延を除く)" if poor_s else ""
        words.append(f"{name} {each.word}{bound}{left_out}")
        if doubt := each.doubt(limit_us):
            doubts.append(f"{name} {doubt}")
    return ", ".join(words), "; ".join(doubts)
