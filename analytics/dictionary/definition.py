"""What one row of the table of KPIs says."""

from __future__ import annotations

from typing import Literal

import msgspec

Better = Literal["smaller", "larger", ""]


class KpiDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI. `better` says which direction is good ("": neither); `statistics` are those given by default."""

    id: str
    name_ja: str
    name_en: str
    unit: str
    better: Better
    clause: str
    revision: int = 1
    stream: str = "probe"
    columns: tuple[str, ...]
    statistics: tuple[str, ...]
    meaning_ja: str
    meaning_en: str

    @property
    def citation(self) -> str:
        """Clause and revision as one string, as results carry it."""
        return f"{self.clause}; jissho {self.id} rev {self.revision}"
