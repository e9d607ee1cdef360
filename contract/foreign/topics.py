"""Topic patterns of foreign devices: `cpe/{site}/{device}/status`, with `+` and a trailing `#` as in MQTT."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract.recording import ProfileError

_CAPTURE = re.compile(r"\{([a-z][a-z0-9_]*)\}\Z")
_OURS = "jissho"


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """One pattern. A level is a name to capture, "+", a last "#", or text that must stand there."""

    text: str
    levels: tuple[str, ...]
    captures: tuple[str, ...]

    @property
    def subscription(self) -> str:
        """The MQTT topic filter."""
        return "/".join("+" if _CAPTURE.match(level) else level for level in self.levels)

    @property
    def example(self) -> str:
        """A topic that fits, with the names of the captures in their places."""
        return "/".join("x" if level in {"+", "#"} else level.strip("{}") for level in self.levels)

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the captured levels of `topic`, or None if it does not fit."""
        parts = topic.split("/")
        found: dict[str, str] = {}
        for index, level in enumerate(self.levels):
            if level == "#":
                return found
            if index >= len(parts):
                return None
            if capture := _CAPTURE.match(level):
                found[capture[1]] = parts[index]
            elif level not in {"+", parts[index]}:
                return None
        return found if len(parts) == len(self.levels) else None

    def overlaps(self, other: TopicPattern) -> bool:
        """Return whether some topic fits both."""
        mine, others = self.subscription.split("/"), other.subscription.split("/")
        for left, right in zip(mine, others, strict=False):
            if "#" in {left, right}:
                return True
            if left != right and "+" not in {left, right}:
                return False
        shorter, longer = sorted((mine, others), key=len)
        # "a/#" fits "a" too (MQTT 5.0, 4.7.1.2).
        return len(mine) == len(others) or longer[len(shorter) :] == ["#"]


def parse_pattern(text: str) -> TopicPattern:
    """Parse a pattern; raises ProfileError for one that MQTT forbids or that would take this platform's own topics."""
    levels = tuple(text.split("/"))
    first = levels[0]
    if first in {"", "+", "#", _OURS} or first.startswith(("$", "{")):
        raise ProfileError(f"topics: {text!r} must begin with a fixed level, which is not {_OURS!r}")
    captures: list[str] = []
    for index, level in enumerate(levels):
        if capture := _CAPTURE.match(level):
            captures.append(capture[1])
        elif level not in {"+", "#"} and set(level) & set("+#{}\0"):
            raise ProfileError(f"topics: {text!r}: `{level}` must be a whole level: text, {{name}}, + or #")
        elif level == "#" and index != len(levels) - 1:
            raise ProfileError(f"topics: {text!r}: # may only stand last")
    if len(set(captures)) != len(captures):
        raise ProfileError(f"topics: {text!r} names a level twice")
    return TopicPattern(text, levels, tuple(captures))
