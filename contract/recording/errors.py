"""What can be wrong with a recorded file or with the profile that should read it."""

from __future__ import annotations

from typing import NamedTuple


class ProfileError(ValueError):
    """Raised for a profile or option that cannot work; the message names the file and the key."""


class RecordingError(ValueError):
    """Raised when a file as a whole cannot be read with its profile; the message names the file and the remedy."""


class Unreadable(NamedTuple):
    """One row that could not become a sample. `line` counts from 1 (of a Parquet file: the row)."""

    line: int
    reason: str
    text: str
