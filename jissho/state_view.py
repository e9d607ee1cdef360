"""The state of the database as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jissho.output import print_table

if TYPE_CHECKING:
    from storage.status import DatabaseState, LifeGaps, StreamState

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
_RANGES_IN_TABLE = 5


def size_text(count_bytes: int | None) -> str | None:
    """Return a size as people read it, in decimal units."""
    if count_bytes is None:
        return None
    size = float(count_bytes)
    for unit in _UNITS:
        if size < _STEP or unit == _UNITS[-1]:
            break
        size /= _STEP
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _compression_text(stream: StreamState) -> str | None:
    if stream.compression_ratio is None:
        return None
    before, after = size_text(stream.columnstore_before_bytes), size_text(stream.columnstore_after_bytes)
    return f"{before} → {after} ({stream.compression_ratio:.1f}:1)"


def ranges_text(life: LifeGaps) -> str | None:
    """Return the missing batches of an outbox life, the first few by number."""
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in life.missing_ranges]
    if not shown:
        return None
    return ", ".join(shown[:_RANGES_IN_TABLE]) + (", ..." if len(shown) > _RANGES_IN_TABLE else "")


def print_state(state: DatabaseState) -> None:
    """Print the state; what there is nothing to say about is left out."""
    mode = f"TimescaleDB {state.timescale}" if state.mode == "timescale" else state.mode or "not migrated"
    print(f"{state.server}, {mode}, {size_text(state.bytes)}")
    schema = f"schema: {len(state.applied)} migrations applied"
    print(
        f"{schema}, {len(state.pending)} pending: `jissho db migrate`" if state.pending else f"{schema}, none pending"
    )
    if state.disk_free_bytes is not None:
        print(f"disk: {size_text(state.disk_free_bytes)} left for the embedded server")
    if state.pending:
        return
    print_table(
        "データ Streams",
        ["Stream", "内容 Content", "行 Rows", "容量 Size", "圧縮 Columnstore", "最古 Oldest", "最新 Latest"],
        [
            (name, s.label, s.rows, size_text(s.bytes), _compression_text(s), s.oldest, s.latest)
            for name, s in state.streams.items()
        ],
        note="行 rows: 受領記録から計算 by the batch register less retention, not counted",
    )
    if state.aggregates:
        print_table(
            "集計 Aggregates",
            ["Aggregate", "種類 Kind", "確定 Materialised to", "最新 Newest raw", "遅れ Lag (s)"],
            [(a.name, a.kind, a.newest, a.newest_raw, a.lag_s) for a in state.aggregates],
            note="遅れの分は読出時に計算 what lags is computed when it is read"
            if all(a.is_realtime for a in state.aggregates)
            else "",
        )
    # A job for each table and kind: only those that went wrong are worth a line each.
    failing = [job for job in state.jobs if job.failures or job.last_status not in {None, "Success"}]
    if failing:
        print_table(
            "失敗のあるジョブ Jobs with failures",
            ["No.", "Job", "対象 Target", "前回 Last", "成功 Last success", "次回 Next", "失敗 Failures"],
            [(j.job_id, j.job, j.target, j.last_status, j.last_success, j.next_start, j.failures) for j in failing],
        )
    elif state.jobs:
        print(f"jobs: {len(state.jobs)} background jobs, none failed")
    _print_lives(state)
    print(f"quarantine: {state.quarantine} payloads" + (": `jissho quarantine list`" if state.quarantine else ""))


def _print_lives(state: DatabaseState) -> None:
    # Every life that is whole says the same: those with a gap come one a line.
    gaps = [life for life in state.lives if life.missing or life.pending]
    committed = sum(life.committed for life in state.lives)
    if not gaps:
        print(f"gaps: none in {len(state.lives)} outbox lives, {committed} batches")
        return
    print_table(
        f"欠番 Gaps: {len(gaps)} of {len(state.lives)} outbox lives",
        ["拠点 Site", "端末 Device", "世代 Epoch", "測定 Taken", "確定 Committed", "隔離 Quarantined", "欠番 Missing",
         "範囲 Ranges", "未着 Pending", "最終受信 Last"],
        [
            (g.site, g.device, g.epoch[:12], g.taken, g.committed, g.quarantined, g.missing, ranges_text(g), g.pending,
             g.last_at)
            for g in gaps
        ],
        note="数はバッチ counts are batches; 端末に残っている可能性あり the device may still have them",
    )  # fmt: skip
