"""Topic names: `jissho/1/{site}/{device}/{stream}` for data, `.../receipt`, `.../status`."""

from __future__ import annotations

import re
from typing import NamedTuple

from contract.streams import CONTRACT_VERSION

PREFIX = f"jissho/{CONTRACT_VERSION}"
RECEIPT = "receipt"
STATUS = "status"
ALL_DATA = "jissho/+/+/+/+"
"""Subscription of ingest: every contract version, so that a payload of another one is quarantined, not missed."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
"""What a site, device or link may be called: lower case, digits, '-' and '_', at most 63 characters."""

_LEVELS = 5


class Topic(NamedTuple):
    """The parts of a topic. `kind` is a stream name, "receipt" or "status"."""

    version: str
    site: str
    device: str
    kind: str


def check_name(what: str, name: str) -> str:
    """Return `name` if it may stand in a topic; raise ValueError that says what a name may be made of."""
    if not NAME.match(name):
        message = f"{what} {name!r} is not a valid name: use lower-case letters, digits, '-' and '_' (at most 63)"
        raise ValueError(message)
    return name


def data_topic(site: str, device: str, stream: str) -> str:
    """Return the topic on which `device` publishes the batches of `stream`."""
    return f"{PREFIX}/{site}/{device}/{stream}"


def receipt_topic(site: str, device: str) -> str:
    """Return the topic on which ingest tells `device` what is committed."""
    return f"{PREFIX}/{site}/{device}/{RECEIPT}"


def status_topic(site: str, device: str) -> str:
    """Return the retained topic of the device's birth and death messages."""
    return f"{PREFIX}/{site}/{device}/{STATUS}"


def parse_topic(topic: str) -> Topic | None:
    """Return the parts of `topic`, or None if it is not one of ours."""
    parts = topic.split("/")
    if len(parts) != _LEVELS or parts[0] != "jissho":
        return None
    return Topic(*parts[1:])
