"""Samples of one stream as arrays that KPI functions can take: numbers with NaN for null, texts with None."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.probes import Values

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
LONGEST_INTERVALS = 3.0
"""A sample stands for at most so many of the usual intervals: what follows is a pause, which nobody measured."""


@dataclass(frozen=True, slots=True)
class Series:
    """n samples sorted by time: `t_us` int64; `numbers` float64 by column, NaN where null; `texts` object arrays."""

    t_us: Times
    numbers: Mapping[str, Floats]
    texts: Mapping[str, npt.NDArray[np.object_]]

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.t_us.size)

    def number(self, name: str) -> Floats:
        """Return a column of numbers, all NaN where the data do not have it."""
        found = self.numbers.get(name)
        return np.full(self.n, np.nan) if found is None else found

    def text(self, name: str) -> npt.NDArray[np.object_]:
        """Return a column of texts, all None where the data do not have it."""
        found = self.texts.get(name)
        return np.full(self.n, None, object) if found is None else found

    def where(self, rows: Bools) -> Series:
        """Return the samples of a mask."""
        return Series(
            self.t_us[rows],
            {name: values[rows] for name, values in self.numbers.items()},
            {name: values[rows] for name, values in self.texts.items()},
        )

    @property
    def data_hash(self) -> str:
        """Hash of everything in it."""
        digest = hashlib.sha256(self.t_us.tobytes())
        for name, values in sorted(self.numbers.items()):
            digest.update(name.encode() + values.tobytes())
        for name, words in sorted(self.texts.items()):
            digest.update(name.encode() + "\0".join(map(str, words.tolist())).encode())
        return digest.hexdigest()[:16]


def series(columns: Mapping[str, Values]) -> Series:
    """Build a series from columns as the reader gives them (`t_us` and any others), rows in any order.

    Values that are not finite become NaN: they are as good as null.
    """
    t_us = columns["t_us"].values.astype(np.int64)
    order = np.argsort(t_us, kind="stable")
    numbers: dict[str, Floats] = {}
    texts: dict[str, npt.NDArray[np.object_]] = {}
    for name, column in columns.items():
        if name == "t_us":
            continue
        if column.values.dtype == np.object_:
            words = column.values[order]
            if column.valid is not None:
                words = words.copy()
                words[~column.valid[order]] = None
            texts[name] = words
            continue
        values = _as_doubles(column.values)[order]
        if column.valid is not None:
            values[~column.valid[order]] = np.nan
        values[~np.isfinite(values)] = np.nan
        numbers[name] = values
    return Series(t_us[order], numbers, texts)


def ends_us(some: Iterable[Series]) -> tuple[int, int]:
    """Return the first and the last instant of several series, none of them empty."""
    ends = [(int(each.t_us[0]), int(each.t_us[-1])) for each in some]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _as_doubles(values: npt.NDArray[Any]) -> Floats:
    """Return doubles; what came in four bytes keeps the seven digits it has, -127.88 instead of -127.880000019."""
    doubles = values.astype(np.float64)
    if values.dtype != np.float32:
        return doubles
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (6 - np.floor(np.log10(np.abs(doubles))))
        rounded = np.round(doubles * scale) / scale
    return np.asarray(np.where(np.isfinite(rounded), rounded, doubles))


def joined(parts: Sequence[Series]) -> Series | None:
    """Return several series of the same columns as one, sorted by time; None where there are none."""
    if not parts:
        return None
    t_us = np.concatenate([part.t_us for part in parts])
    order = np.argsort(t_us, kind="stable")
    return Series(
        t_us[order],
        {name: np.concatenate([part.number(name) for part in parts])[order] for name in parts[0].numbers},
        {name: np.concatenate([part.text(name) for part in parts])[order] for name in parts[0].texts},
    )


def durations_s(t_us: Times, longest_intervals: float = LONGEST_INTERVALS) -> Floats:
    """Return for how long each sample stands: until the next, at most three of the usual intervals.

    The last one stands for the usual interval; a pause in the measurement is nobody's time.
    """
    if t_us.size < 2:  # noqa: PLR2004 - one sample has no interval
        return np.zeros(t_us.size)
    steps = np.diff(t_us) / 1e6
    usual = float(np.median(steps))
    return np.asarray(np.minimum(np.append(steps, usual), longest_intervals * usual))


def nearest(t_us: Times, at_us: Any, within_us: int) -> tuple[npt.NDArray[np.intp], Bools]:
    """Return for each instant of `at_us` the place of the nearest sample, and whether it is at most `within_us` off."""
    at = np.asarray(at_us, np.int64)
    if not t_us.size:
        return np.zeros(at.size, np.intp), np.zeros(at.size, np.bool_)
    after = np.clip(np.searchsorted(t_us, at), 0, t_us.size - 1)
    before = np.maximum(after - 1, 0)
    place = np.where(np.abs(t_us[before] - at) <= np.abs(t_us[after] - at), before, after)
    return place, np.asarray(np.abs(t_us[place] - at) <= within_us)


NEAR_US = 2_000_000
"""What was measured more than two seconds away says nothing about a packet: twice the usual interval of modems."""


def near_values(samples: Series | None, column: str, at_us: Times) -> Floats:
    """Return the value measured nearest to each instant, NaN where none was within two seconds."""
    if samples is None:
        return np.full(at_us.size, np.nan)
    # Of samples that have the column: a modem that reports SINR every other time has not lost it in between.
    known = samples.where(np.isfinite(samples.number(column)))
    if not known.n:
        return np.full(at_us.size, np.nan)
    place, is_near = nearest(known.t_us, at_us, NEAR_US)
    return np.asarray(np.where(is_near, known.number(column)[place], np.nan))
