"""What a source is: the one interface between the agent and everything that measures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from collectors.outbox import OutboxStatistics
from contract.samples import Sample
from contract.topics import check_name


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The part of a `[[source]]` table that every kind has. A kind's own config adds its tag and its fields.

    `link` names the radio link that is measured; the empty name stands for the device itself.
    """

    link: str = ""

    def __post_init__(self) -> None:
        """Refuse a link name that could not stand in the database or a report path."""
        if self.link:
            check_name("link", self.link)


class Emit(Protocol):
    """Takes one sample of a source. Cheap and synchronous; the agent batches, stores and publishes behind it."""

    def __call__(self, stream: str, t_ns: int, sample: Sample, *, link: str | None = None) -> None:
        """Hand over `sample`, measured at `t_ns` (Unix epoch, UTC); `link` other than the configured one if given."""


class Source(Protocol):
    """A running measurement."""

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled, or return when there is nothing more to measure (a replay at its end).

        May raise OSError for a device or network that is not there: the agent reports it as an event and starts
        the source again with a growing delay.
        """


@runtime_checkable
class ReadsOutbox(Protocol):
    """A source that reports on the outbox too (the host source); the agent gives it the way to ask."""

    def attach_outbox(self, statistics: Callable[[], Awaitable[OutboxStatistics]], folder: Path) -> None:
        """Keep how to ask for the outbox's state, and the folder in which it lies."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One entry of the registry. `version` travels in every batch and grows when a sample changes its meaning."""

    name: str
    version: int
    streams: tuple[str, ...]
    config: type[SourceConfig]
    build: Callable[[Any], Source]
