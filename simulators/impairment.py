"""What a radio link does to packets: delay, bursty loss, outages, reordering and copies, drawn from a seed.

Pure: no clock, no I/O. `PacketFates` says for the n-th packet of one direction whether it is dropped and how long
each of its copies is held; `FifoQueue` turns holds into release times that keep the order of a real queue.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

BLOCK_PACKETS = 512
"""Packets drawn at once. A block takes about 0.2 ms, which is the longest that one packet waits for its fate."""

MAX_DELAY_US = 10_000_000.0
"""Longest hold. The largest round trip of public 5G traces is 11 s; a longer one only fills memory."""

Ratio = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a profile file; an unknown key is an error, since a misspelt impairment would be no impairment."""


class DelayProfile(_Table, frozen=True, kw_only=True):
    """Delay of one direction: `base_us` + a random part, rounded up to `slot_us`, + rare spikes.

    The random part has mean `mean_us` and coefficient of variation `variation`. `slot_us` is the grid on which a TDD
    link gives a phase-locked sender its turn (0: none). `correlation` is the correlation of neighbouring packets.
    A share of `spike_ratio` packets waits for an exponential time of mean `spike_us` more.
    """

    base_us: NonNegative = 0.0
    distribution: Literal["constant", "gamma", "lognormal"] = "constant"
    mean_us: NonNegative = 0.0
    variation: NonNegative = 0.5
    slot_us: NonNegative = 0.0
    correlation: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    spike_ratio: Ratio = 0.0
    spike_us: NonNegative = 0.0

    def __post_init__(self) -> None:
        """Refuse a random distribution without width: it would silently be a constant."""
        if self.distribution != "constant" and (self.mean_us <= 0.0 or self.variation <= 0.0):
            raise ValueError(f"delay distribution {self.distribution!r} needs mean_us > 0 and variation > 0")


class LossProfile(_Table, frozen=True, kw_only=True):
    """Gilbert-Elliott loss: `p` = P(good to bad), `r` = P(bad to good) per packet, loss ratio in either state.

    With `loss_good` 0 and `loss_bad` 1 the loss ratio is p / (p + r), and the mean burst 1 / r packets.
    """

    p: Ratio = 0.0
    r: Ratio = 1.0
    loss_good: Ratio = 0.0
    loss_bad: Ratio = 1.0

    @property
    def bad_ratio(self) -> float:
        """Stationary share of packets that meet the bad state."""
        return self.p / (self.p + self.r) if self.p > 0.0 else 0.0

    @property
    def loss_ratio(self) -> float:
        """Stationary loss ratio."""
        return (1.0 - self.bad_ratio) * self.loss_good + self.bad_ratio * self.loss_bad


class Outage(_Table, frozen=True, kw_only=True):
    """A planned interruption; `start_s` counts from the start of the path."""

    start_s: NonNegative
    duration_s: Annotated[float, msgspec.Meta(gt=0.0)]


class RandomOutages(_Table, frozen=True, kw_only=True):
    """Interruptions at random: exponential gaps with `rate_per_h` starts an hour, exponential lengths."""

    rate_per_h: NonNegative = 0.0
    mean_s: NonNegative = 0.0


class ExtraShare(_Table, frozen=True, kw_only=True):
    """A share of packets to which something happens, and the delay that comes with it.

    For reordering the packet is held `extra_us` longer outside the queue, so that later ones overtake it; for copies
    the second one follows `extra_us` after the first.
    """

    ratio: Ratio = 0.0
    extra_us: NonNegative = 0.0


class ImpairmentProfile(_Table, frozen=True, kw_only=True):
    """Everything that happens to the packets of one direction."""

    delay: DelayProfile = DelayProfile()
    loss: LossProfile = LossProfile()
    outages: tuple[Outage, ...] = ()
    random_outages: RandomOutages = RandomOutages()
    reordering: ExtraShare = ExtraShare()
    copies: ExtraShare = ExtraShare()


class PathProfile(_Table, frozen=True, kw_only=True):
    """A link: what it is called, and its two directions. `up` is from the terminal to the server."""

    name: str
    ja: str
    en: str
    up: ImpairmentProfile = ImpairmentProfile()
    down: ImpairmentProfile = ImpairmentProfile()


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the package."""
    folder = resources.files("simulators") / "profiles"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_profile(name_or_path: str | Path) -> PathProfile:
    """Load a shipped profile by name ("lte"), or any profile by the path of its TOML file.

    Raises FileNotFoundError if there is none, msgspec.ValidationError (with the key) if it is not a profile.
    """
    if isinstance(name_or_path, str) and name_or_path in shipped_profiles():
        text = (resources.files("simulators") / "profiles" / f"{name_or_path}.toml").read_text(encoding="utf-8")
    elif isinstance(name_or_path, str) and not name_or_path.endswith(".toml"):
        raise FileNotFoundError(f"no profile {name_or_path!r}; shipped are {', '.join(shipped_profiles())}")
    else:
        text = Path(name_or_path).read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=PathProfile)


class Fate(NamedTuple):
    """What happens to one packet: the hold of each copy in microseconds; none if it is lost."""

    kind: Literal["delivered", "dropped", "outage"]
    delays_us: tuple[float, ...]
    reordered: bool


class PacketFates:
    """Draws the fate of each packet of one direction.

    Same profile, same seed, same packet number: same fate, whatever the timing was; only outages look at the time.
    Each impairment has its own random stream, so that switching one on leaves the others as they were.
    """

    def __init__(self, profile: ImpairmentProfile, seed: np.random.SeedSequence) -> None:
        """Keep `profile`; `seed` is used up by the streams of this direction."""
        self._profile = profile
        loss, delay, spike, order, copy, outage = (np.random.default_rng(child) for child in seed.spawn(6))
        self._loss_rng, self._delay_rng, self._spike_rng = loss, delay, spike
        self._order_rng, self._copy_rng, self._outage_rng = order, copy, outage
        self._bad = bool(loss.random() < profile.loss.bad_ratio)
        self._level = float(delay.standard_normal())
        self._block = -1
        self._lost: list[bool] = []
        self._delays_us: list[float] = []
        self._reordered: list[bool] = []
        self._copied: list[bool] = []
        # As one ascending list of edges: an odd number of edges passed means inside. A day of handovers is thousands.
        self._edges_s = _edges_s(profile.outages)
        self._random_outage = (-math.inf, -math.inf)

    def fate(self, index: int, elapsed_s: float) -> Fate:
        """Return the fate of packet number `index` (from 0, not far backwards) that comes after `elapsed_s`.

        Raises ValueError if `index` lies before the current block: fates are drawn once and not kept.
        """
        block, offset = divmod(index, BLOCK_PACKETS)
        if block < self._block:
            raise ValueError(f"packet {index} lies before the current block of fates")
        while self._block < block:
            self._draw_block()
        if self._in_outage(elapsed_s):
            return Fate("outage", (), reordered=False)
        if self._lost[offset]:
            return Fate("dropped", (), reordered=False)
        first = self._delays_us[offset]
        delays = (first, first + self._profile.copies.extra_us) if self._copied[offset] else (first,)
        return Fate("delivered", delays, self._reordered[offset])

    def _draw_block(self) -> None:
        profile = self._profile
        self._block += 1
        self._lost = self._draw_loss()
        delays = self._draw_delays_us()
        reordered = self._order_rng.random(BLOCK_PACKETS) < profile.reordering.ratio
        delays[reordered] += profile.reordering.extra_us
        self._delays_us = np.minimum(delays, MAX_DELAY_US).tolist()
        self._reordered = reordered.tolist()
        self._copied = (self._copy_rng.random(BLOCK_PACKETS) < profile.copies.ratio).tolist()

    def _draw_loss(self) -> list[bool]:
        loss = self._profile.loss
        bad = self._bad
        lost = []
        for move, hit in self._loss_rng.random((BLOCK_PACKETS, 2)).tolist():
            lost.append(hit < (loss.loss_bad if bad else loss.loss_good))
            bad = move >= loss.r if bad else move < loss.p
        self._bad = bad
        return lost

    def _draw_delays_us(self) -> NDArray[np.float64]:
        delay = self._profile.delay
        rng = self._delay_rng
        # Both are drawn whatever the profile needs, so that the streams stay aligned between profiles.
        steps = rng.standard_normal(BLOCK_PACKETS).tolist()
        variation2 = delay.variation**2
        if delay.distribution == "gamma":
            part = rng.gamma(1.0 / variation2, delay.mean_us * variation2, BLOCK_PACKETS)
        elif delay.distribution == "lognormal":
            sigma2 = math.log1p(variation2)
            part = rng.lognormal(math.log(delay.mean_us) - sigma2 / 2.0, math.sqrt(sigma2), BLOCK_PACKETS)
        else:
            part = np.full(BLOCK_PACKETS, delay.mean_us)
        if delay.correlation > 0.0:
            # The drawn values take the order of an AR(1) series: correlated, and still exactly of the distribution.
            levels = np.empty(BLOCK_PACKETS)
            level, width = self._level, math.sqrt(1.0 - delay.correlation**2)
            for i, step in enumerate(steps):
                level = delay.correlation * level + width * step
                levels[i] = level
            self._level = level
            part = np.sort(part)[np.argsort(np.argsort(levels))]
        if delay.slot_us > 0.0:
            part = np.ceil(part / delay.slot_us) * delay.slot_us
        spikes = self._spike_rng.random(BLOCK_PACKETS) < delay.spike_ratio
        waits = self._spike_rng.exponential(delay.spike_us, BLOCK_PACKETS)
        total: NDArray[np.float64] = delay.base_us + part + np.where(spikes, waits, 0.0)
        return total

    def _in_outage(self, elapsed_s: float) -> bool:
        if bisect_right(self._edges_s, elapsed_s) % 2 == 1:
            return True
        rate_per_h = self._profile.random_outages.rate_per_h
        if rate_per_h <= 0.0:
            return False
        while elapsed_s >= self._random_outage[1]:
            gap_s = self._outage_rng.exponential(3600.0 / rate_per_h)
            start_s = max(self._random_outage[1], 0.0) + gap_s
            length_s = self._outage_rng.exponential(self._profile.random_outages.mean_s)
            self._random_outage = (start_s, start_s + length_s)
        return elapsed_s >= self._random_outage[0]


def _edges_s(outages: tuple[Outage, ...]) -> list[float]:
    """Return starts and ends of the union of `outages`, ascending."""
    edges: list[float] = []
    for start_s, end_s in sorted((outage.start_s, outage.start_s + outage.duration_s) for outage in outages):
        if edges and start_s <= edges[-1]:
            edges[-1] = max(edges[-1], end_s)
        else:
            edges += [start_s, end_s]
    return edges


class FifoQueue:
    """Turns holds into release times: nobody leaves before who came earlier, except by reordering.

    A delay spike therefore holds up everything behind it, as a radio link's in-order delivery does.
    """

    def __init__(self) -> None:
        self._last_release_ns = 0

    def release_ns(self, arrival_ns: int, delay_us: float, *, keeps_order: bool) -> int:
        """Return when a packet that came at `arrival_ns` leaves; times may be of any monotonic clock."""
        wanted_ns = arrival_ns + round(delay_us * 1000.0)
        if not keeps_order:
            return wanted_ns
        self._last_release_ns = max(self._last_release_ns, wanted_ns)
        return self._last_release_ns
