"""`jissho outages`: every outage of a run, with place, radio and vehicle just before it."""

from __future__ import annotations

from jissho.output import DIRECTIONS, print_json, print_table
from jissho.settings import Settings, database


def outages(run: str, *, link: str = "", profile: str = "", json: bool = False) -> None:
    """List the outages of each link and of each pair of links, by the bounds of availability.

    Parameters
    ----------
    run
        Name or number of the run.
    link
        Only this link, or this pair of links ("l5g+lte").
    profile
        Requirement profile: its deadline, survival time and waiting time. Default JISSHO_PROFILE.
    json
        Print one JSON object a link, with all columns of its outages.

    """
    from analytics.outage_loader import outages_of_run  # noqa: PLC0415 - commands load what they need
    from analytics.outage_rows import columns_of, outage_list, rows_of  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.run_links import check_links  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    settings = Settings()
    with database(settings) as url, connect(url) as connection:
        record = get_run(connection, run)
        check_links(connection, record, *link.split("+"))
        wanted = profile or settings.text("JISSHO_PROFILE") or None
        lists = [outage_list(found) for found in outages_of_run(connection, record, wanted, link)]
    if json:
        print_json(lists)
        return
    if not lists:
        print(f"run {record.name} has no probes{f' of {link}' if link else ''}; see `jissho db status`")
        return
    print_table(
        f"通信断の集計 Outages by link: {record.name}",
        ["測定端末\nDevice", "回線\nLink", "方向\nDir.", "観測時間\nObserved [s]", "件数\nOutages", "合計\nTotal [s]",
         "最長\nLongest [s]", "備考\nNote"],
        [
            (
                each.device, each.link, DIRECTIONS[each.direction], each.observed_s, each.count, each.total_s,
                each.longest_s, "; ".join(filter(None, [each.reason, each.excluded, each.filter])),
            )
            for each in lists
        ],
    )  # fmt: skip
    rows, columns = rows_of(lists), columns_of("terminal")
    if rows:
        print_table(
            f"通信断一覧 Outages: {record.name}",
            ["\n".join(filter(None, [column.ja, column.en, column.unit])) for column in columns],
            [[column.text(row, "ja").replace(" / ", "\n") for column in columns] for row in rows],
            note="時刻は日本標準時(JST)。位置・無線・車両状態は最初の不達の直前 as just before the first failure。"
            "全項目は --json all columns with --json",
        )
