"""`jissho run`: the run register."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from jissho.output import print_json, print_table
from jissho.settings import Settings, database
from jissho.times import utc

app = App(name="run", help="Runs (走行・測定): named intervals with their conditions.")

if TYPE_CHECKING:
    from storage.runs import RunRecord

Names = Annotated[list[str], Parameter(negative=())]


@app.command
def start(
    name: str,
    *,
    site: str,
    device: Names = [],  # noqa: B006 - never changed; the command line needs a plain default
    link: Names = [],  # noqa: B006
    purpose: str = "",
    weather: str = "",
    note: str = "",
    tag: Names = [],  # noqa: B006
    evidence: Annotated[bool, Parameter(negative=())] = False,
    at: datetime | None = None,
) -> None:
    """Begin a run now, or at a given time.

    Parameters
    ----------
    name
        Short name: lower-case letters, digits, '-' and '_'.
    site
        Site (拠点) at which it takes place.
    device
        Device; may be given several times; none means all of the site.
    link
        Link; may be given several times; none means all.
    purpose
        What is to be verified (検証項目).
    weather
        Weather and temperature.
    note
        Anything else a reader of the report should know.
    tag
        Condition to filter and group by, e.g. weekday, snow, impairment.
    evidence
        Keep its raw samples whatever the retention (証跡); `jissho run evidence` marks it later.
    at
        Time of the start (UTC unless it has an offset), if not now.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.runs import start_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        run = start_run(
            connection,
            name=name,
            site=site,
            devices=device,
            links=link,
            started_at=utc(at),
            purpose=purpose,
            weather=weather,
            note=note,
            tags=tag,
            evidence=evidence,
        )
    print(f"run {run.name} started; end it with `jissho run stop {run.name}`")


@app.command
def stop(name: str, *, at: datetime | None = None) -> None:
    """End a run now, or at a given time."""
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.runs import stop_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        run = stop_run(connection, name, ended_at=utc(at))
    print(f"run {run.name} ended; see `jissho kpi {run.name}` and `jissho export {run.name}`")


@app.command
def evidence(name: str, *, off: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Keep the raw samples of a run whatever the retention (証跡).

    Parameters
    ----------
    name
        Name or number of the run.
    off
        Treat them as any other again.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.runs import mark_evidence  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        run = mark_evidence(connection, name, is_evidence=not off)
    kept = "are kept whatever the retention" if run.evidence else "go with the retention, as any other"
    print(f"run {run.name}: its raw samples {kept}")


@app.command
def pair(
    baseline: str,
    changed: str,
    *,
    as_: Annotated[str, Parameter(name="--as")],
    condition: str = "",
    link: str = "",
    other_link: str = "",
    by: str = "",
) -> None:
    """Pair two runs that differ in one thing; compare them with `jissho compare NAME`.

    Further runs paired under the same name are repetitions of the same change, and are compared together.

    Parameters
    ----------
    baseline
        Name or number of the run before the change (A).
    changed
        Name or number of the run with the change (B); the same run for two links of it.
    as_
        Name of the pair: lower-case letters, digits, '-' and '_'.
    condition
        What differs, e.g. "AI なし/あり", an antenna, an operator.
    link
        Only this link of the baseline; none means every link that both have.
    other_link
        Link of the changed run, if it is another one.
    by
        Who decided it (an id or a role).

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.pairs import list_pairs, pair_runs  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        made = pair_runs(
            connection, as_, get_run(connection, baseline), get_run(connection, changed), condition=condition,
            link=link, other_link=other_link, paired_by=by,
        )  # fmt: skip
        repetitions = len(list_pairs(connection, as_, revoked=False))
    print(
        f"pair {made.name} (number {made.pair_id}, repetition {repetitions}): {made.baseline} → {made.changed};"
        f" compare with `jissho compare {made.name}`"
    )


@app.command
def unpair(number: int, *, by: str, reason: str) -> None:
    """Take a pair back; it stays in the list.

    Parameters
    ----------
    number
        Number of the pair (`jissho run pairs`).
    by
        Who decided it (an id or a role).
    reason
        Why.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.pairs import unpair as take_back  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        taken_back = take_back(connection, number, revoked_by=by, reason=reason)
    print(f"pair {taken_back.name} (number {number}) no longer holds; it stays in the list")


@app.command
def pairs(name: str = "", *, json: bool = False) -> None:
    """List the pairs of runs, those taken back too.

    Parameters
    ----------
    name
        Only the pair of this name.
    json
        Print one JSON object a pair.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.pairs import list_pairs  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        found = list_pairs(connection, name)
    if json:
        print_json(found)
        return
    if not found:
        print("no pairs yet: `jissho run pair BASELINE CHANGED --as NAME`")
        return
    print_table(
        "比較の組 Pairs",
        ["No.", "組 Pair", "条件 Condition", "基準 Baseline", "変更後 Changed", "回線 Link", "登録 Made",
         "取消 Revoked"],
        [
            (
                each.pair_id, each.name, each.condition, each.baseline, each.changed,
                " → ".join(filter(None, [each.link, each.other_link])) or "すべて all", each.paired_at,
                "" if each.revoked_at is None else f"{each.revoked_by}: {each.revoke_reason or '-'}",
            )
            for each in found
        ],
    )  # fmt: skip


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the runs, latest first."""
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.runs import list_runs  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        runs = list_runs(connection)
    if json:
        print_json(runs)
        return
    if not runs:
        print("no runs yet: `jissho run start NAME --site SITE`, or `jissho demo`")
        return
    print_table(
        "走行・測定一覧 Runs",
        ["No.", "走行 Run", "拠点 Site", "開始 Start", "終了 End", "証跡 Evidence", "天候 Weather", "備考 Note"],
        [
            (run.run_id, run.name, run.site, run.started_at, run.ended_at, _evidence_text(run), run.weather, run.note)
            for run in runs
        ],
    )


@app.command
def show(name: str, *, json: bool = False) -> None:
    """Show one run, by name or number."""
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        run = get_run(connection, name)
    if json:
        print_json([run])
        return
    labels = {
        "走行 Run": run.name,
        "拠点 Site": run.site,
        "測定端末 Devices": run.devices or "すべて all",
        "回線 Links": run.links or "すべて all",
        "開始 Start": run.started_at,
        "終了 End": run.ended_at,
        "目的 Purpose": run.purpose,
        "天候 Weather": run.weather,
        "備考 Note": run.note,
        "条件 Tags": run.tags,
        "証跡 Evidence": _evidence_text(run),
    }
    print_table(f"No. {run.run_id}", ["項目 Item", "内容 Content"], labels.items())


def _evidence_text(run: RunRecord) -> str | None:
    return "保存 kept" if run.evidence else None
