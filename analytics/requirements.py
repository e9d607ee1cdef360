"""Requirement profiles: the user's values, each with its source (出典). Nothing here is a constant of the code."""

from __future__ import annotations

import fnmatch
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from analytics.definitions import BY_ID
from analytics.dictionary.definition import KpiDefinition
from analytics.stop_names import STOP_NAMES

PROFILES = Path(__file__).parent / "profiles"
_DAY_MS = 86_400_000
_MS = 1000.0
_CLOCK_SHARE = 0.1
"""Of the delay that is asked, what the clocks may be off by where the profile says nothing else."""

_LAWFUL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lost_after_ms": (lambda ms: 0 < ms < math.inf, "a waiting time is above 0 ms and finite"),
    "ip_unavailable_loss": (lambda ratio: 0 <= ratio < 1, "c1 is a loss ratio from 0 to below 1"),
    "ip_interval_s": (lambda s: 1 <= 1000 * s <= _DAY_MS, "Tav lies between 1 ms and a day"),
    "ip_least_packets": (lambda n: n >= 1, "an interval needs a packet to be measured"),
    "ip_source": (lambda text: bool(text.strip()), "it must say which edition and clause c1 and Tav come from (出典)"),
    "payload_bytes": (lambda n: n >= 1, "the payload of a probe packet is a whole number of bytes"),
    "stop_names": (lambda names: bool(names) and all(map(str.strip, names)), "it names a command at least, none blank"),
}
"""Which values of a parameter can be, and what is said of others."""


class RequirementError(ValueError):
    """Raised when a profile cannot be used; the message names the file, the entry and what is allowed."""


class Allowed(NamedTuple):
    """The range of a value, both ends in it unless it must be above the lower; `words` say in which unit."""

    low: float = -math.inf
    high: float = math.inf
    is_above: bool = False
    words: str = ""


_NUMBERS = {"count", "per_km"}
_COUNTED = {
    "loss_burst", "inter_loss_period", "reordering_extent", "reordering_held", "reordering_gap", "reordering_free_run",
    "mrm", "tcp_transfer_time_ratio", "tcp_buffer_delay",
}  # fmt: skip
"""KPIs of the unit 1 whose statistics are numbers of packets or events, not shares."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[parameters]` table: bounds that define reliability and availability.

    `owd_within_ms` and `rtt_within_ms` are 所要遅延 for reliability; `t_max_ms` and `survival_ms` the deadline and the
    survival time of availability, `outage_s` how long an outage is assumed to last where a run saw none or few (the
    interval of its availability then rests on that). `coverage_*_dbm` are the thresholds of coverage and
    `required_*_mbps` the rates of 所要帯域充足率: without them those KPIs are not computed. `video_within_ms`,
    `fps_at_least` and `stop_within_ms` are for remote monitoring, `section_m` is the length of a short section,
    `ping_pong_s` the time of a return to the cell before, `pair_within_ms` how far apart two packets sent over two
    links may be to count as one. `clock_within_ms` is the largest bound of both clocks together that one-way figures
    may be judged by: in time with a larger one no one-way delay counts, and where there is no other they are for
    reference only. Without it that is a tenth of `owd_within_ms`, as an instrument is chosen ten times as fine as what
    it decides, and figures whose offset was corrected afterwards are for reference only. `loss_constraint` is delta of
    the loss noticeable rate, in packets (99 in the examples of RFC 3357 6.1). `point_tests` is how many tests a
    measuring point needs to count (three by MIC's guideline on effective speeds). `stop_names` are the names of
    commands to stop, by default those of `analytics.stop_names`. Profiles without them use these.

    Facts of the path that no measurement tells, without which what is made of them is not computed: `payload_bytes` is
    the payload of a probe packet (reordering byte offset, RFC 4737 4.4.3), `tcp_ideal_*_mbps` the largest TCP
    throughput that the path allows and `tcp_segment_bytes` what one TCP retransmission resends (RFC 6349).

    `lost_after_ms` is a waiting time shorter than the collector's: for the KPIs of links and of their pairs a packet
    that came later is lost (RFC 6703 4.1.2). The four of IP availability (ITU-T Y.1540) belong together:
    `ip_unavailable_loss` is c1, the loss ratio above which an interval of `ip_interval_s` (Tav) is unavailable,
    `ip_least_packets` the packets an interval needs to count as measured, `ip_source` the edition and clause they come
    from; without them those KPIs are not computed. Raises RequirementError where some are given and others are not, or
    a value cannot be.
    """

    owd_within_ms: float = 100.0
    rtt_within_ms: float = 200.0
    t_max_ms: float = 200.0
    survival_ms: float = 1000.0
    outage_s: float = 10.0
    coverage_rsrp_dbm: float | None = None
    coverage_power_dbm: float | None = None
    required_up_mbps: float | None = None
    required_down_mbps: float | None = None
    video_within_ms: float = 400.0
    fps_at_least: float = 10.0
    stop_within_ms: float = 200.0
    section_m: float = 50.0
    ping_pong_s: float = 5.0
    pair_within_ms: float = 50.0
    clock_within_ms: float | None = None
    loss_constraint: int = 99
    point_tests: int = 3
    stop_names: tuple[str, ...] = tuple(STOP_NAMES)
    lost_after_ms: float | None = None
    ip_unavailable_loss: float | None = None
    ip_interval_s: float | None = None
    ip_least_packets: int | None = None
    ip_source: str | None = None
    payload_bytes: int | None = None
    tcp_ideal_up_mbps: float | None = None
    tcp_ideal_down_mbps: float | None = None
    tcp_segment_bytes: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be, and IP availability half stated."""
        stated = {name: getattr(self, name) for name in _LAWFUL}
        for name, value in stated.items():
            is_lawful, what = _LAWFUL[name]
            if value is not None and not is_lawful(value):
                raise RequirementError(f"{name} is {value!r}: {what}")
        four = [name for name in stated if name.startswith("ip_")]
        missing = [name for name in four if stated[name] is None]
        if missing and len(missing) < len(four):
            raise RequirementError(
                f"IP availability needs {', '.join(four)} together: give {', '.join(missing)} too, or none of them"
            )

    @property
    def clock_limit_us(self) -> float:
        """Largest bound of both clocks together that one-way figures may be judged by, in microseconds."""
        return _MS * (self.owd_within_ms * _CLOCK_SHARE if self.clock_within_ms is None else self.clock_within_ms)


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[requirement]]`: a KPI's statistic must not be worse than `limit` (in the KPI's unit)."""

    kpi: str
    statistic: str
    limit: float
    source: str
    direction: Literal["up", "down", "round_trip", ""] = ""
    link: str = "*"
    note: str = ""

    def fits(self, kpi: str, direction: str, statistic: str, link: str) -> bool:
        """Tell whether a result is what is required; without a direction, in any."""
        is_it = (self.kpi, self.statistic) == (kpi, statistic) and self.direction in ("", direction)
        return is_it and fnmatch.fnmatchcase(link, self.link)


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole file. `status` says whether the values were confirmed (要確認 until somebody did)."""

    name: str
    ja: str
    en: str
    status: str
    parameters: Parameters = Parameters()
    requirement: tuple[Requirement, ...] = ()

    def find(self, kpi: str, direction: str, statistic: str, link: str) -> Requirement | None:
        """Return the requirement for one result; the first that fits."""
        fitting = (each for each in self.requirement if each.fits(kpi, direction, statistic, link))
        return next(fitting, None)


NO_REQUIREMENTS = Profile(name="", ja="所要値なし", en="no requirements", status="")


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with jissho, all of them examples."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load_requirements(name_or_path: str | None) -> Profile:
    """Load a shipped profile by name or a file by path; None or "" is a profile without requirements.

    Raises RequirementError.
    """
    if not name_or_path:
        return NO_REQUIREMENTS
    shipped = PROFILES / f"{name_or_path}.toml"
    path = shipped if "/" not in name_or_path and shipped.exists() else Path(name_or_path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = ", ".join(shipped_profiles())
        raise RequirementError(f"no requirement profile {name_or_path!r}: give a file, or one of {names}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequirementError(f"{path}: {error}") from error
    return parse_requirements(raw, path.name)


def parse_requirements(raw: dict[str, Any], where: str) -> Profile:
    """Check a decoded profile. Raises RequirementError that names the entry and what is allowed."""
    try:
        profile = msgspec.convert(raw, Profile)
    except msgspec.ValidationError as error:
        raise RequirementError(f"{where}: {error}") from error
    for name, value in msgspec.structs.asdict(profile.parameters).items():
        if value is not None and name not in _LAWFUL and (wrong := _out_of(_allowed_parameter(name), value)):
            raise RequirementError(f"{where}: [parameters] {name} = {value:g} {wrong}")
    for number, requirement in enumerate(profile.requirement, start=1):
        place = f"{where}: [[requirement]] number {number}"
        definition = BY_ID.get(requirement.kpi)
        if definition is None:
            raise RequirementError(f"{place}: unknown KPI {requirement.kpi!r}; known are {', '.join(BY_ID)}")
        if requirement.statistic not in definition.statistics:
            known = ", ".join(definition.statistics)
            raise RequirementError(
                f"{place}: {requirement.kpi} has no statistic {requirement.statistic!r}; it has {known}"
            )
        if not definition.better:
            raise RequirementError(f"{place}: {requirement.kpi} has no good side and cannot be required")
        if not requirement.source.strip():
            raise RequirementError(f"{place}: source (出典) must say where {requirement.limit:g} comes from")
        if wrong := _out_of(allowed_limit(definition, requirement.statistic), requirement.limit):
            raise RequirementError(
                f"{place}: {requirement.kpi} {requirement.statistic}: limit = {requirement.limit:g} {wrong}"
            )
    return profile


def _allowed_parameter(name: str) -> Allowed:
    if name.startswith("coverage_"):
        return Allowed(-200.0, 50.0, words="dBm")
    if name == "loss_constraint":
        return Allowed(1.0, words="packets")
    if name == "point_tests":
        return Allowed(1.0, words="tests")
    return Allowed(0.0, is_above=name != "survival_ms", words=name.rsplit("_", 1)[-1])


def allowed_limit(definition: KpiDefinition, statistic: str) -> Allowed:
    """Return which limits a KPI's statistic can be held against: ratios lie between 0 and 1, only levels below 0."""
    if definition.unit.startswith("dB") and statistic != "std":
        return Allowed(words=definition.unit)
    is_number = statistic in _NUMBERS or definition.id in _COUNTED
    if (definition.id, statistic) == ("video_freeze", "max"):
        return Allowed(0.0, words="s")
    if definition.unit == "1" and not is_number:
        return Allowed(0.0, 1.0, words="a ratio: 0.999 is 99.9 %")
    return Allowed(0.0, words="a number" if is_number else definition.unit)


def _out_of(allowed: Allowed, value: float) -> str:
    """Return what is allowed where the value is not, else nothing."""
    is_low = value <= allowed.low if allowed.is_above else value < allowed.low
    if math.isfinite(value) and not is_low and value <= allowed.high:
        return ""
    if math.isinf(allowed.low):
        bounds = "must be finite"
    elif math.isinf(allowed.high):
        bounds = f"must be finite and {'above' if allowed.is_above else 'at least'} {allowed.low:g}"
    else:
        bounds = f"must lie between {allowed.low:g} and {allowed.high:g}"
    return f"{bounds} ({allowed.words})"
