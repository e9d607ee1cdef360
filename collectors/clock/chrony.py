"""`chronyc -c tracking`, one line of comma-separated values (chronyc(1))."""

from __future__ import annotations

from contract.samples import Value

_FIELDS = 14


def parse_tracking(line: str) -> dict[str, Value]:
    """Return the `clock` sample that a tracking line means.

    The bound is |system time offset| + root dispersion + root delay / 2, the statement of chronyc(1). Field 5 is
    positive when the clock is slow, so the offset of the sample, positive when ahead, has the other sign. A leap status
    other than "Normal" (or a pending leap second) is not synchronised, and then there is no bound. Raises ValueError
    for a line that is not of this form.
    """
    fields = line.strip().split(",")
    if len(fields) < _FIELDS:
        raise ValueError(f"chronyc -c tracking gave {len(fields)} fields, {_FIELDS} are expected: {line.strip()!r}")
    slow_s, root_delay_s, root_dispersion_s = float(fields[4]), float(fields[10]), float(fields[11])
    leap = fields[13]
    is_synced = leap in {"Normal", "Insert second", "Delete second"} and int(fields[2]) > 0
    bound_us = (abs(slow_s) + root_dispersion_s + root_delay_s / 2) * 1e6
    return {
        "method": "chrony",
        "synced": is_synced,
        "offset_us": -slow_s * 1e6,
        "bound_us": bound_us if is_synced else None,
        "stratum": int(fields[2]),
        "freq_ppm": float(fields[7]),
        "leap": leap,
        "reference": fields[1] or fields[0],
    }
