"""The parts of the demonstration put together: broker, ingest, page, reflector, two paths, vehicle, agent."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from jissho.broker import free_port, is_listening, start_broker
from jissho.children import Children
from simulators.impairment import load_profile
from simulators.udp_path import UdpPath
from simulators.vehicle_double import VehicleDouble
from simulators.world import World

SITE = "demo-site"
LINKS = {"l5g": "local5g", "lte": "lte"}
"""The two links of the vehicle and the impairment profile of each path."""

TRACE_PROFILES = {".parquet": "edaf", ".csv": "probe_csv"}
"""How a trace is read, by its suffix; anything else is a ping log."""

REPLAY_LINK = "recorded-5g"
RATE_PPS = 100
TIMEOUT_S = 2.0
"""How long a probe's answer is waited for. A real measurement waits 15 s; here nothing is later than a second."""

_T = TypeVar("_T")

_COLLECT_TOML = """# Written by `jissho demo`.
site = "{site}"
device = "{device}"

[mqtt]
port = {mqtt_port}
version = "{mqtt_version}"

[outbox]
path = "{folder}/outbox.sqlite"

[[source]]
kind = "clock"
method = "declared"
declared_bound_us = 50.0
declared_reason = "both ends of the demonstration run on this computer"
interval_s = 2.0

[[source]]
kind = "host"
interval_s = 2.0

[[source]]
kind = "gpsd"
port = {gpsd_port}

[[source]]
kind = "feed"
port = {feed_port}
"""
_STAMP_TOML = """
[[source]]
kind = "stamp"
link = "{link}"
target = "127.0.0.1:{port}"
rate_pps = {rate}
schedule = "periodic"
timeout_s = {timeout}
"""
_REPLAY_TOML = """
[[source]]
kind = "replay"
link = "{link}"
path = "{path}"
profile = "{profile}"
shift = "now"
"""


class _Loop:
    """An event loop in a thread of its own, for the simulators, while the main thread draws progress bars."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="simulators", daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@dataclass(slots=True)
class Line:
    """The running line. `truth_paths` are complete after `stop_measuring`.

    `device` is this demonstration's alone while it runs: one that runs beside another must not share its data.
    """

    folder: Path
    url: str
    device: str
    broker: str
    http_port: int
    started_at: datetime
    children: Children
    truth_paths: dict[str, Path]
    trace: Path | None
    _loop: _Loop
    _paths: list[UdpPath] = field(default_factory=list)
    _vehicle: VehicleDouble | None = None

    @property
    def page_url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.http_port}/"

    def stop_measuring(self) -> None:
        """Stop the agent, which drains its outbox, then the simulators, which complete their truth files."""
        self.children.stop("collect")
        for path in self._paths:
            self._loop.run(path.stop())
        self._paths.clear()
        if self._vehicle is not None:
            self._loop.run(self._vehicle.stop())
            self._vehicle = None


def find_trace(given: Path | None) -> Path | None:
    """Return the recorded trace to replay: the one given, else the private 5G trace beside the checkout, else None."""
    if given is not None:
        return given
    root = Path(__file__).resolve().parents[2]
    for folder in (root.parent / "shared" / "data", Path.cwd().parent / "shared" / "data"):
        candidate = folder / "edaf_private5g" / "res.parquet"
        if candidate.exists():
            return candidate
    return None


def write_collect_toml(
    folder: Path,
    *,
    device: str,
    mqtt: tuple[int, str],
    stamp_ports: dict[str, int],
    vehicle_ports: tuple[int, int],
    trace: Path | None,
) -> Path:
    """Write the agent's configuration and return its path. `mqtt`: port and version; `vehicle_ports`: gpsd, feed."""
    text = _COLLECT_TOML.format(
        site=SITE, device=device, mqtt_port=mqtt[0], mqtt_version=mqtt[1], folder=folder, gpsd_port=vehicle_ports[0],
        feed_port=vehicle_ports[1],
    )  # fmt: skip
    for link, port in stamp_ports.items():
        text += _STAMP_TOML.format(link=link, port=port, rate=RATE_PPS, timeout=TIMEOUT_S)
    if trace is not None:
        profile = TRACE_PROFILES.get(trace.suffix, "ping")
        text += _REPLAY_TOML.format(link=REPLAY_LINK, path=trace, profile=profile)
    path = folder / "collect.toml"
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def free_device() -> Iterator[str]:
    """Yield the name of a device that no other demonstration on this computer uses now: car-1, car-2, ..."""
    folder = Path(tempfile.gettempdir()) / f"jissho-demo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in itertools.count(1):
        handle = os.open(folder / f"car-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        try:
            yield f"car-{number}"
        finally:
            os.close(handle)
        return


@contextmanager
def running_line(
    folder: Path, url: str, *, seconds: float, seed: int, trace: Path | None, http_port: int | None
) -> Iterator[Line]:
    """Start every part in order, yield the running line, and stop whatever still runs at the end.

    `url` is a migrated database. Raises ChildError with the part's last log lines if one does not start.
    """
    with ExitStack() as stack:
        children = stack.enter_context(Children(folder))
        broker, mqtt_port = start_broker(children, folder)
        port = http_port or free_port()
        environment = {
            "JISSHO_DATABASE_URL": url,
            "JISSHO_MQTT_PORT": str(mqtt_port),
            "JISSHO_MQTT_VERSION": "5" if broker == "mosquitto" else "3.1.1",
            "JISSHO_PROFILE": "remote_monitoring",
        }
        children.start_jissho("ingest", "ingest", environment=environment)
        children.start_jissho("serve", "serve", "--port", str(port), environment=environment)
        children.start_jissho(
            "reflect", "reflect", "--host", "127.0.0.1", "--port", str(free_port()), "--clock-bound-us", "50"
        )
        children.wait_until("reflect", lambda: children.log_has("reflect", "reflecting on"))
        reflector_port = int(children.tail("reflect").split("127.0.0.1:")[1].split()[0])
        children.wait_until("ingest", lambda: children.log_has("ingest", "connected"))
        children.wait_until("serve", lambda: is_listening(port), timeout_s=60)
        loop = _Loop()
        stack.callback(loop.close)
        truth_paths = {link: folder / f"truth-{link}.csv" for link in LINKS}
        vehicle = VehicleDouble(World(seed, links=tuple(LINKS)), duration_s=seconds + 120, truth_folder=folder)
        gpsd_port, feed_port = loop.run(vehicle.start())
        started_at = datetime.now(tz=UTC)
        paths = [
            UdpPath(load_profile(profile), ("127.0.0.1", reflector_port), truth_paths[link], seed=seed, link=link)
            for link, profile in LINKS.items()
        ]
        ports = {path.link: loop.run(path.start()) for path in paths}
        line = Line(
            folder=folder, url=url, device=stack.enter_context(free_device()), broker=broker, http_port=port,
            started_at=started_at, children=children, truth_paths=truth_paths, trace=trace, _loop=loop, _paths=paths,
            _vehicle=vehicle,
        )  # fmt: skip
        stack.callback(line.stop_measuring)
        config = write_collect_toml(
            folder, device=line.device, mqtt=(mqtt_port, environment["JISSHO_MQTT_VERSION"]), stamp_ports=ports,
            vehicle_ports=(gpsd_port, feed_port), trace=trace,
        )  # fmt: skip
        children.start_jissho("collect", "collect", "--config", str(config))
        yield line
