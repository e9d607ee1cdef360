"""`jissho profile`: the requirement profiles that come with jissho, and what one requires."""

from __future__ import annotations

from cyclopts import App

from jissho.output import print_json, print_table

app = App(name="profile", help="Requirement profiles (要求値): list the shipped examples, show or check one.")


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the profiles that come with jissho: examples, each to be confirmed.

    Parameters
    ----------
    json
        Print one JSON object a profile.

    """
    from analytics.requirements import load_requirements, shipped_profiles  # noqa: PLC0415 - commands load what they need

    profiles = [load_requirements(name) for name in shipped_profiles()]
    if json:
        print_json(
            {"name": each.name, "ja": each.ja, "en": each.en, "status": each.status,
             "requirements": len(each.requirement)}
            for each in profiles
        )  # fmt: skip
        return
    print_table(
        "要求値の例 Shipped requirement profiles",
        ["名前 Name", "内容", "Content", "状態 Status", "要求 Requirements"],
        [(each.name, each.ja, each.en, each.status, len(each.requirement)) for each in profiles],
        note="値は例示であり、出典を確認のうえ用いる: copy a file, confirm its values, give it by --profile FILE",
    )


@app.command
def show(profile: str, *, json: bool = False) -> None:
    """Show what a profile requires, each value with its source (出典); a file of your own is checked on the way.

    Parameters
    ----------
    profile
        A shipped name or a TOML file.
    json
        Print the profile as one JSON object.

    """
    from analytics.definitions import BY_ID  # noqa: PLC0415
    from analytics.requirements import load_requirements  # noqa: PLC0415

    found = load_requirements(profile)
    if json:
        print_json([found])
        return
    signs = {"smaller": "≦", "larger": "≧"}
    print_table(
        f"{found.ja} {found.en} [{found.name}] {found.status}",
        ["指標 KPI", "方向 Dir.", "回線 Link", "統計量 Stat.", "所要値 Limit", "単位 Unit", "出典 Source", "注 Note"],
        [
            (
                BY_ID[each.kpi].name_ja, each.direction or "すべて all", each.link, each.statistic,
                f"{signs[BY_ID[each.kpi].better]}{each.limit:.10g}",
                "-" if BY_ID[each.kpi].unit == "1" else BY_ID[each.kpi].unit, each.source, each.note,
            )
            for each in found.requirement
        ],
    )  # fmt: skip
