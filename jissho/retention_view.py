"""What retention did and will do, as tables for a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jissho.output import print_json, print_table
from jissho.state_view import size_text

if TYPE_CHECKING:
    from storage.retention import StreamDeletion
    from storage.retention_policy import Policy


def print_policies(policies: Sequence[Policy], *, json: bool) -> None:
    """Print how long what is kept."""
    if json:
        print_json(policies)
    elif not policies:
        print("no policy: raw samples are kept for ever; `jissho db retention --policy 365d` changes that")
    else:
        print_table(
            "保存期間 Retention",
            ["Stream", "保存期間 Kept for", "設定 Set", "前回の適用 Applied"],
            [(p.stream or "すべて all", _age_text(p), p.set_at, p.applied_at) for p in policies],
            note="取込が1日1回適用 ingest applies it once a day; 証跡の走行は対象外 runs that are evidence stay",
        )


def print_deletions(deletions: Sequence[StreamDeletion], *, is_dry_run: bool, json: bool) -> None:
    """Print what was deleted, or what would be."""
    if json:
        print_json(deletions)
        return
    some = [d for d in deletions if d.rows or d.kept_rows or d.busy]
    if not some:
        print("nothing to delete" if deletions else "no policy: say how old with --older-than, e.g. 180d")
        return
    print_table(
        "削除の試算 Would be deleted" if is_dry_run else "削除 Deleted",
        ["Stream", "より前 Before", "行 Rows", "証跡 Kept as evidence", "チャンク Whole chunks", "解放 Freed",
         "再利用 Reusable", "使用中 Busy"],
        [
            (d.stream, d.before, d.rows, d.kept_rows, d.chunks, size_text(d.freed_bytes),
             f"約{size_text(d.reusable_bytes)}", d.busy)
            for d in some
        ],
        note="使用中は次回 busy chunks are left for the next time" if any(d.busy for d in some) else "",
    )  # fmt: skip


def _age_text(policy: Policy) -> str:
    hours = policy.older_than.total_seconds() / 3600
    return f"{hours:.6g} h" if hours % 24 else f"{hours / 24:.6g} d"
