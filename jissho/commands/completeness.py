"""`jissho completeness`: what was measured against what is in the database."""

from __future__ import annotations

from jissho.output import print_json, print_table
from jissho.settings import Settings, database


def completeness(run: str, *, json: bool = False) -> None:
    """Say for each outbox life of a run how many batches it took, and where they are.

    Parameters
    ----------
    run
        Name or number of the run.
    json
        Print one JSON object.

    """
    from storage.completeness import run_completeness  # noqa: PLC0415 - commands load what they need
    from storage.connect import connect  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        found = run_completeness(connection, get_run(connection, run))
    if json:
        print_json([found])
        return
    ratio = "測定データなし no data" if found.ratio is None else f"{found.ratio:.4%}"
    print_table(
        f"完全性 Completeness: {found.run}: {ratio}",
        ["端末 Device", "世代 Epoch", "最初 First", "最後 Last", "測定 Taken", "確定 Committed", "隔離 Quarantined",
         "欠番 Missing", "未着 Pending", "行 Rows"],
        [
            (e.device, e.epoch[:12], e.first_seq, e.last_seq, e.taken, e.committed, e.quarantined,
             ", ".join(f"{a}-{b}" for a, b in e.missing_ranges) or 0, e.pending, e.rows)
            for e in found.epochs
        ],
        note="数はバッチ(まとめて送る単位) counts are batches; 未着 pending: 端末が持つ分 still with the device",
    )  # fmt: skip
    if found.foreign_rows:
        print(f"他社機器 foreign devices: {found.foreign_rows} rows, not in the proof 番号がなく証明の対象外")
