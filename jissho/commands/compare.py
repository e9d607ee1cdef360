"""`jissho compare` and `jissho plan`: what changed between two runs, and how much must be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from jissho.output import DIRECTIONS, print_json, print_table
from jissho.settings import Settings, database

if TYPE_CHECKING:
    from analytics.comparison import Comparison, Effect


def compare(
    a: str,
    b: str = "",
    *,
    link: str = "",
    other_link: str = "",
    align: Literal["elapsed", "distance", "none"] = "elapsed",
    profile: str = "",
    json: bool = False,
) -> None:
    """Compare run B against run A: each difference with its 95 % interval (block bootstrap).

    The same run twice with two links compares the links at the same instants. A single name is that of a pair
    (`jissho run pair`), whose repetitions are compared together.

    Parameters
    ----------
    a
        Name or number of the first run (before, condition A), or the name of a pair.
    b
        Name or number of the second run (after, condition B); none for a pair.
    link
        Only this link of A.
    other_link
        Link of B, if it is another one.
    align
        What pairs the two: elapsed time, the same place (sections of the road that A drove, all passes of each
        pooled), or nothing.
    profile
        Requirement profile whose bounds define reliability and sections. Default JISSHO_PROFILE.
    json
        Print one JSON object a comparison.

    """
    from analytics.compare_loader import compare_pair, compare_runs  # noqa: PLC0415 - commands load what they need
    from storage.connect import connect  # noqa: PLC0415
    from storage.run_links import check_links  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    settings = Settings()
    judged_by = profile or settings.text("JISSHO_PROFILE") or None
    with database(settings) as url, connect(url) as connection:
        if b:
            sides = get_run(connection, a), get_run(connection, b)
            for record, name in zip(sides, (link, other_link), strict=True):
                check_links(connection, record, name)
            found = compare_runs(
                connection, *sides, link=link, other_link=other_link, align=align, profile=judged_by
            )  # fmt: skip
        else:
            found = compare_pair(connection, a, link=link, align=align, profile=judged_by)
    if json:
        print_json(found)
        return
    for each in found:
        _print(each)


def _print(found: Comparison) -> None:
    from analytics.report.words import shown_unit  # noqa: PLC0415
    from jissho.figures import shown_interval, shown_value  # noqa: PLC0415

    links = found.link_a if found.link_a == found.link_b else f"{found.link_a} → {found.link_b}"
    pair = f" {found.pair}" + (f"({found.condition})" if found.condition else "") if found.pair else ""
    print_table(
        f"比較 Comparison{pair}: {found.a} → {found.b} ({links})",
        ["指標\nKPI", "方向\nDir.", "統計量\nStat.", "A", "B", "差 B-A\nDifference", "95%信頼区間\n95% CI",
         "単位\nUnit", "明らか\nClear", "n A", "n B", "備考\nNote"],
        [
            (
                f"{effect.name_ja} {effect.variant}".rstrip(),
                DIRECTIONS[effect.direction],
                effect.statistic,
                shown_value(effect, effect.a),
                shown_value(effect, effect.b),
                shown_value(effect, effect.difference, "+.4g"),
                shown_interval(effect, "+.4g"),
                shown_unit(effect.id, effect.unit, effect.statistic),
                "はい yes" if effect.is_clear else "いいえ no",
                effect.n_a,
                effect.n_b,
                _note(effect),
            )
            for effect in found.effects
        ],
        note="。".join(filter(None, [found.effects[0].method if found.effects else "", found.note])),
    )  # fmt: skip


def _note(effect: Effect) -> str:
    """Return what must be known of an effect, in Japanese; JSON has both languages."""
    reasons = [each.split(" / ")[0] for each in effect.reason.split("; ") if each]
    return "; ".join(filter(None, [*reasons, f"時刻品質 {effect.clock}" if effect.clock else ""]))


def plan(
    *, rate: float | None = None, run: str = "", link: str = "", profile: str | None = None,
    target: tuple[float, ...] = (), json: bool = False,
) -> None:  # fmt: skip
    """Say how many packets and hours can demonstrate a reliability: what a verdict 達成 takes.

    A verdict looks at the two-sided 95 % interval, that is at the one-sided bound at 97.5 %. The usual number, by the
    one-sided bound at 95 %, is given beside it and is smaller.

    Parameters
    ----------
    rate
        Packets a second; default: that of the run, or 100.
    run
        A measured run like the planned one: its burstiness stretches the plan. Without it packets count as independent.
    link
        Link of that run.
    profile
        Requirement profile (or a file), whose waiting time (lost_after_ms) makes packets of that run lost.
    target
        Reliability to show, e.g. 0.999; may be given several times. Default 99 to 99.9999 %.
    json
        Print one JSON object a line of the plan.

    """
    from analytics.planner import TARGETS  # noqa: PLC0415 - commands load what they need
    from analytics.planner import plan as make_plan  # noqa: PLC0415

    worth, basis, measured_rate = 1.0, "独立なパケットとして packets taken as independent", 100.0
    if run:
        from analytics.compare_loader import burstiness  # noqa: PLC0415
        from storage.connect import connect  # noqa: PLC0415
        from storage.runs import get_run  # noqa: PLC0415

        with database(Settings()) as url, connect(url) as connection:
            found = burstiness(connection, get_run(connection, run), link, profile)
        worth, measured_rate = found.worth, found.rate_per_s
        basis = f"{run} の回線 {found.link} の相関による from its correlation: n_eff/n = {worth:.3g}"
        basis += f"、{found.note}" if found.note else ""
    lines = make_plan(measured_rate if rate is None else rate, worth, target or TARGETS)
    if json:
        print_json(lines)
        return
    print_table(
        "測定計画 Plan: パケット数と時間 packets and hours",
        ["目標 Target", "許す失敗 Failures", "片側95%(独立)\nOne-sided, indep.", "達成の判定(独立)\nFor 達成, indep.",
         "必要数 Needed", "毎秒 per s", "時間 Hours"],
        [
            (f"{line.target * 100:.8g} %", line.failures, f"{line.packets:,}", f"{line.packets_verdict:,}",
             f"{line.packets_needed:,}", f"{line.rate_per_s:g}", f"{line.hours:,.3g}")
            for line in lines
        ],
        note="必要数は達成の判定(両側95%区間 = 片側97.5%、Clopper-Pearson)による for the verdict, two-sided 95 %。"
             f"{basis}。"
             "許す失敗数は測定前に決める choose before measuring。連続損失は1件 a burst is one failure",
    )  # fmt: skip
