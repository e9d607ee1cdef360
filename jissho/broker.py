"""A broker for the demonstration: mosquitto where it is installed, amqtt in a process of its own otherwise."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from pathlib import Path

from jissho.children import Children

_MOSQUITTO_CONF = """listener {port} 127.0.0.1
allow_anonymous true
# Nothing here is durable: what the database has not committed is still in the collectors' outboxes.
persistence false
max_inflight_messages 0
max_queued_messages 0
{user}"""
# Started by root, mosquitto would change to an account of its own and so forget to end with its parent.
_AS_ROOT = "user root\n"


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, which Debian puts where an ordinary PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_broker(children: Children, folder: Path) -> tuple[str, int]:
    """Start a broker as the child "broker" and return (its name, its port)."""
    port = free_port()
    mosquitto = find_mosquitto()
    if mosquitto is not None:
        conf = folder / "mosquitto.conf"
        conf.write_text(_MOSQUITTO_CONF.format(port=port, user=_AS_ROOT if os.geteuid() == 0 else ""), encoding="utf-8")
        children.start("broker", [mosquitto, "-c", str(conf)])
    else:
        children.start("broker", [sys.executable, "-m", "jissho.broker", str(port)])
    children.wait_until("broker", lambda: is_listening(port))
    return ("mosquitto" if mosquitto else "amqtt"), port


async def _serve_amqtt(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - only where there is no mosquitto

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_amqtt(int(sys.argv[1])))
