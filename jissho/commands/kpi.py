"""`jissho kpi`: the KPIs of a run."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from jissho.output import DIRECTIONS, interval_text, print_json, print_table
from jissho.settings import SettingError, Settings, database


def kpi(
    run: str,
    *,
    profile: str = "",
    link: str = "",
    conditions: bool = False,
    points: bool = False,
    correct_offset: bool = False,
    moving_only: bool = False,
    executor: str = "",
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    json: bool = False,
) -> None:
    """Compute the KPIs of a run, link by link, each with its 95 % interval, n, verdict and clause.

    Two links of one device are also judged together: "l5g+lte" is what either of them gave. The table has what the
    requirements ask for, with its verdicts, and the main figures (docs/kpi.md); --all has the rest too.

    Parameters
    ----------
    run
        Name or number of the run.
    profile
        Requirement profile for verdicts: a shipped name or a TOML file. Default JISSHO_PROFILE.
    link
        Only this link.
    conditions
        Instead, how delay and loss depend on RSRP, SINR, speed and cell.
    points
        Instead, the measuring points (測定点) with their tests of throughput, one by one.
    correct_offset
        Correct one-way figures afterwards for the offset of the clocks, from the smallest delays of both directions.
        They say so, and stay 参考値 unless the profile's clock_within_ms allows the bound.
    moving_only
        Leave out of the links what was measured while the vehicle stood (below 0.5 m/s for ten seconds and more). The
        figures say so, each beside its value with that time.
    executor
        Where links are evaluated: in this process, side by side in "processes" (one a processor; "processes:N"), or on
        a dask cluster, "dask://HOST:PORT". Workers read the database themselves, all in one snapshot.
    everything
        Every KPI with every statistic, camera by camera and cause by cause. --json always has all.
    json
        Print one JSON object a KPI (a class with --conditions, a point with --points).

    """
    from analytics.executors import executor_of  # noqa: PLC0415 - commands load what they need
    from analytics.main_figures import asked_first, main_figures  # noqa: PLC0415
    from analytics.place_loader import conditions_of_run  # noqa: PLC0415
    from analytics.point_place_loader import located_points  # noqa: PLC0415
    from analytics.run_loader import Elsewhere, evaluate_run  # noqa: PLC0415
    from analytics.unmeasured import is_unmeasured  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.run_links import check_links  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    _check_options(
        conditions=conditions, points=points, correct_offset=correct_offset, moving_only=moving_only,
        everything=everything,
    )  # fmt: skip
    settings = Settings()
    with database(settings) as url, connect(url) as connection:
        record = get_run(connection, run)
        check_links(connection, record, *link.split("+"))
        wanted = profile or settings.text("JISSHO_PROFILE") or None
        if conditions:
            found = conditions_of_run(connection, record, link, wanted, moving_only=moving_only)
            _print_conditions(record.name, found, is_json=json)
            return
        if points:
            _print_points(record.name, located_points(connection, record, wanted, link), is_json=json)
            return
        with executor_of(executor) as pool:
            elsewhere = None if pool is None else Elsewhere(pool, url)
            results = evaluate_run(
                connection, record, wanted, correct_offset=correct_offset, moving_only=moving_only, elsewhere=elsewhere
            )
    results = [
        result for result in results
        if not link or sorted(link.split("+")) == sorted(result.link.split("+"))
        or (is_unmeasured(result) and fnmatchcase(link, result.link or "*"))
    ]  # fmt: skip
    if json:
        print_json(results)
        return
    if all(is_unmeasured(result) for result in results):
        print(f"run {record.name} has no probes yet; see `jissho db status` and `jissho completeness {record.name}`")
    if not results:
        return
    asked, others = asked_first(results if everything else main_figures(results))
    print_kpis(f"KPI: {record.name}", [*asked, *others])
    if len(asked) + len(others) < len(results):
        shown = f"{len(asked) + len(others)} / {len(results)}"
        print(f"主な結果 {shown} 件。全ては --all main figures {shown}; all of them with --all")


def _check_options(
    *, conditions: bool, points: bool, correct_offset: bool, moving_only: bool, everything: bool
) -> None:
    """Refuse what would be heeded by nothing: a figure must not look like what it is not."""
    if conditions and points:
        raise SettingError("--conditions and --points are two lists: ask for one at a time")
    if correct_offset and (conditions or points):
        raise SettingError(f"--correct-offset is not for {'--conditions' if conditions else '--points'}: leave it out")
    if everything and (conditions or points):
        raise SettingError(
            f"--all is not for {'--conditions' if conditions else '--points'}, which has all: leave it out"
        )
    if moving_only and points:
        raise SettingError("--moving-only is not for --points, which are measured at a halt: leave it out")


def print_kpis(title: str, results: Sequence[Any]) -> None:
    """Print results as a table for people."""
    from analytics.report.words import shown_unit  # noqa: PLC0415
    from jissho.figures import shown_interval, shown_value  # noqa: PLC0415

    print_table(
        title,
        ["回線\nLink", "指標\nKPI", "方向\nDir.", "統計量\nStat.", "値\nValue", "単位\nUnit", "95%信頼区間\n95% CI",
         "n", "所要値\nLimit", "判定\nVerdict", "備考\nNote"],
        [
            (
                result.link,
                f"{result.name_ja} {result.variant}".rstrip(),
                DIRECTIONS[result.direction],
                result.statistic,
                shown_value(result, result.value),
                shown_unit(result.id, result.unit, result.statistic),
                shown_interval(result),
                result.n,
                shown_value(result, result.required, ".12g"),
                result.verdict or "",
                "; ".join(part.split(" / ")[0] for part in result.reason.split("; ")),
            )
            for result in results
        ],
        note="\n".join([
            "時刻は日本標準時(JST)。95%信頼区間は自己相関を考慮 intervals respect autocorrelation", *_shared(results)
        ]),
    )  # fmt: skip


def _shared(results: Sequence[Any]) -> list[str]:
    """Return what several KPIs of a link are filtered by: halts that are left out, packets that came too late."""
    kpis: dict[str, set[str]] = {}
    parts: dict[tuple[str, str], set[str]] = {}
    for result in results:
        kpis.setdefault(result.link, set()).add(result.id)
        for part in filter(None, result.filter.split("; ")):
            parts.setdefault((result.link, part), set()).add(result.id)
    # The loss of a link is of all its packets: its filter says nothing but what is left out of them.
    return [
        f"{link}: {part}" for (link, part), ids in parts.items()
        if len(ids) > 1 and ("loss" in ids or ids == kpis[link])
    ]  # fmt: skip


def _print_conditions(name: str, links: Sequence[Any], *, is_json: bool) -> None:
    from analytics.conditions import BASIS_WORDS, range_words  # noqa: PLC0415

    if is_json:
        print_json(
            {
                "device": each.device,
                "link": each.link,
                "direction": each.direction,
                "filter": each.filter,
                **msgspec.structs.asdict(row),
            }
            for each in links
            for row in each.rows
        )
        return
    if not any(each.rows for each in links):
        print(f"run {name}: neither RSRP, SINR, speed nor cell was measured beside its packets")
    for each in links:
        if not each.rows:
            continue
        print_table(
            f"条件別 By condition: {name}, {each.device}/{each.link}, {DIRECTIONS[each.direction]}",
            ["条件\nCondition", "階級\nClass", "n", "損失率\nLoss", "95%信頼区間\n95% CI", "p50\n[ms]", "CI",
             "p95\n[ms]", "CI", "p99\n[ms]", "CI", "備考\nNote"],
            [
                (
                    " ".join(filter(None, BASIS_WORDS[row.basis])), range_words(row), row.n, _short(row.loss),
                    interval_text(row.loss_low, row.loss_high), _short(row.p50_ms),
                    interval_text(row.p50_low_ms, row.p50_high_ms), _short(row.p95_ms),
                    interval_text(row.p95_low_ms, row.p95_high_ms), _short(row.p99_ms),
                    interval_text(row.p99_low_ms, row.p99_high_ms), row.reason.split(" / ")[0],
                )
                for row in each.rows
            ],
            note="。".join(filter(None, [
                "損失は無限大の遅延 a lost packet is infinite delay。測定値のない条件は載らない", each.filter
            ])),
        )  # fmt: skip


_ENOUGH = {True: "充足", False: "不足", None: ""}


def _print_points(name: str, points: Sequence[Any], *, is_json: bool) -> None:
    if is_json:
        print_json(points)
        return
    if not points:
        print(f"run {name}: no throughput test was made at a measuring point; see `jissho point` (in the field) "
              "and `jissho import --profile throughput_points`")  # fmt: skip
        return
    print_table(
        f"測定点 Measuring points: {name}",
        ["回線\nLink", "測定点\nPoint", "方向\nDir.", "プロトコル\nProtocol", "最初の試行\nFirst test",
         "試行 [Mbit/s]\nTests", "平均\nMean", "中央値\nMedian", "所要値\nRequired", "所要帯域\nEnough", "備考\nNote"],
        [
            (
                point.link, point.point, DIRECTIONS[point.direction], point.protocol.upper(), point.started_at,
                ", ".join(_short(rate) or "失敗" for rate in point.rates_mbps), _short(point.mean_mbps),
                _short(point.median_mbps), _short(point.required_mbps),
                "判定不能" if point.reason else _ENOUGH[point.is_enough], point.reason.split(" / ")[0],
            )
            for point in points
        ],
        note="\n".join([
            "地点の値は試行の平均 the value of a point is the mean of its tests",
            *dict.fromkeys(f"{point.link}: {point.filter}" for point in points if point.filter),
        ]),
    )  # fmt: skip


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
