"""Which results a report states first: what is required, and the main statistics that the table of KPIs names. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from analytics.definitions import BY_ID, DEFINITIONS
from analytics.results import CAMERA_VARIANT, CAUSE_VARIANT, DIRECTIONS, Direction, KpiResult

_PARTS = tuple(variant.partition("{")[0] for variant in (CAMERA_VARIANT, CAUSE_VARIANT))
_PLACE = {definition.id: place for place, definition in enumerate(DEFINITIONS)}
_WAYS: tuple[Direction, ...] = ("", *DIRECTIONS)
_WAY: dict[Direction, int] = {direction: place for place, direction in enumerate(_WAYS)}


def main_figures(results: Sequence[KpiResult], *, with_asked: bool = True) -> list[KpiResult]:
    """Return the main results, in the order given: those that a requirement asks for, and the main statistics.

    `with_asked` False: what is required is in it only where it is a main statistic.

    Of one camera or cause only where there is no figure of them all, and of some KPIs of the first direction only. A
    KPI that has no value in any of its main statistics keeps the row that says why.
    """
    first = _first_ways(results)
    wholes = {_subject(each)[:-1] for each in results if not _is_part(each)}
    stated = {_subject(each) for each in results if each.statistic in _main(each)}
    found = []
    for each in results:
        subject, statistics = _subject(each), _main(each)
        is_other = BY_ID[each.id].is_main_once and each.direction != first[_of_all_ways(each)] if statistics else False
        is_shown = bool(statistics) and not is_other and not (_is_part(each) and subject[:-1] in wholes)
        is_why = each.value is None and subject not in stated
        if (with_asked and _is_asked(each)) or (is_shown and (each.statistic in statistics or is_why)):
            found.append(each)
            stated.add(subject)  # one reason is enough
    return found


def _first_ways(results: Sequence[KpiResult]) -> dict[tuple[str, ...], Direction]:
    """Return the first direction in which each KPI of a link is."""
    found: dict[tuple[str, ...], Direction] = {}
    for each in results:
        what = _of_all_ways(each)
        found[what] = min(found.get(what, each.direction), each.direction, key=_WAY.__getitem__)
    return found


def _of_all_ways(result: KpiResult) -> tuple[str, ...]:
    return result.device, result.link, result.id, result.variant


def in_order(results: Sequence[KpiResult]) -> list[KpiResult]:
    """Return results in the order of the table of KPIs; the same figure of two links one below the other."""
    return sorted(results, key=_order)


def asked_first(results: Sequence[KpiResult]) -> tuple[list[KpiResult], list[KpiResult]]:
    """Return the results that a requirement asks for, and all others, both in the order of the table of KPIs."""
    ordered = in_order(results)
    return [each for each in ordered if _is_asked(each)], [each for each in ordered if not _is_asked(each)]


def _is_asked(result: KpiResult) -> bool:
    return result.verdict is not None or result.required is not None


def _main(result: KpiResult) -> tuple[str, ...]:
    return BY_ID[result.id].main if result.id in BY_ID else ()


def _is_part(result: KpiResult) -> bool:
    """Tell a figure of one camera or of one cause."""
    return result.variant.startswith(_PARTS)


def _subject(result: KpiResult) -> tuple[str, ...]:
    return result.device, result.link, result.id, result.direction, result.variant


def _order(result: KpiResult) -> tuple[int, str, int, int, str, str]:
    definition = BY_ID.get(result.id)
    statistics = definition.statistics if definition else ()
    place = statistics.index(result.statistic) if result.statistic in statistics else len(statistics)
    way = _WAY[result.direction]
    return _PLACE.get(result.id, len(_PLACE)), result.variant, way, place, result.device, result.link
