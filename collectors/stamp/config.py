"""The `[[source]]` table of kind "stamp"; sample.toml says what each key is for."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from collectors.source import SourceConfig
from collectors.stamp.packet import BASE_BYTES, MAX_PAYLOAD_BYTES
from collectors.stamp.schedule import Schedule
from collectors.stamp.tlv import HEADER_BYTES

DEFAULT_PORT = 862

ReflectorKind = Literal["stateful", "stateless", "twamp_light"]


class StampConfig(SourceConfig, frozen=True, kw_only=True, tag="stamp"):
    """See sample.toml. `ssid` and `seed` are drawn anew for each session where they are not given."""

    target: str
    rate_pps: Annotated[float, Meta(ge=1, le=1000)] = 10.0
    schedule: Schedule = "poisson"
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 15.0
    payload_bytes: Annotated[int, Meta(ge=BASE_BYTES, le=MAX_PAYLOAD_BYTES)] = BASE_BYTES
    reflector: ReflectorKind = "stateful"
    dscp: Annotated[int, Meta(ge=0, le=63)] = 0
    bind_address: str = ""
    bind_interface: str = ""
    ssid: Annotated[int, Meta(ge=0, le=65535)] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse a target without host or with a port that is none, and a length that no packet can have."""
        super().__post_init__()
        split_target(self.target)
        if self.reflector != "twamp_light" and BASE_BYTES < self.payload_bytes < BASE_BYTES + HEADER_BYTES:
            raise ValueError(f"payload_bytes must be {BASE_BYTES}, or {BASE_BYTES + HEADER_BYTES} and more")


def split_target(target: str) -> tuple[str, int]:
    """Return host and port of "host", "host:port" or "[IPv6]:port". Raises ValueError."""
    host, port = target, ""
    if target.startswith("["):
        host, _, port = target[1:].partition("]")
        port = port.removeprefix(":")
    elif target.count(":") == 1:
        host, _, port = target.partition(":")
    number = int(port) if port.isascii() and port.isdigit() else DEFAULT_PORT if not port else 0
    if not host or not 0 < number < 2**16:
        raise ValueError(f'target {target!r} must be "host", "host:port" or "[IPv6 address]:port"')
    return host, number
