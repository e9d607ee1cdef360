"""What a comparison reads of one run's link: when its packets were sent, its streams, then its packets unit by unit.

Packets are read chunk by chunk, twice: once when they were sent, which says what units both sides have, and once whole.
Only what units add up to stays in memory, unless chunks reach into each other: then a run is read all at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from analytics.as_counted import AsCounted
from analytics.clock import NO_RECORD, ClockQuality, worst_clock
from analytics.comparison.alignment import Alignment
from analytics.comparison.measures import COLUMNS
from analytics.comparison.packet_units import PacketUnits
from analytics.comparison.streams import with_units
from analytics.comparison.units import Blocks
from analytics.families.device import track_of
from analytics.loader import about_device, load_clock_quality, load_streams
from analytics.packet_loader import packet_chunks, sending_times
from analytics.probes import Ints, NotInOrderError
from analytics.requirements import Profile
from analytics.series import Series, joined
from analytics.spans import Span
from analytics.track import Track
from analytics.waiting_time import Waited, waiting_words

Key = tuple[str, str]
"""Device and link."""

_EVERY_US, _PLACED_US = 500_000, 50_000
"""How close together sending times are kept: no block is shorter than a second, and no section passed in less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One run of one side, of one link: what is read of it before its packets.

    `first_us` is when its first packet was sent (excluded ones too), None without any; `sent_us` are some of the times.
    """

    run_id: int
    key: Key
    link_id: int
    window: Span
    excluded: Sequence[Span]
    first_us: int | None
    sent_us: Ints
    clock: ClockQuality
    path: Track | None
    streams: Mapping[str, Series]

    @property
    def has_any(self) -> bool:
        """Whether anything was measured."""
        return bool(self.sent_us.size or self.streams)

    @property
    def extent_us(self) -> Span:
        """The first and the last packet, or sample where there is no packet."""
        times = [self.sent_us] if self.sent_us.size else [each.t_us for each in self.streams.values()]
        return min(int(each.min()) for each in times), max(int(each.max()) for each in times)

    @property
    def start_us(self) -> int:
        """When it began."""
        return self.extent_us[0] if self.first_us is None else self.first_us


def read_leg(
    connection: psycopg.Connection, run_id: int, ids: Mapping[Key, int], key: Key, *, window: Span,
    excluded: Sequence[Span], clock_limit_us: float, is_placed: bool,
) -> Leg:  # fmt: skip
    """Read what there is of a run's link beside its packets; `is_placed`: also where its device was.

    Time in which the bound of the clocks is larger than `clock_limit_us` gives no one-way delays.
    """
    first_us, sent_us = sending_times(
        connection, ids[key], window, excluded, _PLACED_US if is_placed else _EVERY_US
    )  # fmt: skip
    own_id, clock = ids.get((key[0], "")), NO_RECORD
    if sent_us.size:
        ends_us = int(sent_us[0]), int(sent_us[-1])
        clock = load_clock_quality(connection, own_id, ids[key], *ends_us, clock_limit_us, excluded)
        clock = replace(
            clock, poor=tuple((max(low, ends_us[0]), min(high, ends_us[1] + 1)) for low, high in clock.poor)
        )  # fmt: skip
    return Leg(
        run_id=run_id, key=key, link_id=ids[key], window=window, excluded=excluded, first_us=first_us, sent_us=sent_us,
        clock=clock, path=track_of(about_device(connection, own_id, window)) if is_placed else None,
        streams=load_streams(connection, COLUMNS, ids[key], window, excluded),
    )  # fmt: skip


Side = Sequence[tuple[Leg, Alignment]]
"""The runs of one side, and what says in which unit each was."""


def read_packets_of(
    connection: psycopg.Connection, side: Side, units: Blocks, profile: Profile
) -> tuple[PacketUnits, Waited]:
    """Read the packets of a side, those of a run at once where they do not come in order."""
    at_once: set[int] = set()
    while True:
        kept, late = PacketUnits(units, profile.parameters.rtt_within_ms), Waited()
        for number, (leg, align) in enumerate(side):
            taken = AsCounted(profile.parameters, leg.clock)
            try:
                for chunk in packet_chunks(
                    connection, leg.link_id, leg.window, leg.excluded, is_at_once=number in at_once
                ):
                    probes = taken.take(chunk)
                    kept.add(probes, align(probes.t_us), number)
                late = late.and_of(taken.waited)
            except NotInOrderError:
                at_once.add(number)
                break
        else:
            return kept, late


def waited_words(word: str, side: Side, waited: Waited, profile: Profile) -> list[str]:
    """Say how many packets were late, and where nobody knows whether they were."""
    late = waiting_words(profile.parameters.lost_after_ms, waited)
    clock = worst_clock([leg.clock for leg, _ in side])
    doubt = clock.doubt(profile.parameters.clock_limit_us) if late and waited.by_one_way else ""
    return [f"{word}: {each}" for each in (late, doubt) if each]


def streams_of(side: Side) -> dict[str, Series]:
    """Return the streams of all runs of a side, each sample with its unit."""
    found: dict[str, list[Series]] = {}
    for leg, align in side:
        for name, samples in leg.streams.items():
            found.setdefault(name, []).append(with_units(samples, align(samples.t_us)))
    return {name: whole for name, parts in found.items() if (whole := joined(parts)) is not None}
