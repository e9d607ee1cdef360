"""Recorded files to samples: mapping profiles for tables (CSV, Parquet) and a reader for the printed output of ping."""

from contract.recording.errors import ProfileError, RecordingError, Unreadable
from contract.recording.profile import Profile, load_profile, shipped_profiles
from contract.recording.reader import read_recording
from contract.recording.table import RecordedSample

__all__ = [
    "Profile",
    "ProfileError",
    "RecordedSample",
    "RecordingError",
    "Unreadable",
    "load_profile",
    "read_recording",
    "shipped_profiles",
]
