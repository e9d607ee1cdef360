"""The radio world: base stations along the route, what the terminal receives, which cell serves it.

Pure and vectorised: maps over the route's grid are drawn once from the seed, so every pass of the same place meets
the same shadow; time series are read from them. Path loss and shadowing: `path_loss`. Levels in dBm are per resource
element for RSRP and over the whole carrier for RSSI and received power (TS 38.215 5.1.1, 5.1.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.path_loss import (
    SHADOW_FADING,
    Floats,
    Scenario,
    autoregressive,
    correlated_shadowing,
    line_of_sight,
    line_of_sight_probability,
    path_loss_db,
)
from simulators.route import SPACING_M, UNDERPASS_M, Route

Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]

THERMAL_NOISE_DBM_HZ = -174.0
FADING_SIGMA_DB = 1.2
FADING_MEMORY_S = 0.4
"""What is left of fast fading after the terminal's averaging over 100 MHz or 20 MHz and 100 ms."""

MEASUREMENT_SIGMA_DB = 0.6
UNDERPASS_LOSS_DB = 12.0

SITE_CORRELATION = 0.5
"""Correlation of the shadowing of two sites at one place (3GPP TR 36.942 5.2): trees and buses shade all of them."""

LOS_FADE_M = 25
"""Length over which line of sight comes and goes. A hard edge moved the SINR by up to 50 dB in 0.1 s, and gave 45
handovers a leg; TR 38.901 7.6.3.3 softens the state for the same reason."""

DISTORTION_DB = -34.0
"""Transmitter and receiver distortion relative to the signal: SINR saturates there, as in terminals."""

OUT_OF_SYNC_DB = -8.0
IN_SYNC_DB = -6.0
RADIO_LINK_TIMER_S = 1.0
"""Radio link failure: SINR below out-of-sync for T310 (TS 38.331 5.3.10), back above in-sync. The SINR values stand
for block error ratios of 10 % and 2 % of the control channel (TS 38.133 8.1)."""

_CQI_FIRST_DB = -6.7
_CQI_STEP_DB = 1.96
"""SINR of CQI 1 and the step to the next one: a straight line through published AWGN curves at 10 % block error."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A base station sector; place in metres east and north of the route's origin, antenna height above ground."""

    name: str
    pci: int
    cell_id: int
    east_m: float
    north_m: float
    height_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSystem:
    """One link's radio system. `power_dbm` is radiated over the whole carrier, antenna gain included.

    `load` is the share of resource elements in use; `uplink_ratio` the share of the uplink that one vehicle gets,
    TDD pattern included. `handover_s` bounds the interruption of a handover.
    """

    rat: str
    band: str
    arfcn: int
    frequency_ghz: float
    bandwidth_mhz: float
    resource_blocks: int
    subcarrier_khz: float
    scenario: Scenario
    power_dbm: float
    cells: tuple[Cell, ...]
    load: float
    uplink_ratio: float
    handover_s: tuple[float, float]
    noise_figure_db: float = 7.0
    hysteresis_db: float = 4.0
    time_to_trigger_s: float = 0.64

    @property
    def elements_db(self) -> float:
        """Resource elements of one symbol, in dB: 12 per resource block."""
        return 10.0 * math.log10(12 * self.resource_blocks)

    @property
    def noise_dbm(self) -> float:
        """Noise per resource element."""
        return THERMAL_NOISE_DBM_HZ + 10.0 * math.log10(self.subcarrier_khz * 1e3) + self.noise_figure_db


LOCAL_5G = RadioSystem(
    rat="NR-SA",
    band="n79",
    arfcn=723_334,  # 4850.01 MHz
    frequency_ghz=4.85,
    bandwidth_mhz=100.0,
    resource_blocks=273,
    subcarrier_khz=30.0,
    scenario="UMi",
    power_dbm=42.0,
    cells=(
        Cell("l5g-1", 101, 0x0_0010_0001, 480.0, 330.0, 8.0),
        Cell("l5g-2", 102, 0x0_0010_0002, 840.0, 640.0, 8.0),
        Cell("l5g-3", 103, 0x0_0010_0003, 1240.0, 900.0, 8.0),
    ),
    load=0.25,
    uplink_ratio=0.2,
    handover_s=(0.050, 0.150),
)
"""Local 5G: three small cells that cover about the first half of the route."""

CARRIER_LTE = RadioSystem(
    rat="LTE",
    band="B3",
    arfcn=1650,  # 1850 MHz
    frequency_ghz=1.85,
    bandwidth_mhz=20.0,
    resource_blocks=100,
    subcarrier_khz=15.0,
    scenario="UMa",
    power_dbm=60.0,
    cells=(
        Cell("lte-1", 211, 0x0A1_2301, 350.0, 720.0, 30.0),
        Cell("lte-2", 305, 0x0A1_2402, 1480.0, 640.0, 35.0),
        Cell("lte-3", 77, 0x0A1_2503, 2150.0, 1720.0, 30.0),
    ),
    load=0.5,
    uplink_ratio=0.3,
    handover_s=(0.030, 0.080),
)
"""A carrier's LTE: macro cells that cover the whole route."""


@dataclass(frozen=True, slots=True)
class RadioSeries:
    """What one link meets over time: true levels, the serving cell, what the terminal reports, interruptions.

    Arrays over time: `serving` indexes `system.cells`; `rsrp_dbm` and `sinr_db` are true, `reported_...` carry
    measurement error; `down` is true between radio link failure and recovery. `handover_tick` says at which indices
    the serving cell changed while the link was up, `handover_s` how long each change interrupted it.
    """

    system: RadioSystem
    serving: Indices
    rsrp_dbm: Floats
    sinr_db: Floats
    reported_rsrp_dbm: Floats
    reported_sinr_db: Floats
    rssi_dbm: Floats
    rx_power_dbm: Floats
    rsrq_db: Floats
    path_loss_db: Floats
    down: Bools
    handover_tick: Indices
    handover_s: Floats


def link_budget_maps(rng: np.random.Generator, system: RadioSystem, route: Route) -> Floats:
    """Return the RSRP in dBm over (cell, place on the route): path loss, line of sight, correlated shadowing."""
    n = len(route.along_m)
    rsrp = np.empty((len(system.cells), n))
    under = (route.along_m >= UNDERPASS_M[0]) & (route.along_m < UNDERPASS_M[1])
    fadings = [SHADOW_FADING[system.scenario, state] for state in (False, True)]
    shared = [correlated_shadowing(rng, n, SPACING_M, fading.correlation_m) for fading in fadings]
    window = np.ones(LOS_FADE_M) / LOS_FADE_M
    for row, cell in enumerate(system.cells):
        distance_m = np.hypot(route.east_m - cell.east_m, route.north_m - cell.north_m)
        clear = line_of_sight(rng, line_of_sight_probability(system.scenario, distance_m), SPACING_M)
        loss = []
        for state, fading, common in zip((False, True), fadings, shared, strict=True):
            own = correlated_shadowing(rng, n, SPACING_M, fading.correlation_m)
            shadow = math.sqrt(SITE_CORRELATION) * common + math.sqrt(1.0 - SITE_CORRELATION) * own
            median = path_loss_db(
                system.scenario,
                distance_m,
                frequency_ghz=system.frequency_ghz,
                base_height_m=cell.height_m,
                line_of_sight=state,
            )
            loss.append(median + fading.sigma_db * shadow)
        share = np.convolve(np.pad(clear.astype(np.float64), LOS_FADE_M // 2, mode="edge"), window, mode="valid")
        total = (1.0 - share) * loss[0] + share * loss[1] + np.where(under, UNDERPASS_LOSS_DB, 0.0)
        rsrp[row] = system.power_dbm - system.elements_db - total
    return rsrp


def select_cells(rsrp_dbm: Floats, tick_s: float, *, hysteresis_db: float, time_to_trigger_s: float) -> Indices:
    """Return the serving cell over time by the entering condition of event A3 (TS 38.331 5.5.4.4).

    `rsrp_dbm` has shape (cell, time). A neighbour takes over when it was better than the serving cell by more than
    `hysteresis_db` for `time_to_trigger_s` without a break.
    """
    wait_ticks = max(round(time_to_trigger_s / tick_s), 1)
    levels = rsrp_dbm.T.tolist()
    best = np.argmax(rsrp_dbm, axis=0).tolist()
    serving = best[0] if best else 0
    candidate, since = serving, 0
    chosen = []
    for level, strongest in zip(levels, best, strict=True):
        if level[strongest] - level[serving] > hysteresis_db:
            since = since + 1 if strongest == candidate else 1
            candidate = strongest
            if since >= wait_ticks:
                serving, since = strongest, 0
        else:
            candidate, since = serving, 0
        chosen.append(serving)
    return np.array(chosen, dtype=np.int64)


def link_down(sinr_db: Floats, tick_s: float) -> Bools:
    """Return where the link has failed: SINR under out-of-sync for T310, until it is above in-sync for as long."""
    wait_ticks = max(round(RADIO_LINK_TIMER_S / tick_s), 1)
    down, since = False, 0
    states = []
    for level in sinr_db.tolist():
        against = level > IN_SYNC_DB if down else level < OUT_OF_SYNC_DB
        since = since + 1 if against else 0
        if since >= wait_ticks:
            down, since = not down, 0
        states.append(down)
    return np.array(states, dtype=np.bool_)


def simulate_radio(
    rng: np.random.Generator, system: RadioSystem, route: Route, along_m: Floats, tick_s: float
) -> RadioSeries:
    """Return what the link meets while the vehicle is at `along_m`, one place every `tick_s`."""
    maps = link_budget_maps(rng, system, route)
    n = len(along_m)
    memory = math.exp(-tick_s / FADING_MEMORY_S)
    fading = np.stack([FADING_SIGMA_DB * autoregressive(rng, n, memory) for _ in system.cells])
    levels = np.stack([route.at(row, along_m) for row in maps]) + fading
    noisy = levels + MEASUREMENT_SIGMA_DB * rng.standard_normal(levels.shape)
    serving = select_cells(
        noisy, tick_s, hysteresis_db=system.hysteresis_db, time_to_trigger_s=system.time_to_trigger_s
    )
    time = np.arange(n)
    power = 10.0 ** (levels / 10.0)
    own = power[serving, time]
    noise = 10.0 ** (system.noise_dbm / 10.0)
    interference = system.load * (power.sum(axis=0) - own)
    rsrp_dbm = levels[serving, time]
    sinr_db = 10.0 * np.log10(own / (noise + interference + own * 10.0 ** (DISTORTION_DB / 10.0)))
    elements = 12 * system.resource_blocks
    rssi_dbm = 10.0 * np.log10(elements * (system.load * own + interference + noise))
    reported_rsrp = noisy[serving, time]
    down = link_down(sinr_db, tick_s)
    handover_tick = np.flatnonzero(np.diff(serving)) + 1
    handover_tick = handover_tick[~down[handover_tick]]
    return RadioSeries(
        system=system,
        serving=serving,
        rsrp_dbm=rsrp_dbm,
        sinr_db=sinr_db,
        reported_rsrp_dbm=reported_rsrp,
        reported_sinr_db=sinr_db + MEASUREMENT_SIGMA_DB * rng.standard_normal(n),
        rssi_dbm=rssi_dbm,
        # What the coverage rules mean by received power: the own carrier at full load, and the noise under it.
        rx_power_dbm=10.0 * np.log10(elements * (own + noise)),
        rsrq_db=10.0 * math.log10(system.resource_blocks) + reported_rsrp - rssi_dbm,
        path_loss_db=system.power_dbm - system.elements_db - rsrp_dbm,
        down=down,
        handover_tick=handover_tick,
        handover_s=rng.uniform(*system.handover_s, size=len(handover_tick)),
    )


def channel_quality(sinr_db: Floats) -> Indices:
    """Return the CQI, 0 (out of range) to 15."""
    steps = np.floor((sinr_db - _CQI_FIRST_DB) / _CQI_STEP_DB).astype(np.int64)
    return np.clip(steps + 1, 0, 15)


def uplink_capacity_bps(series: RadioSeries) -> Floats:
    """Return what one vehicle can send: 60 % of the Shannon bound, 7.4 bit/s/Hz at most (256-QAM), none when down."""
    system = series.system
    efficiency = np.minimum(0.6 * np.log2(1.0 + 10.0 ** (series.sinr_db / 10.0)), 7.4)
    capacity = system.bandwidth_mhz * 1e6 * system.uplink_ratio * efficiency
    return np.where(series.down, 0.0, capacity)
