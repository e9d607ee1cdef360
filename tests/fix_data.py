"""Real measurements for tests: read where they lie, never copied; absent means one skipped line."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the real measurements (JISSHO_TEST_DATA, else ../shared/data beside the checkout)."""
    named = os.environ.get("JISSHO_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real measurements not found: set JISSHO_TEST_DATA to their folder")
    return folder
