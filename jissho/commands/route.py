"""`jissho route`: how each section of the road, or each mesh, serves the application."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import msgspec

from jissho.output import print_json, print_table
from jissho.settings import Settings, database

_GRIDS = {"section": "区間 sections", "mesh": "地域メッシュ JIS X 0410 meshes", "grid": "格子 grid"}


def route(
    run: str,
    *,
    link: str = "",
    grid: Literal["section", "mesh", "grid"] = "section",
    size: float | None = None,
    moving_only: bool = False,
    geojson: Path | None = None,
    profile: str = "",
    json: bool = False,
) -> None:
    """Say for each place of a run how its packets fared, and whether it is fit by the profile.

    Parameters
    ----------
    run
        Name or number of the run.
    link
        Only this link.
    grid
        Sections of the route, JIS X 0410 meshes, or a square grid.
    size
        Metres: default 50 for sections, 125 for meshes (also 250, 500, 1000, 10000), 20 for the grid.
    moving_only
        Leave out what was measured while the vehicle stood (below 0.5 m/s for ten seconds and more).
    geojson
        Write the places to this file, for QGIS or 地理院地図.
    profile
        Requirement profile: its reliability is the measure. Default JISSHO_PROFILE.
    json
        Print one JSON object a place.

    """
    from analytics.place_loader import route_of_run  # noqa: PLC0415 - commands load what they need
    from analytics.route_cell import geojson as as_geojson  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.errors import StorageError  # noqa: PLC0415
    from storage.run_links import check_links  # noqa: PLC0415
    from storage.runs import get_run  # noqa: PLC0415

    settings = Settings()
    try:
        with database(settings) as url, connect(url) as connection:
            record = get_run(connection, run)
            check_links(connection, record, link)
            found = route_of_run(
                connection, record, link, profile or settings.text("JISSHO_PROFILE") or None, grid=grid, size_m=size,
                moving_only=moving_only,
            )  # fmt: skip
    except ValueError as error:
        raise StorageError(f"--size: {error}") from error
    if geojson is not None:
        features = [
            feature
            for name, cells in found.items()
            for feature in as_geojson([*cells], {})["features"]
            if feature["properties"].setdefault("link", name)
        ]
        whole = {"type": "FeatureCollection", "properties": {"run": record.name, "grid": grid}, "features": features}
        geojson.write_bytes(msgspec.json.encode(whole))
        sys.stderr.write(f"{geojson}: {len(features)} places (世界測地系 WGS 84)\n")
    if json:
        print_json({"link": name, **msgspec.structs.asdict(cell)} for name, cells in found.items() for cell in cells)
        return
    for name, cells in found.items():
        unclear = dict.fromkeys(each for cell in cells for each in (cell.filter, cell.reason) if each)
        print_table(
            f"経路適合性 Route fitness: {record.name}, {name}, {_GRIDS[grid]}",
            ["区間 Cell", "始点 From [m]", "緯度 Lat", "経度 Lon", "n", "通過 Passes", "p50 [ms]", "p95 [ms]",
             "損失 Loss", "所要内 Within", "95%信頼区間 CI", "RSRP [dBm]", "判定 Verdict", "備考 Note"],
            [
                (
                    str(cell.cell), cell.distance_m, f"{cell.lat_deg:.5f}", f"{cell.lon_deg:.5f}", cell.n, cell.passes,
                    _short(cell.p50_ms), _short(cell.p95_ms), _short(cell.loss), _short(cell.within),
                    f"{_short(cell.ci_low) or '…'} – {_short(cell.ci_high) or '…'}", _short(cell.rsrp_dbm),
                    cell.verdict or "", cell.reason.split(" / ")[0],
                )
                for cell in cells
            ],
            note="。".join([
                "所要内: 所要遅延内に届いた割合 share delivered within the bound。測定のない区間は載らない", *unclear
            ]),
        )  # fmt: skip


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
