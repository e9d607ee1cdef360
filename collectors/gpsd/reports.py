"""gpsd's TPV and SKY reports as `position` samples (gpsd_json(5)). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contract.samples import Value

_NUMBERS = {"lat_deg": "lat", "lon_deg": "lon", "speed_mps": "speed", "heading_deg": "track", "err_m": "eph"}


def report_time_ns(report: dict[str, Any]) -> int | None:
    """Return the report's own time, or None if it has none (before the first fix)."""
    text = report.get("time")
    if not isinstance(text, str):
        return None
    try:
        whole, _, fraction = text.removesuffix("Z").partition(".")
        seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
        return seconds * 1_000_000_000 + int((fraction + "000000000")[:9])
    except ValueError:
        return None


def position_sample(report: dict[str, Any], satellites: int | None) -> dict[str, Value]:
    """Return the sample of a TPV report. Without a fix (mode below 2) there is no position, whatever else it says."""
    mode = report.get("mode", 0)
    sample: dict[str, Value] = {"mode": mode if mode in {0, 1, 2, 3} else 0, "satellites": satellites}
    if sample["mode"] not in {2, 3}:
        return sample
    for column, field in _NUMBERS.items():
        value = report.get(field)
        sample[column] = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    height = report.get("altHAE", report.get("altMSL", report.get("alt")))
    sample["alt_m"] = float(height) if isinstance(height, int | float) else None
    return sample


def satellites_used(report: dict[str, Any]) -> int | None:
    """Return how many satellites a SKY report says are used, or None if it does not say."""
    if isinstance(used := report.get("uSat"), int):
        return used
    satellites = report.get("satellites")
    if not isinstance(satellites, list):
        return None
    return sum(1 for satellite in satellites if isinstance(satellite, dict) and satellite.get("used"))
