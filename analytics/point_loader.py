"""The measuring points of a run from the database."""

from __future__ import annotations

import psycopg

from analytics.exclusions import stated
from analytics.families.device import LINK_STREAMS
from analytics.loader import load_exclusions, load_streams, run_window_us
from analytics.points import PointRow, point_rows
from analytics.requirements import load_requirements
from storage.reader import link_ids
from storage.runs import RunRecord


def points_of_run(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, link: str = ""
) -> list[PointRow]:  # fmt: skip
    """Return the measuring points of each link (or of the one named) with their tests, excluded intervals left out.

    Each says how many of those there are; tests in them are in no point.

    `profile` says how many tests a point needs and which rates are required. Raises RequirementError.
    """
    parameters = load_requirements(profile).parameters
    exclusions, window = load_exclusions(connection, run), run_window_us(run)
    wanted = {"throughput": (*LINK_STREAMS["throughput"], "lat_deg", "lon_deg")}
    found: list[PointRow] = []
    for (device, name), link_id in link_ids(connection, run.site, run.devices, run.links).items():
        if not name or link not in ("", name):
            continue
        tests = load_streams(connection, wanted, link_id, window, exclusions.of(name)).get("throughput")
        if tests is not None:
            found += point_rows(
                tests, parameters, device=device, link=name, filters=stated(exclusions.of(name), window)
            )  # fmt: skip
    return found
