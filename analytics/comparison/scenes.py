"""What the AI saves and what it costs, from paired runs: the same scenes, AI off in one run and on in the other. Pure.

Each figure is that of its KPI (`analytics.families.traffic`): volumes per time, scene by scene. A side that was not
measured without AI is held against side A's rows without it; a side without AI is its own reference, and its figure is
what it is by definition: a compression of 1, a reduction of 0, an accuracy retained whole, no delay added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from analytics.bootstrap import percentile_interval
from analytics.comparison.effects import Effect
from analytics.comparison.figures import ratio_of_sums, spread_of, sums_by
from analytics.comparison.measures import F_SCORE
from analytics.comparison.units import LEAST_BLOCKS, Blocks, Drawn, Replicated, units_of
from analytics.families.traffic import FEW_SCENES
from analytics.series import Bools, Floats, Series
from analytics.subject import NONE

SCENES = "scenes"
OWN_REFERENCE = "A は AI なし: A 自身を基準とする値 / A is without AI and is its own reference"
NOTHING_ADDED = "A は AI なし: 付加遅延は定義により 0 / A is without AI, which adds no delay"
FEWER_SCENES = (
    f"{LEAST_BLOCKS} 未満のシーン: 区間はやや狭い / fewer than {LEAST_BLOCKS} scenes: the interval is a little narrow"
)

_Key = tuple[str, int]
"""A treatment and a side."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """What rows of a treatment add up to by unit: a figure of theirs is sum(over) / sum(under)."""

    units: Blocks
    over: Floats
    under: Floats

    def of(self, units: Blocks) -> _Sums:
        """Return the sums of some units, all of which it has."""
        places = np.searchsorted(self.units, units)
        return _Sums(units, self.over[places], self.under[places])


def scenes_of(a: Series, b: Series) -> tuple[Blocks, Blocks] | None:
    """Return the number of the scene of each row of both sides, -1 where the other has none; None without any."""
    names = sorted({*_named(a)} & {*_named(b)})
    if not names:
        return None
    number = {name: place for place, name in enumerate(names)}
    found = [
        np.array([-1 if name is None else number.get(str(name), -1) for name in side.text("scene")], np.int64)
        for side in (a, b)
    ]
    return found[0], found[1]


def _named(rows: Series) -> set[str]:
    return {str(name) for name in rows.text("scene") if name is not None}


def compare_ai(a: Series, b: Series, *, is_paired: bool, unit_name: str, is_by_scene: bool) -> Iterator[Effect]:
    """Yield compression, traffic reduction, retention of accuracy and added delay of b against a.

    Nothing where side A was never measured without AI, or side B never with it. `is_by_scene`: the units of the rows
    are scenes, which both sides share.
    """
    rows: dict[_Key, Series] = {}
    for number, side in enumerate((a, b)):
        for word in ("off", "on"):
            mine = side.where(np.asarray(side.text("treatment") == word, np.bool_))
            if mine.n:
                rows[word, number] = mine
    if ("off", 0) not in rows or ("on", 1) not in rows:
        return
    off_a: _Key = ("off", 0)
    keys = [
        (("on", 0) if ("on", 0) in rows else off_a, off_a),
        (("on", 1), ("off", 1) if ("off", 1) in rows else off_a),
    ]  # fmt: skip
    how = _How(is_paired or is_by_scene, SCENES if is_by_scene else unit_name, is_by_scene)
    yield from _relative(
        "compression", {key: _volume(each, is_with_ai=key[0] == "on") for key, each in rows.items()}, keys, how
    )
    scores = {key: _score(each) for key, each in rows.items()}
    if all(scores[key].under.sum() for pair in keys for key in pair):
        yield from _relative("accuracy_retention", scores, keys, how)
    if ("on", 0) not in rows:
        yield from _added_delay(rows["on", 1], how)


@dataclass(frozen=True, slots=True)
class _How:
    is_paired: bool
    unit_name: str
    is_by_scene: bool

    def drawn(self, a: Blocks, b: Blocks) -> Drawn:
        least = FEW_SCENES if self.is_by_scene else LEAST_BLOCKS
        return Drawn(
            a, b, is_paired=self.is_paired, unit_name=self.unit_name, least=least, is_ordered=not self.is_by_scene
        )


def _by_unit(rows: Series, *columns: Floats | Bools) -> tuple[Blocks, list[Floats]]:
    """Return the units of the rows and the sums of columns in each, NaN being left out."""
    block = units_of(rows)
    units, where = np.unique(block[block >= 0], return_inverse=True)
    return units, [sums_by(where, np.nan_to_num(each[block >= 0].astype(np.float64)), units.size) for each in columns]


def _volume(rows: Series, *, is_with_ai: bool) -> _Sums:
    """Return the mean rate of each unit in Mbit/s; as many figures as there are units.

    With AI a scene may need no traffic at all; where none was without it there is nothing to save.
    """
    volume = rows.number("bytes")
    units, (megabits, seconds, n) = _by_unit(rows, 8 * volume / 1e6, rows.number("interval_s"), np.isfinite(volume))
    known = (seconds > 0) & (n > 0) & (is_with_ai | (megabits > 0))
    return _Sums(units[known], megabits[known] / seconds[known], np.ones(int(known.sum())))


def _score(rows: Series) -> _Sums:
    """Return what the F score of each unit is a ratio of."""
    units, (over, under) = _by_unit(rows, *F_SCORE.sums(rows))
    return _Sums(units, over, under)


def _relative(kpi: str, sums: dict[_Key, _Sums], keys: Sequence[tuple[_Key, _Key]], how: _How) -> Iterator[Effect]:
    """Yield the effect on a ratio of two treatments' figures; for volumes also on what it saves."""
    asked = {key for pair in keys for key in pair}
    units = [
        reduce(np.intersect1d, [sums[key].units for key in sorted(asked) if how.is_paired or key[1] == number])
        for number in (0, 1)
    ]
    drawn = how.drawn(units[0], units[1])
    found = [_over(_figure(sums, above, drawn), _figure(sums, below, drawn), how) for above, below in keys]
    counts = [drawn.units[number].size if kpi == "compression" else _events(sums, keys[number][0], drawn)
              for number in (0, 1)]  # fmt: skip
    is_reference = keys[0][0] == keys[0][1]
    for name, each in ((kpi, found), *([("traffic_reduction", _saved(found))] if kpi == "compression" else [])):
        is_whole = drawn.is_drawn and all(side.value is not None for side in each)
        interval = drawn.of_difference(*each) if is_whole else NONE
        reasons = [OWN_REFERENCE if is_reference else "", _own_bounds(each[1], drawn) if is_whole else ""]
        if how.is_by_scene and drawn.is_drawn and drawn.blocks < LEAST_BLOCKS:
            reasons.append(FEWER_SCENES)
        yield drawn.effect((name, "", "ratio"), each, interval, counts, reason="; ".join(filter(None, reasons)))


def _figure(sums: dict[_Key, _Sums], key: _Key, drawn: Drawn) -> tuple[Replicated, float]:
    """Return the figure of a treatment of a side, and what its sum below is."""
    mine = sums[key].of(drawn.units[key[1]])
    return ratio_of_sums(mine.over, mine.under, drawn.each_weights[key[1]]), float(mine.under.sum())


def _events(sums: dict[_Key, _Sums], key: _Key, drawn: Drawn) -> int:
    return round(float(sums[key].of(drawn.units[key[1]]).under.sum()))


def _over(above: tuple[Replicated, float], below: tuple[Replicated, float], how: _How) -> Replicated:
    """Return the ratio of two figures."""
    (x, n_x), (y, n_y) = above, below
    if x.value is None or not y.value:
        return Replicated(None)
    ratio = x.value / y.value
    if x.replicates is None or y.replicates is None:
        return Replicated(ratio)
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = x.replicates / y.replicates
    influence = None
    if how.is_paired and x.influence is not None and y.influence is not None and x.value:
        influence = ratio * (x.influence / (n_x * x.value) - y.influence / (n_y * y.value))
    return Replicated(ratio, replicates, influence)


def _saved(found: Sequence[Replicated]) -> list[Replicated]:
    """Return one minus each."""
    return [
        Replicated(
            None if each.value is None else 1 - each.value,
            None if each.replicates is None else 1 - each.replicates,
            None if each.influence is None else -each.influence,
        )
        for each in found
    ]


def _own_bounds(found: Replicated, drawn: Drawn) -> str:
    """Say the interval of side B's own figure, which a report states beside the effect."""
    assert found.replicates is not None
    own = percentile_interval(found.replicates, units=drawn.blocks)
    if own.low is None or own.high is None:
        return ""
    return f"B の95%区間 {own.low:.4g} から {own.high:.4g} / 95 % interval of B {own.low:.4g} to {own.high:.4g}"


def _added_delay(on: Series, how: _How) -> Iterator[Effect]:
    """Yield the delay that the AI adds on side B, against none."""
    values = on.number("added_delay_us") / 1000
    block = units_of(on)
    known = np.isfinite(values) & (block >= 0)
    units, place = np.unique(block[known], return_inverse=True)
    if not units.size:
        return
    drawn = Drawn(units, units, is_paired=False, unit_name=how.unit_name, is_ordered=not how.is_by_scene)
    weights = drawn.each_weights[1]
    spread = spread_of(values[known], place, units.size)
    none = Replicated(0.0, None if weights is None else np.zeros(weights.shape[0]), np.zeros(units.size))
    for statistic in ("mean", "p50", "p95"):
        if statistic == "mean":
            sums = [sums_by(place, each, units.size) for each in (values[known], np.ones(place.size))]
            found = ratio_of_sums(sums[0], sums[1], weights)
        else:
            found = spread.quantile(f"{float(statistic[1:]) / 100:g}", weights)
        is_whole = drawn.is_drawn and found.value is not None
        interval = drawn.of_difference(none, found) if is_whole else NONE
        yield drawn.effect(("ai_delay", "", statistic), [none, found], interval, [0, spread.n], reason=NOTHING_ADDED)
