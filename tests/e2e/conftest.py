"""What all tests of the whole line start from."""

import pytest

from tests.e2e.line import Line


@pytest.fixture
def line(tmp_path, db, broker):
    """The line's processes, ended after the test."""
    running = Line(tmp_path, db, broker)
    yield running
    running.end_all()
