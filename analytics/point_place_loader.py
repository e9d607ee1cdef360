"""The measuring points of a run with their places from the database."""

from __future__ import annotations

import psycopg

from analytics.families.throughput import at_points
from analytics.loader import load_exclusions, load_streams, run_window_us
from analytics.point_loader import points_of_run
from analytics.point_places import Place, located, median_places
from analytics.points import PointRow
from storage.reader import link_ids
from storage.runs import RunRecord

_TESTS = {"throughput": ("point", "interval_s")}
_FIXES = {"position": ("lat_deg", "lon_deg", "mode")}


def located_points(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, link: str = ""
) -> list[PointRow]:  # fmt: skip
    """Return `points_of_run`, those without a surveyed place where the device stood during their tests.

    Raises RequirementError.
    """
    rows = points_of_run(connection, run, profile, link)
    lacking = {(row.device, row.link) for row in rows if row.lat_deg is None}
    exclusions, window = load_exclusions(connection, run), run_window_us(run)
    ids = link_ids(connection, run.site, run.devices, run.links) if lacking else {}
    measured: dict[tuple[str, str, str], Place] = {}
    for device in sorted({device for device, _ in lacking if (device, "") in ids}):
        position = load_streams(connection, _FIXES, ids[device, ""], window).get("position")
        for name in [name for owner, name in sorted(lacking) if owner == device and position is not None]:
            tests = load_streams(connection, _TESTS, ids[device, name], window, exclusions.of(name)).get("throughput")
            if tests is not None and position is not None:
                places = median_places(tests.where(at_points(tests)), position)
                measured |= {(device, name, point): place for point, place in places.items()}
    return located(rows, measured)
