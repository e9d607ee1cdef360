"""The one door: a recorded file and its profile in, samples out. Replay and import both come through here."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path

from contract.recording.errors import RecordingError, Unreadable
from contract.recording.files import csv_rows, parquet_rows, session_of, sha256_of
from contract.recording.ping_rows import read_ping
from contract.recording.profile import Profile, load_profile
from contract.recording.table import OnUnreadable, RecordedSample, read_table


def read_recording(
    path: str | Path,
    profile: Profile | str | Path,
    options: Mapping[str, str] | None = None,
    *,
    on_unreadable: OnUnreadable | None = None,
) -> Generator[RecordedSample, None, None]:
    """Yield the samples of a recorded file, read by `profile` (or the name or path of one, with `options`).

    Bounded memory for tables without `sort_by`; a sorted table and a ping log (about 150 bytes an answer) are held.
    Rows that cannot be read go to `on_unreadable`, or raise RecordingError where there is none. Raises ProfileError,
    RecordingError, and OSError for a file that is not there.
    """
    path = Path(path)
    if not isinstance(profile, Profile):
        profile = load_profile(profile, options)
    elif options:
        raise TypeError("options belong to load_profile where the profile is loaded already")
    return _read(path, profile, on_unreadable or partial(_refuse, path))


def _read(path: Path, profile: Profile, on_unreadable: OnUnreadable) -> Generator[RecordedSample, None, None]:
    if profile.format == "ping":
        yield from read_ping(path, profile, sha256_of(path))
        return
    assert profile.time is not None
    session = 0
    if any(rule.number == "content" for rule in profile.columns.values()):
        session = session_of(sha256_of(path))
    if profile.format == "csv":
        yield from read_table(profile, partial(csv_rows, path, profile.csv), session, on_unreadable)
    else:
        yield from read_table(profile, partial(parquet_rows, path, profile.time), session, on_unreadable)


def _refuse(path: Path, row: Unreadable) -> None:
    raise RecordingError(f"{path.name}, line {row.line}: {row.reason}: {row.text!r}")
