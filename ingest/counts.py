"""What an ingest service did since it started, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from storage.writer import CommitOutcome


@dataclass(slots=True)
class IngestCounts:
    """Sums of everything committed; `overflowed` are messages left to be sent again."""

    messages: int = 0
    batches: int = 0
    rows: int = 0
    duplicates: int = 0
    refused: int = 0
    overflowed: int = 0
    commits: int = 0
    commit_s: float = 0.0

    def add(self, outcome: CommitOutcome, messages: int, took_s: float) -> None:
        """Add one transaction."""
        self.messages += messages
        self.batches += len(outcome.committed)
        self.rows += outcome.rows
        self.duplicates += len(outcome.duplicates)
        self.refused += len(outcome.refused)
        self.commits += 1
        self.commit_s += took_s
