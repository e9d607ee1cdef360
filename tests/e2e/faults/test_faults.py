"""Thirty seeded faults strike the running line, one after the other; after each every promise holds."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.e2e.faults.driver import drive
from tests.fix_broker import find_mosquitto
from tests.fix_db import SERVERS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
SEED = 20_260_401


@pytest.mark.parametrize("server", SERVERS)
def test_thirty_faults_lose_nothing_and_double_nothing(server):
    """Collector, ingest, broker and database die or stall, links break, the disk fills, tears and lies."""
    if find_mosquitto() is None:
        pytest.skip("no mosquitto: apt install mosquitto")
    with tempfile.TemporaryDirectory(prefix="jissho-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        url = os.environ["JISSHO_TEST_TIMESCALE_URL"] if server == "timescale" else ""
        outcome = drive(folder, SEED, count=30, server_url=url)
        logs = "\n".join((folder / f"{who}.log").read_text(errors="replace")[-4000:] for who in ("collector", "ingest"))
    assert not outcome.failure, f"{outcome.failure}\n{logs}"
    assert outcome.survived.total() == 30
    assert outcome.rows > 0
