"""What one row of the table of KPIs says."""

from __future__ import annotations

from itertools import chain
from typing import Literal

import msgspec

Better = Literal["smaller", "larger", ""]
Way = Literal["round_trip", "up", "down"]
Needs = tuple[tuple[str, ...], ...]
"""Groups of sources: "stream.column", "stream.column+column" where they go together, "stream" for any row of it. Each
group must be there, by any one of its sources."""

_WORDS = {
    "ja": (" または ", "、かつ ", "。あれば ", "、", "2回線以上の端末の "),
    "en": (" or ", "; and ", "; where there is any: ", ", ", "of a device with two links or more: "),
}


class NoInterval(msgspec.Struct, frozen=True):
    """Why some statistics of a KPI have no confidence interval."""

    statistics: tuple[str, ...]
    ja: str
    en: str


WITHOUT_INTERVAL = (
    NoInterval(
        ("min", "max"),
        "観測した中の極値であり、観測を続ければさらに広がるため、区間を定めない",
        "An extreme of what was observed, which only grows with time: no interval",
    ),
    NoInterval(
        ("std", "mdev"),
        "ばらつきを記述する値で、その区間は分布の裾に左右される。分位点の区間を見る",
        "Describes the spread; how sure it is depends on the tail: see the intervals of the quantiles",
    ),
)
"""Statistics that have no interval whatever the KPI; where there is one all the same, it is of what the clocks hide."""


class KpiDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI. `better` says which side is good ("": neither); `statistics` are those given by default.

    They are given in those of its `directions` that were measured (none: it is of no direction). `stream` is that whose
    samples it is of, `columns` those that are read of it. `needs` names every source without which there is no value,
    `links` how many links of a device it takes; `also` is read where there is any and makes the value better (causes,
    the way down apart from the way up, the quality of the clocks). `main` are the statistics that a report states
    first; a KPI without any is for those who look closer. `is_main_once`: of several directions only the first that was
    measured is stated first. `no_interval` says of which statistics there is no interval, and why, beside those of
    WITHOUT_INTERVAL. `is_share`: whatever the statistic, its values are shares of something.
    """

    id: str
    name_ja: str
    name_en: str
    unit: str
    better: Better
    clause: str
    revision: int = 1
    stream: str = "probe"
    columns: tuple[str, ...]
    needs: Needs
    also: tuple[str, ...] = ()
    links: int = 1
    directions: tuple[Way, ...] = ()
    statistics: tuple[str, ...]
    main: tuple[str, ...] = ()
    is_main_once: bool = False
    no_interval: tuple[NoInterval, ...] = ()
    is_share: bool = False
    meaning_ja: str
    meaning_en: str

    @property
    def citation(self) -> str:
        """Clause and revision as one string, as results carry it."""
        return f"{self.clause}; jissho {self.id} rev {self.revision}"

    @property
    def unbounded(self) -> tuple[NoInterval, ...]:
        """Which of its statistics have no interval, and why."""
        found = ((tuple(name for name in each.statistics if name in self.statistics), each)
                 for each in (*self.no_interval, *WITHOUT_INTERVAL))  # fmt: skip
        return tuple(NoInterval(names, each.ja, each.en) for names, each in found if names)

    @property
    def streams(self) -> tuple[str, ...]:
        """Every stream that has a part in it, the needed ones first."""
        return tuple(dict.fromkeys(each.partition(".")[0] for each in (*chain(*self.needs), *self.also)))

    def needs_text(self, language: Literal["ja", "en"]) -> str:
        """Return in words which sources it takes, and which are read where there are any."""
        either, both, where, comma, of_two = _WORDS[language]
        groups = [either.join(group) for group in self.needs]
        if len(groups) > 1:
            groups = [f"({group})" if either in group else group for group in groups]
        also = f"{where}{comma.join(self.also)}" if self.also else ""
        return f"{of_two if self.links > 1 else ''}{both.join(groups)}{also}"
