"""What must hold after every fault, checked against what the outbox made durable (peers' promises broke at these).

1. Every batch that the outbox made durable is in the database exactly once, or in quarantine, or named as dropped.
2. Nothing left the outbox without its commit: what is gone from it is committed, quarantined or dropped.
3. The numbers of an epoch have no hole.
4. The stored samples are the produced ones: count and sum of each batch.
5. Rows and the batch table agree: no orphan, no half batch.
6. The batch table and the ledger agree.
7. The line drains by itself: nobody deletes or repairs anything by hand.
8. What was dropped, by quota or as damaged, is counted and named in an event.
9. Nothing is in quarantine but what was broken on purpose, and it is there whole.
10. No row is there twice.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from storage.connect import connect
from tests.e2e.faults.stage import Stage, wait_until


class BrokenPromiseError(AssertionError):
    """Raised when an invariant does not hold; the message names it and the batches."""


@dataclass
class Proof:
    """Checks a stage again and again, and remembers what was broken on purpose."""

    stage: Stage
    expected_quarantine: int = 0
    may_be_quarantined: set[tuple[str, int]] = field(default_factory=set)
    """Batches that a fault broke: they may be in quarantine instead."""
    rewound: set[str] = field(default_factory=set)
    """Epochs whose numbers were given twice, by a clone or by a disk that forgot what it had promised. A receipt cannot
    tell the two apart, so not everything can be saved; it must be noticed, and whatever is stored must be right."""
    dropped_ever: set[tuple[str, int]] = field(default_factory=set)
    """What outboxes named as dropped, those that have been replaced since too."""
    batches: int = 0
    rows: int = 0
    dropped: int = 0

    def check(self) -> None:
        """Wait until what was taken by now is through; check it all. Raises BrokenPromiseError, TimeoutError."""
        stage = self.stage
        size = stage.log.stat().st_size
        wait_until(lambda: stage.log.stat().st_size > size, "the collector measures on")
        wait_until(
            lambda: stage.outbox_rows("SELECT count(*) FROM dropped WHERE event_seq IS NULL")[0][0] == 0,
            "what was dropped is told",
        )
        epoch, taken = stage.taken()
        wait_until(lambda: stage.waiting(taken) == 0, f"batches up to {taken} have their receipts")
        truth = _read_log(stage.log)
        dropped = {
            seq
            for first, last in stage.outbox_rows("SELECT first_seq, last_seq FROM dropped")
            for seq in range(int(first), int(last) + 1)
        }
        with connect(stage.database_url) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            stored = {
                (row[0], row[1]): (row[2], row[3])
                for row in connection.execute(
                    "SELECT epoch, seq, n, batch_id FROM batch JOIN ledger USING (epoch_id) WHERE stream = 'metric'"
                )
            }
            found = {
                row[0]: (row[1], row[2])
                for row in connection.execute("SELECT batch_id, count(*), sum(value) FROM metric GROUP BY batch_id")
            }
            held = {
                (row[0], row[1])
                for row in connection.execute("SELECT epoch, seq FROM quarantine WHERE seq IS NOT NULL")
            }
            ledger = connection.execute(
                "SELECT epoch, lower(r), upper(r) - 1 FROM ledger, unnest(committed + quarantined) AS r ORDER BY 1, 2"
            ).fetchall()
            quarantined = connection.execute("SELECT count(*) FROM quarantine").fetchone()
            orphans = connection.execute(
                "SELECT count(*) FROM metric AS m WHERE NOT EXISTS (SELECT FROM batch WHERE batch_id = m.batch_id)"
            ).fetchone()
            events = connection.execute("SELECT detail FROM event WHERE name = 'outbox.dropped'").fetchall()
        self.dropped_ever |= {(epoch, seq) for seq in dropped}
        self._one_by_one(truth, stored, found, held, (epoch, taken))
        self._no_holes(ledger, epoch, taken, dropped)
        if orphans != (0,):
            raise BrokenPromiseError(f"5: {orphans} rows without a batch")
        named = {seq for (detail,) in events for seq in range(detail["first_seq"], detail["last_seq"] + 1)}
        if not dropped <= named:
            raise BrokenPromiseError(f"8: dropped without an event: {sorted(dropped - named)[:10]}")
        if quarantined is None or quarantined[0] > self.expected_quarantine:
            raise BrokenPromiseError(
                f"9: {quarantined} in quarantine, {self.expected_quarantine} were broken on purpose"
            )
        self.batches, self.rows, self.dropped = len(stored), sum(n for n, _ in found.values()), len(self.dropped_ever)

    def _one_by_one(
        self, truth: dict[tuple[str, int], list[tuple[int, float]]], stored: dict[tuple[str, int], tuple[int, int]],
        found: dict[int, tuple[int, float]], held: set[tuple[str, int]], now: tuple[str, int],
    ) -> None:  # fmt: skip
        for key, versions in truth.items():
            if key[0] == now[0] and key[1] > now[1]:
                continue  # taken after the check began
            is_rewound = key[0] in self.rewound
            if len(versions) > 1 and not is_rewound:
                raise BrokenPromiseError(f"3: number {key} was given twice")
            if key not in stored:
                if is_rewound:
                    continue
                if key not in self.dropped_ever and key not in held and key not in self.may_be_quarantined:
                    raise BrokenPromiseError(f"1: batch {key} was made durable and is nowhere")
                continue
            n, batch_id = stored[key]
            if found.get(batch_id) not in [(count, float(total)) for count, total in versions] and not is_rewound:
                raise BrokenPromiseError(f"4: batch {key} holds {found.get(batch_id)}, the outbox took {versions}")
            if n != found[batch_id][0]:
                raise BrokenPromiseError(f"5: batch {key} says {n} rows and has {found[batch_id][0]}")

    def _no_holes(self, ledger: list[tuple[str, int, int]], epoch: str, taken: int, dropped: set[int]) -> None:
        covered: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for life, low, high in ledger:
            covered[life].append((low, high))
        if epoch in self.rewound:
            return
        have = {seq for low, high in covered[epoch] for seq in range(low, high + 1)}
        missing = [seq for seq in range(1, taken + 1) if seq not in have and seq not in dropped]
        if missing:
            raise BrokenPromiseError(f"3: holes in epoch {epoch}: {missing[:10]}")


def _read_log(path: Path) -> dict[tuple[str, int], list[tuple[int, float]]]:
    """Return what the outbox took: (epoch, seq) to samples and sum, metric batches only."""
    truth: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
    for line in path.read_text(encoding="ascii").splitlines():
        epoch, seq, n, total = line.split()
        if float(total):
            truth[epoch, int(seq)].append((int(n), float(total)))
    return truth
