"""The embedded server: started on demand, shared, stopped by the last user."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from storage.connect import connect
from storage.embedded import _Cluster, embedded_server
from storage.errors import StorageError, UnreachableError


@pytest.fixture
def home():
    """A folder that the server's account may enter."""
    with tempfile.TemporaryDirectory(prefix="jissho-home-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_server_is_shared_and_stopped_by_the_last_user(home):
    """The second user joins the running server; it outlives the first user's leaving, not the last's."""
    with embedded_server(home) as first:
        assert not first.was_running
        with embedded_server(home) as second:
            assert second.was_running
        with connect(first.url) as connection:
            assert connection.execute("SELECT current_setting('synchronous_commit')").fetchone() == ("on",)
            connection.execute("CREATE TABLE kept (x int)")
    with pytest.raises(UnreachableError):
        connect(first.url)
    with embedded_server(home) as again, connect(again.url) as connection:
        assert connection.execute("SELECT to_regclass('kept') IS NOT NULL").fetchone() == (True,)


def test_a_taken_port_is_replaced(home):
    """When another program took the port in the meantime, the server moves to a free one."""
    with embedded_server(home) as first:
        port = int(first.url.rsplit(":", 1)[1].split("/")[0])
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with embedded_server(home) as second:
            assert f":{port}/" not in second.url


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for the server")
def test_a_home_that_the_account_may_not_enter_is_explained(tmp_path):
    """As root, a private folder gives an error that names JISSHO_HOME."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    with pytest.raises(StorageError, match="set JISSHO_HOME"), embedded_server(private / "home"):
        pass


def test_a_crashed_server_comes_back_on_its_port(home):
    """Other processes hold the port in their URLs: connections that linger in TIME_WAIT must not cost it."""
    with embedded_server(home) as server:
        for _ in range(3):
            with connect(server.url) as connection:
                connection.execute("SELECT 1")
        cluster = _Cluster(home / "postgres")
        cluster.prepare()
        cluster.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(cluster.data))
        cluster.start({})
        assert cluster.url() == server.url
