"""Captured messages, to try a profile on: lines as `mosquitto_sub -v` prints them, or payloads alone."""

from __future__ import annotations

import json
from typing import NamedTuple

from contract.recording import RecordingError


class Capture(NamedTuple):
    """One captured message and the line on which it begins, from 1."""

    line: int
    topic: str
    payload: bytes


def read_captures(content: bytes, *, topic: str = "", example: str = "", is_csv: bool = False) -> list[Capture]:
    """Return the messages of a file: lines of `topic payload`, one JSON payload, or one on each line.

    Payloads alone came on `topic`, or, if that is not known, on `example`. A CSV payload fills the file. Raises
    RecordingError for a line that is neither.
    """
    if is_csv:
        return [Capture(1, topic or example, content)]
    lines = [(number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip()]
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return [_with_topic(number, line) for number, line in lines]
    name = topic or example
    if len(lines) > 1 and not _is_json(content) and all(_is_json(line) for _, line in lines):
        return [Capture(number, name, line) for number, line in lines]
    return [Capture(1, name, content)]


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _with_topic(number: int, line: bytes) -> Capture:
    name, blank, payload = line.partition(b" ")
    try:
        topic = name.decode()
    except UnicodeDecodeError:
        blank = b""
    if not blank:
        raise RecordingError(f"line {number} is neither JSON nor `topic payload`, as `mosquitto_sub -v` prints it")
    return Capture(number, topic, payload)
