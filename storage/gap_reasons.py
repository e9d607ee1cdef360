"""The table of reasons: why something that a run should have is not there, how that is known, and what to do.

Here and not in analytics: the evidence (ledger, batches, life signs) is storage's, and storage may not look up. What
is above (command line, API, workbook) takes the labels from this table or is given them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReasonId = Literal["link_down", "agent_down", "in_outbox", "dropped", "damaged", "quarantined", "unreachable", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapReason:
    """One reason. `is_alarm`: nothing explains it, so somebody must look."""

    id: ReasonId
    ja: str
    en: str
    known_ja: str
    known_en: str
    todo_ja: str
    todo_en: str
    is_alarm: bool = False


REASONS: dict[str, GapReason] = {
    reason.id: reason
    for reason in (
        GapReason(
            id="link_down",
            ja="回線断",
            en="Link down",
            known_ja="端末は動いていた。区間測定が source.failed で止まった、またはデータが後からまとめて届いた",
            known_en="The device lived: probing stopped with source.failed, or the data came later, as a backlog",
            todo_ja="回線を調べる。後から届いたデータに欠けはない",
            todo_en="Look at the link. Data that came later are complete",
        ),
        GapReason(
            id="agent_down",
            ja="収集停止",
            en="Collection stopped",
            known_ja="番号に欠けがなくデータもない(停止の通知、再起動、測定の開始前と終了後)",
            known_en="No number is missing and there is no sample: offline, restart, before start, after the end",
            todo_ja="端末の電源、collect の動作、source の設定を調べる。測定していない時間であり、復元できない",
            todo_en="Check power, `jissho collect` and its sources. Not measured: nothing can bring it back",
        ),
        GapReason(
            id="in_outbox",
            ja="送信待ち",
            en="Waiting in the outbox",
            known_ja="端末が取得を告げ、まだ届いていない番号",
            known_en="Numbers that the device has announced and that have not arrived",
            todo_ja="接続して待つ。急ぐときは jissho outbox export で運ぶ",
            todo_en="Connect and wait, or carry it: jissho outbox export",
        ),
        GapReason(
            id="dropped",
            ja="上限による破棄",
            en="Dropped by quota",
            known_ja="端末の事象 outbox.dropped が番号を挙げている",
            known_en="The device's event outbox.dropped names the numbers",
            todo_ja="[outbox] max_bytes を増やす。失われたデータは戻らない",
            todo_en="Raise [outbox] max_bytes. The data are gone",
        ),
        GapReason(
            id="damaged",
            ja="記録の損傷",
            en="Damaged on the device",
            known_ja="端末の事象 outbox.dropped が、記録が損傷した番号(reason = damaged)を挙げている",
            known_en="The device's event outbox.dropped names the numbers with the reason damaged",
            todo_ja="端末のディスクを調べて交換する。失われたデータは戻らない",
            todo_en="Check the device's disk, replace it. The data are gone",
        ),
        GapReason(
            id="quarantined",
            ja="隔離",
            en="In quarantine",
            known_ja="届いたが規約に合わず、台帳が隔離とする番号",
            known_en="Arrived, broke the contract, and is marked so in the ledger",
            todo_ja="jissho quarantine list で理由を見て、直してから replay する",
            todo_en="See why with jissho quarantine list, then replay",
        ),
        GapReason(
            id="unreachable",
            ja="音信不通",
            en="Not heard from",
            known_ja="最後の通信の後、端末が戻っていない。測定しているかは戻るまで分からない",
            known_en="The device has not come back since its last sign; whether it measures is known when it does",
            todo_ja="端末との接続を回復する",
            todo_en="Bring the device back",
        ),
        GapReason(
            id="lost",
            ja="欠落",
            en="Lost, unexplained",
            known_ja="欠けた番号、または動いている端末のデータのない時間で、どの記録でも説明できない",
            known_en="A missing number, or time without samples on a living device, that no record explains",
            todo_ja="異常。端末の記録(jissho outbox status)とログを調べる",
            todo_en="Alarm: look at jissho outbox status on the device and at the logs",
            is_alarm=True,
        ),
    )
}
"""Reasons by id, in the order in which they are shown."""


def label(reason: str) -> str:
    """Return both names, as terminals show them."""
    return f"{REASONS[reason].ja} {REASONS[reason].en}"


def reasons_md() -> str:
    """Return the text of `docs/gaps.md`."""
    rows = "".join(
        f"| `{each.id}` | {each.ja} | {each.en} | {each.known_ja} / {each.known_en} "
        f"| {each.todo_ja} / {each.todo_en} |\n"
        for each in REASONS.values()
    )
    return f"{_HEAD}{rows}"


_HEAD = """# Why data are missing (欠測の理由)

<!-- Rendered from storage/gap_reasons.py by `make docs`. Do not edit. -->

`jissho completeness RUN`, `GET /v1/runs/{run}/completeness` and the workbook's sheet 完全性 give three lists:

* **Missing batches** by number. Every number that is not in the database stands in exactly one range with one reason.
  Ranges at the edge of a run (before its first or after its last batch) may belong to it and are marked so; they are
  not counted in `missing`.
* **Time without samples** of each link's probes and each device's host samples, in whole seconds. Every second of the
  run is either covered or in exactly one interval with one reason. A pause shorter than three sampling intervals
  (twenty for probes, whose gaps may be exponential) and of at most two seconds is no gap.
* **Late data** (回線断, restored): what was measured in time and came later. Nothing of it is missing.

A reason is what the records prove, in the order of this table's evidence: numbers first, then the states that the
device announced, then its events, then its silence. What nothing explains is `lost`.

| id | 理由 | reason | 根拠 how it is known | 対処 what to do |
|---|---|---|---|---|
"""
