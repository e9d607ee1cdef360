"""`jissho exclusion`: intervals that a run's figures leave out, with who, when and why."""

from __future__ import annotations

from datetime import datetime

from cyclopts import App

from jissho.output import print_json, print_table
from jissho.settings import Settings, database
from jissho.times import utc

app = App(
    name="exclusion", help="Exclusions (除外区間): left out of the figures, never deleted, stated with and without."
)


@app.command
def add(run: str, *, start: datetime, end: datetime, reason: str, by: str, link: str = "") -> None:
    """Leave an interval out of a run's figures; the figures then state both values.

    Parameters
    ----------
    run
        Name or number of the run.
    start
        Start of the interval (UTC unless it has an offset, e.g. 2026-11-23T10:00:00+09:00).
    end
        End of the interval.
    reason
        Why: what a reader of the report may ask.
    by
        Who decided it (an id or a role).
    link
        Only this link.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.exclusions import exclude  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        record = get_run(connection, run)
        made = exclude(
            connection, record, started_at=utc(start), ended_at=utc(end), reason=reason, excluded_by=by, link=link
        )
    seconds = (made.ended_at - made.started_at).total_seconds()
    print(f"exclusion {made.exclusion_id}: {seconds:g} s of run {record.name} are left out; both values are stated")


@app.command
def revoke(run: str, number: int, *, by: str, reason: str) -> None:
    """Take an exclusion back; it stays in the list.

    Parameters
    ----------
    run
        Name or number of the run.
    number
        Number of the exclusion.
    by
        Who decided it (an id or a role).
    reason
        Why.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.exclusions import revoke as take_back  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        record = get_run(connection, run)
        take_back(connection, record, number, revoked_by=by, reason=reason)
    print(f"exclusion {number} of run {record.name} no longer holds; it stays in the list")


@app.command(name="list")
def list_(run: str, *, json: bool = False) -> None:
    """List the exclusions of a run, revoked ones too."""
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.exclusions import list_exclusions  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        record = get_run(connection, run)
        found = list_exclusions(connection, record)
    if json:
        print_json(found)
        return
    if not found:
        print(f"run {record.name} has no exclusions")
        return
    print_table(
        f"除外区間 Exclusions: {record.name}",
        ["No.", "回線 Link", "開始 Start", "終了 End", "理由 Reason", "決定者 By", "決定日時 At", "取消 Revoked"],
        [
            (
                each.exclusion_id, each.link or "すべて all", each.started_at, each.ended_at, each.reason,
                each.excluded_by, each.excluded_at,
                "" if each.revoked_at is None else f"{each.revoked_by}: {each.revoke_reason or '-'}",
            )
            for each in found
        ],
    )  # fmt: skip
