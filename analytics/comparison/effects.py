"""What a comparison says: effects, each with its interval, of one link or of a pair of links."""

from __future__ import annotations

import msgspec

from analytics.results import Direction

ALL_OR_NONE = "全数または0の側は二項分布による / a side of which all or none is binomial"
NO_VALUE = "片方または両方に値がない(損失または測定なし) / one side has no value"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: `difference` is b - a with its 95 % interval; `is_clear` when the interval leaves out zero.

    Not so where one-way figures are for reference: an offset of the clocks may be all of the difference.
    `blocks` counts the units drawn: shared ones where `is_paired`, else the smaller side's. `variant` is the camera or
    protocol that it is of, "" where there is but one. `clock` is the quality of the clocks of either side, of one-way
    figures only. `reason` says why there is no value or no interval, or what else must be known.
    """

    id: str
    direction: Direction
    statistic: str
    variant: str = ""
    unit: str
    a: float | None
    b: float | None
    difference: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    is_clear: bool = False
    n_a: int
    n_b: int
    blocks: int
    is_paired: bool
    method: str
    clock: str = ""
    reason: str = ""
    name_ja: str = ""
    name_en: str = ""
    definition: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs or links and the effects of b against a; of several repetitions, the runs of each side in order.

    `pair` and `condition` are those of the register where the runs are a pair of it: its name and what differs. `note`
    says what is left out of either side, if anything.
    """

    pair: str = ""
    condition: str = ""
    a: str
    b: str
    link_a: str
    link_b: str
    align: str
    effects: list[Effect]
    note: str = ""
