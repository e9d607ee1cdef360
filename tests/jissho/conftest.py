"""What all tests of the command line start from."""

import pytest

from tests.jissho.shell import Shell


@pytest.fixture
def jissho(db, tmp_path):
    """The command line on this test's database."""
    return Shell(db.url, tmp_path)
