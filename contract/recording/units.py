"""Unit conversion at import: what a vendor's file calls a unit, to the unit of the contract's column.

Conversions are exact rational numbers, so that 72 km/h becomes 20 m/s and not 20.000000000000004. Only linear
conversions inside one dimension exist; everything else is an error, for a guess would end in a report.
"""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from contract.recording.errors import ProfileError

_CONTEXT = Context(prec=40)
"""40 digits: more than any value times any factor has; an own context, since the thread's default may be changed."""

_BASES: dict[str, dict[str, Fraction]] = {
    "time": {
        "s": Fraction(1),
        "ms": Fraction(1, 1000),
        "us": Fraction(1, 10**6),
        "ns": Fraction(1, 10**9),
        "min": Fraction(60),
        "h": Fraction(3600),
    },
    "ratio": {
        "1": Fraction(1),
        "%": Fraction(1, 100),
        "[ppm]": Fraction(1, 10**6),
        "[ppb]": Fraction(1, 10**9),
    },
    "speed": {
        "m/s": Fraction(1),
        "km/h": Fraction(10, 36),
        "[mi_i]/h": Fraction(44704, 100_000),
        "[kn_i]": Fraction(1852, 3600),
    },
    "acceleration": {"m/s2": Fraction(1), "[g]": Fraction(980_665, 100_000)},
    "rate": {
        "bit/s": Fraction(1),
        "kbit/s": Fraction(10**3),
        "Mbit/s": Fraction(10**6),
        "Gbit/s": Fraction(10**9),
        "By/s": Fraction(8),
        "kBy/s": Fraction(8 * 10**3),
        "MBy/s": Fraction(8 * 10**6),
    },
    "length": {
        "m": Fraction(1),
        "km": Fraction(1000),
        "cm": Fraction(1, 100),
        "mm": Fraction(1, 1000),
        "[ft_i]": Fraction(3048, 10_000),
    },
    "angle": {"deg": Fraction(1), "cdeg": Fraction(1, 100)},
    "frequency": {
        "Hz": Fraction(1),
        "1/s": Fraction(1),
        "kHz": Fraction(10**3),
        "MHz": Fraction(10**6),
        "GHz": Fraction(10**9),
    },
    "gain": {"dB": Fraction(1), "cdB": Fraction(1, 100), "ddB": Fraction(1, 10)},
    "power level": {
        "dB[mW]": Fraction(1),
        "cdB[mW]": Fraction(1, 100),
        "ddB[mW]": Fraction(1, 10),
        "dB[W]": Fraction(1),
    },
    "temperature": {"Cel": Fraction(1), "K": Fraction(1), "[degF]": Fraction(5, 9)},
}
_SHIFTS = {"dB[W]": Fraction(30), "K": Fraction(-27315, 100), "[degF]": Fraction(-160, 9)}
_ALIASES = {
    "sec": "s", "msec": "ms", "usec": "us", "µs": "us", "μs": "us", "nsec": "ns",
    "percent": "%", "pct": "%", "ppm": "[ppm]", "ppb": "[ppb]",
    "mps": "m/s", "kmh": "km/h", "km/hr": "km/h", "kph": "km/h", "mph": "[mi_i]/h", "kn": "[kn_i]", "kt": "[kn_i]",
    "m/s^2": "m/s2", "m/s²": "m/s2", "g": "[g]",
    "bps": "bit/s", "kbps": "kbit/s", "Mbps": "Mbit/s", "Gbps": "Gbit/s",
    "B/s": "By/s", "kB/s": "kBy/s", "MB/s": "MBy/s",
    "ft": "[ft_i]", "degree": "deg", "degrees": "deg", "°": "deg", "fps": "1/s",
    "dBm": "dB[mW]", "dBW": "dB[W]", "0.1 dBm": "ddB[mW]", "0.01 dBm": "cdB[mW]", "0.1 dB": "ddB", "0.01 dB": "cdB",
    "C": "Cel", "degC": "Cel", "°C": "Cel", "℃": "Cel", "F": "[degF]", "degF": "[degF]",
}  # fmt: skip
_DIMENSION = {unit: dimension for dimension, units in _BASES.items() for unit in units}


class Linear(NamedTuple):
    """A conversion: value * scale + shift."""

    scale: Fraction
    shift: Fraction

    @property
    def is_identity(self) -> bool:
        """Whether the conversion changes nothing."""
        return self.scale == 1 and self.shift == 0

    def after(self, inner: Linear) -> Linear:
        """Return the conversion that applies `inner` first and this one to its result."""
        return Linear(self.scale * inner.scale, self.scale * inner.shift + self.shift)

    def __call__(self, value: Decimal) -> Decimal:
        """Convert one value; exact, or rounded to 40 digits where the scale is periodic."""
        result = _CONTEXT.multiply(value, Decimal(self.scale.numerator))
        if self.scale.denominator != 1:
            result = _CONTEXT.divide(result, Decimal(self.scale.denominator))
        if self.shift:
            part = _CONTEXT.divide(Decimal(self.shift.numerator), Decimal(self.shift.denominator))
            result = _CONTEXT.add(result, part)
        return result


IDENTITY = Linear(Fraction(1), Fraction(0))


def conversion(source: str, target: str) -> Linear:
    """Return the conversion from unit `source` (UCUM code or common spelling) to unit `target` (UCUM code).

    Raises ProfileError for a unit that is not known and for two units that do not measure the same thing.
    """
    source, target = _ALIASES.get(source, source), _ALIASES.get(target, target)
    if source == target:
        return IDENTITY
    for unit in (source, target):
        if unit not in _DIMENSION:
            known = ", ".join(sorted({*_DIMENSION, *_ALIASES}))
            raise ProfileError(f"unit {unit!r} is not known; use `factor` and `offset`, or one of {known}")
    if _DIMENSION[source] != _DIMENSION[target]:
        raise ProfileError(
            f"unit {source!r} ({_DIMENSION[source]}) does not convert to {target!r} ({_DIMENSION[target]})"
        )
    units = _BASES[_DIMENSION[source]]
    scale = units[source] / units[target]
    shift = (_SHIFTS.get(source, Fraction(0)) - _SHIFTS.get(target, Fraction(0))) / units[target]
    return Linear(scale, shift)
