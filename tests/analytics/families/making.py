"""Series from short lists."""

import numpy as np

from analytics.figures import Figures
from analytics.requirements import Parameters, Profile, Requirement
from analytics.series import Series
from tests.analytics.making import T0_US, subject


def make_series(t_s, **columns) -> Series:
    """Make a series from seconds since T0 and lists; None is null, lists of texts become texts."""
    t_us = T0_US + np.round(np.asarray(t_s, float) * 1e6).astype(np.int64)
    numbers, texts = {}, {}
    for name, values in columns.items():
        if any(isinstance(value, str) for value in values):
            texts[name] = np.array(values, object)
        else:
            numbers[name] = np.array([np.nan if value is None else value for value in values], float)
    return Series(t_us, numbers, texts)


def make_figures(*requirements: Requirement, **parameters) -> Figures:
    """Make figures of a subject with parameters and requirements."""
    profile = Profile(
        name="test", ja="", en="", status="", parameters=Parameters(**parameters), requirement=requirements
    )
    return Figures(subject(profile), "hash")


def drive(seconds: int, speed_mps: float, *, lat_deg=35.0, lon_deg=139.0) -> Series:
    """Make a drive due north at constant speed, a fix a second."""
    t_s = np.arange(seconds + 1)
    return make_series(
        t_s, lat_deg=lat_deg + np.degrees(t_s * speed_mps / 6_371_008.8), lon_deg=np.full(t_s.size, lon_deg),
        speed_mps=np.full(t_s.size, speed_mps), mode=np.full(t_s.size, 3),
    )  # fmt: skip
