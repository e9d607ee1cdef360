"""Probes over two impaired links while ingest is killed twice and the broker once: every batch counts once."""

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import pytest

from contract.streams import STREAMS
from jissho.demonstration.truth import agrees, compare
from simulators.impairment import load_profile
from simulators.udp_path import UdpPath
from storage.reader import link_ids, read_columns
from tests.e2e.line import DEVICE, SITE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SECONDS = 20
RATE_PPS = 200
ATTEMPTS = 3
LINKS = {"l5g": "local5g", "lte": "lte"}
ALL_TIME = {"start_us": 0, "end_us": 4_000_000_000_000_000}
STAMP = """
[[source]]
kind = "stamp"
link = "{link}"
target = "127.0.0.1:{port}"
rate_pps = {rate}
schedule = "periodic"
timeout_s = 2.0
"""


def probes(connection, link):
    """Return the packets sent on one link as plain arrays."""
    ids = link_ids(connection, SITE)
    names = ["session", "seq", "ul_us", "dl_us", "rtt_us", "copy", "lost"]
    columns = read_columns(connection, "probe", names, link_ids=[ids[DEVICE, link]], **ALL_TIME)
    sent = columns["copy"].values <= 1
    return {name: columns[name].values[sent] for name in names}


async def test_every_batch_is_committed_once_whatever_dies(line, db, tmp_path):
    """Two links at 200 packets/s for 20 s; ingest is killed twice, the broker once; nothing is lost or doubled."""
    line.start_reflector()
    line.start_ingest()
    truths = {link: tmp_path / f"truth-{link}.csv" for link in LINKS}
    paths = [
        UdpPath(load_profile(profile), ("127.0.0.1", line.reflector_port), truths[link], seed=7, link=link)
        for link, profile in LINKS.items()
    ]
    ports = {path.link: await path.start() for path in paths}
    began = datetime.now(tz=UTC)
    line.start_collect("".join(STAMP.format(link=link, port=port, rate=RATE_PPS) for link, port in ports.items()))
    start_s = time.monotonic()
    for at_s, disaster in ((5, line.kill_ingest), (9, line.restart_broker), (13, line.kill_ingest)):
        await asyncio.sleep(max(start_s + at_s - time.monotonic(), 0))
        disaster()
    await asyncio.sleep(max(start_s + SECONDS - time.monotonic(), 0))
    assert line.end("collect") == 0
    for path in paths:
        await path.stop()
    # What the last seconds left in the outbox goes out with the next start of the agent.
    line.start_collect('[[source]]\nkind = "host"\n')
    line.wait_for_empty_outbox()
    assert line.end("collect") == 0

    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as outbox:
        taken = int(outbox.execute("SELECT value FROM meta WHERE name = 'taken'").fetchone()[0])
        assert outbox.execute("SELECT count(*) FROM batch").fetchone() == (0,)
        assert outbox.execute("SELECT count(*) FROM dropped").fetchone() == (0,)
    with db.connect() as connection:
        seqs = [row[0] for row in connection.execute("SELECT seq FROM batch ORDER BY seq")]
        assert list(range(1, taken + 1)) == seqs
        for stream in STREAMS:
            wrong = connection.execute(
                f"SELECT count(*) FROM (SELECT batch_id, n FROM batch WHERE stream = '{stream}') AS b FULL JOIN"
                f" (SELECT batch_id, count(*) AS rows FROM {stream} GROUP BY batch_id) AS s USING (batch_id)"
                " WHERE n IS DISTINCT FROM rows"
            ).fetchone()
            assert wrong == (0,), stream
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
        for link in LINKS:
            found = probes(connection, link)
            assert len(np.unique(found["session"])) == 1
            # A busy machine leaves planned packets out rather than sending them late, and says so.
            assert len(found["seq"]) >= SECONDS * RATE_PPS * 0.5
            counts = [row for row in compare(link, found, truths[link]) if row.statistic == "count"]
            assert [row for row in counts if not agrees(row)] == []

    line.run("run", "start", "proof", "--site", SITE, "--at", began.strftime("%Y-%m-%dT%H:%M:%S"))
    line.run("run", "stop", "proof")
    report = line.run_json("completeness", "proof")[0]
    assert (report["ratio"], report["missing"], report["pending"], report["quarantined"]) == (1.0, 0, 0, 0)
    assert report["taken"] == taken


@pytest.mark.alone
async def test_measured_delays_agree_with_the_simulators_truth(line, db, tmp_path):
    """Delay quantiles agree within one percent with what the path really did to the same packets; counts exactly.

    A machine that does other work for some milliseconds delays packets between stamp and socket: delays, and only they,
    may be measured again.
    """
    line.start_reflector()
    line.start_ingest()
    for attempt in range(ATTEMPTS):
        links = {f"{link}-{attempt}": profile for link, profile in LINKS.items()}
        truths = {link: tmp_path / f"truth-{link}.csv" for link in links}
        paths = [
            UdpPath(load_profile(profile), ("127.0.0.1", line.reflector_port), truths[link], seed=11, link=link)
            for link, profile in links.items()
        ]
        ports = {path.link: await path.start() for path in paths}
        line.start_collect("".join(STAMP.format(link=link, port=port, rate=100) for link, port in ports.items()))
        await asyncio.sleep(10)
        line.end("collect")
        for path in paths:
            await path.stop()
        line.start_collect('[[source]]\nkind = "host"\n')
        line.wait_for_empty_outbox()
        line.end("collect")

        with db.connect() as connection:
            rows = [row for link in links for row in compare(link, probes(connection, link), truths[link])]
        assert len(rows) == 2 * (4 + 9)
        wrong = [row for row in rows if not agrees(row)]
        assert [row for row in wrong if row.statistic == "count"] == []
        if not wrong:
            return
    pytest.fail(f"delays disagree in {ATTEMPTS} measurements: {wrong}")
