"""Where a value stands in a third party's message: the paths of a foreign profile.

`radio.rsrp` goes down from the record, `cells.0.pci` takes an element of a list, `metrics[name=Radio/RSRP].value` the
first element whose key has that value, `/fields/usage.idle` (RFC 6901) reaches keys with dots in them. `$.ts` starts at
the whole message, `^.name` one container above the record. `@key` and `@value` are the record's own place and itself,
`@topic.NAME` a level of the topic. Only where the records are (`each`), `*` stands for all elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from contract.recording import ProfileError

_START = re.compile(r"\$\.?|(\^+)\.?|@topic\.|@key\Z|@value\Z")
_HOLE = re.compile(r"\{([^{}]+)\}")
_STEP = re.compile(r"(?P<name>[^.\[\]]+)|\[(?P<key>[^=\]]+)=(?P<value>[^\]]*)\]")
_INDEX = re.compile(r"\d{1,6}\Z")

Start = Literal["record", "message", "topic", "key"]


class Absent(Enum):
    """What a path finds where nothing stands; null is something else."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class Select(NamedTuple):
    """A step to the first element of a list whose `key` reads `value`."""

    key: str
    value: str


class All(NamedTuple):
    """A step to every element of a list or of an object."""


Step = str | Select | All


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. `up`: how many containers above the record it starts."""

    text: str
    start: Start
    up: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """One record: `chain` are the containers from the whole message down to the record itself, which stands last."""

    chain: tuple[Any, ...]
    key: str | int | None
    topic: Mapping[str, str]

    @property
    def record(self) -> Any:
        """The record itself."""
        return self.chain[-1]


@lru_cache(maxsize=1024)
def parse_path(text: str, *, for_records: bool = False) -> Path:
    """Parse a path; raises ProfileError. `for_records` allows `*`, and nothing but what is below the message."""
    if text.startswith(("/", "$/")):
        steps: list[Step] = [part.replace("~1", "/").replace("~0", "~") for part in text.partition("/")[2].split("/")]
        start: Start = "message" if text.startswith("$") else "record"
        return Path(text, start, 0, tuple(steps))
    found = _START.match(text)
    head = found[0] if found else ""
    start = {"$": "message", "@t": "topic", "@k": "key"}.get(head.rstrip(".")[:2], "record")  # type: ignore[assignment]
    path = Path(text, start, len(found[1] or "") if found else 0, _steps(text, found.end() if found else 0))
    if not text or (head.startswith("@topic") and len(path.steps) != 1) or (not head and text.startswith("@")):
        raise ProfileError(f"path {text!r} is not one; see the README of contract/foreign")
    wild = any(isinstance(step, All) for step in path.steps)
    if wild and not for_records:
        raise ProfileError(f'path {text!r}: "*" may stand in `each` only')
    if for_records and (path.start not in {"record", "message"} or path.up):
        raise ProfileError(f"each: path {text!r} must go down from the message")
    return path


def heading_path(text: str) -> Path:
    """Return the path to the cell under a CSV's heading, which may look like anything; only with @ it is a path."""
    return parse_path(text) if text.startswith("@") else Path(text, "record", 0, (text,))


def template_parts(text: str) -> tuple[str, ...]:
    """Return a template cut into text and paths by turns: the odd places are paths."""
    return tuple(_HOLE.split(text))


def _steps(text: str, position: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ProfileError(f"path {text!r} cannot be read from {text[position:]!r} on")
        if found["name"] is None:
            steps.append(Select(found["key"], found["value"]))
        else:
            steps.append(All() if found["name"] == "*" else found["name"])
        position = found.end()
        if position < len(text) and text[position] == ".":
            position += 1
            if position == len(text):
                raise ProfileError(f"path {text!r} ends with a dot")
    return tuple(steps)


def find(path: Path, scope: Scope) -> Any:
    """Return what stands at `path`, or ABSENT."""
    if path.start == "key":
        return scope.key if scope.key is not None else ABSENT
    if path.start == "topic":
        return scope.topic.get(str(path.steps[0]), ABSENT)
    if path.up >= len(scope.chain):
        return ABSENT
    node = scope.chain[0] if path.start == "message" else scope.chain[-1 - path.up]
    for step in path.steps:
        node = _child(node, step)
        if node is ABSENT:
            break
    return node


def _child(node: Any, step: Step) -> Any:
    if isinstance(step, Select):
        for element in node if isinstance(node, list) else ():
            if isinstance(element, dict) and plain_text(element.get(step.key, ABSENT)) == step.value:
                return element
        return ABSENT
    if isinstance(node, dict):
        return node.get(step, ABSENT)
    if isinstance(node, list) and isinstance(step, str) and _INDEX.match(step) and int(step) < len(node):
        return node[int(step)]
    return ABSENT


def records(path: Path, message: Any, topic: Mapping[str, str]) -> list[Scope] | None:
    """Return the records at `path`, each in its scope; None if nothing stands there."""
    scopes = [Scope((message,), None, topic)]
    for step in path.steps:
        below: list[Scope] = []
        is_there = False
        for scope in scopes:
            for key, child in _children(scope.record, step):
                is_there = True
                below.append(Scope((*scope.chain, child), key, topic))
            is_there |= isinstance(step, All) and isinstance(scope.record, list | dict)
        if not is_there:
            return None
        scopes = below
    return scopes


def _children(node: Any, step: Step) -> Iterator[tuple[str | int | None, Any]]:
    if isinstance(step, All):
        if isinstance(node, dict):
            yield from node.items()
        elif isinstance(node, list):
            yield from enumerate(node)
    elif (child := _child(node, step)) is not ABSENT:
        yield (step if isinstance(step, str) else step.value), child


def plain_text(value: Any) -> str | None:
    """Return a single value as JSON writes it, text without quotes; None for objects, lists, null and nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None
