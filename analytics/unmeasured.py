"""Requirements that no result answers: they are told, or a report would count only what happened to be measured. Pure.

A profile may ask for what a run never measured (no camera, no position, another link). Without a row of its own such a
requirement is neither 達成 nor 未達, and a summary of verdicts reads as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from analytics.definitions import BY_ID, definitions_hash
from analytics.requirements import Profile, Requirement
from analytics.results import UNDECIDED, KpiResult

NO_MEASUREMENT = "測定なし / not measured"


def with_unmeasured(
    results: Sequence[KpiResult], profile: Profile, started_at: datetime | None, ended_at: datetime | None
) -> list[KpiResult]:
    """Return the results of a run and, after them, a row for each requirement that none of them is about."""
    asked = [each for each in profile.requirement if not any(_is_about(each, result) for result in results)]
    return [*results, *(_row(each, started_at, ended_at) for each in asked)]


def is_unmeasured(result: KpiResult) -> bool:
    """Tell whether a result stands for a requirement about which nothing was measured."""
    return result.reason.startswith(NO_MEASUREMENT) and result.verdict == UNDECIDED


def _is_about(requirement: Requirement, result: KpiResult) -> bool:
    return requirement.fits(result.id, result.direction, result.statistic, result.link)


def _row(requirement: Requirement, started_at: datetime | None, ended_at: datetime | None) -> KpiResult:
    """Return a row without a value; its link is the pattern of the requirement, nothing where that is any link."""
    definition = BY_ID[requirement.kpi]
    return KpiResult(
        id=requirement.kpi, link="" if requirement.link == "*" else requirement.link, direction=requirement.direction,
        statistic=requirement.statistic, value=None, unit=definition.unit, n=0, verdict=UNDECIDED,
        definition=definition.citation, reason=NO_MEASUREMENT, required=requirement.limit,
        required_source=requirement.source, started_at=started_at, ended_at=ended_at, name_ja=definition.name_ja,
        name_en=definition.name_en, definition_hash=definitions_hash(),
    )  # fmt: skip
