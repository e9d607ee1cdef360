"""What the KPI tests share: known-answer vectors, and probes built from a few lists."""

import json

import pytest


@pytest.fixture(scope="session")
def vectors(test_data):
    """Known answers of the standards (RFC 2330, 3357, 3550, 5481, 7680, TS 22.104) and of statistics."""
    path = test_data / "rfc_vectors" / "vectors.json"
    if not path.is_file():
        pytest.skip(f"{path} not found: known answers of the standards are not tested")
    return json.loads(path.read_text())
