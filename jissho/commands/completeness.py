"""`jissho completeness`: what was measured against what is in the database."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jissho.output import print_json, print_table, text
from jissho.settings import Settings, database

if TYPE_CHECKING:
    from storage.explain import ExplainedCompleteness

_SHOWN = 50


def completeness(run: str, *, json: bool = False) -> None:
    """Say for each outbox life of a run how many batches it took and where they are, and explain every gap.

    Parameters
    ----------
    run
        Name or number of the run.
    json
        Print one JSON object.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.explain import explained_completeness  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        found = explained_completeness(connection, get_run(connection, run))
    if json:
        print_json([found])
        return
    ratio = "測定データなし no data" if found.ratio is None else f"{found.ratio:.4%}"
    print_table(
        f"完全性 Completeness: {found.run}: {ratio}",
        ["端末 Device", "世代 Epoch", "最初 First", "最後 Last", "測定 Taken", "確定 Committed", "隔離 Quarantined",
         "欠番 Missing", "未着 Pending", "行 Rows", *(["削除 Deleted"] if found.deleted else [])],
        [
            (e.device, e.epoch[:12], e.first_seq, e.last_seq, e.taken, e.committed, e.quarantined,
             ", ".join(f"{a}-{b}" for a, b in e.missing_ranges) or 0, e.pending, e.rows,
             *([e.deleted] if found.deleted else []))
            for e in found.epochs
        ],
        note="数はバッチ(まとめて送る単位) counts are batches; 未着 pending: 端末が持つ分 still with the device"
        + ("; 削除 deleted: 保存期間の経過による by retention" if found.deleted else ""),
    )  # fmt: skip
    if found.foreign_rows:
        print(f"他社機器 foreign devices: {found.foreign_rows} rows, not in the proof 番号がなく証明の対象外")
    _print_gaps(found)


def _print_gaps(found: ExplainedCompleteness) -> None:
    from storage.gap_reasons import REASONS, label  # noqa: PLC0415 - commands load what they need

    if found.batch_gaps:
        print_table(
            "登録されていない番号 Missing batches",
            [
                "端末 Device",
                "世代 Epoch",
                "番号 Numbers",
                "バッチ Batches",
                "理由 Reason",
                "測定の時間 Measured between",
            ],
            [
                (
                    gap.device,
                    gap.epoch[:12],
                    f"{gap.first_seq}-{gap.last_seq}",
                    gap.batches,
                    label(gap.reason) + (" *" if gap.edge else ""),
                    f"{_clock(gap.after)} - {_clock(gap.before)}",
                )
                for gap in found.batch_gaps[:_SHOWN]
            ],
            note=_more(len(found.batch_gaps)) + "* 測定の前後にあり、含まれない場合がある may lie outside the run",
        )
    if found.time_gaps:
        print_table(
            "データのない時間 Time without samples",
            ["端末 Device", "回線 Link", "ストリーム Stream", "開始 Start", "終了 End", "秒 Seconds", "理由 Reason"],
            [
                (gap.device, gap.link, gap.stream, gap.start, gap.end, gap.duration_s, label(gap.reason))
                for gap in found.time_gaps[:_SHOWN]
            ],
            note=_more(len(found.time_gaps)),
        )
    if found.late:
        print_table(
            "後から届いたデータ(欠けなし) Late data, nothing missing",
            [
                "端末 Device",
                "開始 Start",
                "終了 End",
                "秒 Seconds",
                "バッチ Batches",
                "最大遅れ Latest s",
                "理由 Reason",
            ],
            [
                (each.device, each.start, each.end, each.duration_s, each.batches, each.latest_s, label(each.reason))
                for each in found.late[:_SHOWN]
            ],
            note=_more(len(found.late)),
        )
    present = {gap.reason for gap in found.batch_gaps} | {gap.reason for gap in found.time_gaps}
    for reason in REASONS.values():
        if reason.id in present:
            print(f"{reason.ja} {reason.en}: {reason.todo_ja} / {reason.todo_en}")


def _clock(instant: datetime | None) -> str:
    return "?" if instant is None else text(instant)


def _more(rows: int) -> str:
    return f"他{rows - _SHOWN}件は --json で {rows - _SHOWN} more with --json; " if rows > _SHOWN else ""
