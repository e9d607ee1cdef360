"""Connections: what the server and the kernel are asked to give up on, and when."""

import psycopg
import pytest

from storage.connect import connect, open_pool


def test_a_transaction_whose_client_fell_silent_lets_go_of_its_locks(db):
    """The server ends it by itself, so that nobody waits for a client that a NAT has forgotten."""
    silent = connect(db.url, autocommit=False, idle_in_transaction_s=1)
    silent.execute("LOCK TABLE ledger")

    with db.connect() as other:
        other.execute("SET statement_timeout = '20s'")
        assert (0,) == other.execute("SELECT count(*) FROM ledger").fetchone()
    with pytest.raises(psycopg.Error, match="idle-in-transaction"):
        silent.execute("SELECT 1")
    silent.close()


def test_both_sides_of_every_connection_look_whether_the_other_is_there(db):
    """Single connections and the pool's ask server and kernel alike; only what commits has the limit on silence."""
    query = "SELECT current_setting('TimeZone'), current_setting('tcp_keepalives_idle')"
    with db.connect() as single, open_pool(db.url, size=1) as pool, pool.connection() as pooled:
        found = {connection.execute(query).fetchone() for connection in (single, pooled)}
        ours = {connection.info.get_parameters()["keepalives_idle"] for connection in (single, pooled)}
        limit = single.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert {("UTC", "10")} == found
    assert {"10"} == ours
    assert ("0",) == limit
