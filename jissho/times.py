"""Times that people give on the command line."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(at: datetime | None) -> datetime:
    """Return a time with its zone: what was given without one is UTC, and nothing is now."""
    if at is None:
        return datetime.now(tz=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
