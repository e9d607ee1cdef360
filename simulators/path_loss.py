"""Path loss by 3GPP TR 38.901 and correlated shadowing: pure functions on arrays.

Closed formulas of Table 7.4.1-1 (path loss and shadow fading) and Table 7.4.2-1 (LOS probability) for the outdoor
scenarios UMa (base station above the roofs) and UMi street canyon (below), for a terminal below 13 m.
Distances in metres, frequencies in GHz, losses in dB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scenario = Literal["UMa", "UMi"]
Floats = NDArray[np.float64]

SPEED_OF_LIGHT_MPS = 3.0e8  # as note 1 of Table 7.4.1-1 rounds it
MIN_DISTANCE_M = 10.0
"""Below it the formulas are not defined; nearer terminals get the loss at 10 m."""

_ENVIRONMENT_HEIGHT_M = 1.0  # effective environment height for a terminal below 13 m, note 1


@dataclass(frozen=True, slots=True)
class ShadowFading:
    """Standard deviation (Table 7.4.1-1) and decorrelation distance (Table 7.5-6) of one scenario and state."""

    sigma_db: float
    correlation_m: float


SHADOW_FADING: dict[tuple[Scenario, bool], ShadowFading] = {
    ("UMa", True): ShadowFading(4.0, 37.0),
    ("UMa", False): ShadowFading(6.0, 50.0),
    ("UMi", True): ShadowFading(4.0, 10.0),
    ("UMi", False): ShadowFading(7.82, 13.0),
}
"""By scenario and whether there is line of sight."""

LOS_CORRELATION_M = 50.0
"""Over this distance the state (line of sight or not) decorrelates, UMa and UMi (Table 7.6.3.1-2)."""


def breakpoint_m(frequency_ghz: float, base_height_m: float, terminal_height_m: float) -> float:
    """Return the breakpoint distance d'BP of note 1 of Table 7.4.1-1."""
    base, terminal = base_height_m - _ENVIRONMENT_HEIGHT_M, terminal_height_m - _ENVIRONMENT_HEIGHT_M
    return 4.0 * base * terminal * frequency_ghz * 1e9 / SPEED_OF_LIGHT_MPS


def path_loss_db(
    scenario: Scenario,
    distance_m: ArrayLike,
    *,
    frequency_ghz: float,
    base_height_m: float,
    terminal_height_m: float = 1.5,
    line_of_sight: bool,
) -> Floats:
    """Return the median path loss over horizontal distances (Table 7.4.1-1, without shadow fading)."""
    flat = np.maximum(np.asarray(distance_m, dtype=np.float64), MIN_DISTANCE_M)
    drop = base_height_m - terminal_height_m
    log_d3 = np.log10(np.hypot(flat, drop))
    log_f = math.log10(frequency_ghz)
    knee = breakpoint_m(frequency_ghz, base_height_m, terminal_height_m)
    log_knee = math.log10(knee**2 + drop**2)
    if scenario == "UMa":
        near = 28.0 + 22.0 * log_d3 + 20.0 * log_f
        far = 28.0 + 40.0 * log_d3 + 20.0 * log_f - 9.0 * log_knee
        blocked = 13.54 + 39.08 * log_d3 + 20.0 * log_f - 0.6 * (terminal_height_m - 1.5)
    else:
        near = 32.4 + 21.0 * log_d3 + 20.0 * log_f
        far = 32.4 + 40.0 * log_d3 + 20.0 * log_f - 9.5 * log_knee
        blocked = 35.3 * log_d3 + 22.4 + 21.3 * log_f - 0.3 * (terminal_height_m - 1.5)
    clear = np.where(flat <= knee, near, far)
    return clear if line_of_sight else np.maximum(clear, blocked)


def line_of_sight_probability(scenario: Scenario, distance_m: ArrayLike) -> Floats:
    """Return P(line of sight) over horizontal distances (Table 7.4.2-1; C' = 0 below 13 m)."""
    flat = np.maximum(np.asarray(distance_m, dtype=np.float64), 18.0)
    reach_m = 63.0 if scenario == "UMa" else 36.0
    result: Floats = 18.0 / flat + np.exp(-flat / reach_m) * (1.0 - 18.0 / flat)
    return result


def autoregressive(rng: np.random.Generator, n: int, rho: float) -> Floats:
    """Return `n` steps of a stationary AR(1) series of unit variance with lag-one correlation `rho`."""
    width = math.sqrt(1.0 - rho * rho)
    steps = rng.standard_normal(n).tolist()
    if not steps:
        return np.empty(0)
    return np.array(list(accumulate(steps[1:], lambda level, step: rho * level + width * step, initial=steps[0])))


def correlated_shadowing(rng: np.random.Generator, n: int, spacing_m: float, correlation_m: float) -> Floats:
    """Return shadowing of unit variance at `n` places `spacing_m` apart, correlated as exp(-d / correlation_m).

    Gudmundson, Electronics Letters 27(23), 1991; equation 7.4-5 of TR 38.901.
    """
    return autoregressive(rng, n, math.exp(-spacing_m / correlation_m))


def line_of_sight(rng: np.random.Generator, probability: Floats, spacing_m: float) -> NDArray[np.bool_]:
    """Draw along a route where there is line of sight; the state holds over about `LOS_CORRELATION_M`.

    A place has line of sight with exactly its `probability`: a correlated normal field is compared with its quantile.
    """
    field = autoregressive(rng, len(probability), math.exp(-spacing_m / LOS_CORRELATION_M))
    uniform = np.array([0.5 * math.erfc(-level / math.sqrt(2.0)) for level in field.tolist()])
    return uniform < probability
