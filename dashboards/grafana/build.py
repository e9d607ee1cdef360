"""The dashboard's JSON from the table of panels. Pure; `make docs` writes the file and a test holds it.

Written by hand rather than with Grafana's SDK: the builder has no query type for PostgreSQL, and a dozen panels need
four shapes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dashboards.grafana.panels import ANNOTATION_SQL, PANELS, VARIABLES, Panel, Variable

DATASOURCE = {"type": "grafana-postgresql-datasource", "uid": "jissho-postgres"}
DASHBOARD_UID = "jissho-overview"
DASHBOARD_FILE = Path(__file__).parent / "jissho-overview.json"
_SCHEMA_VERSION = 42
_COLUMNS = 24


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    if panel.kind == "geomap":
        layer = {"type": "markers", "name": "位置", "location": {"mode": "auto"}}
        return {"basemap": {"type": "default"}, "layers": [layer], "view": {"id": "fit", "allLayers": True}}
    return {"showHeader": True} if panel.kind == "table" else {}


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.minimum is not None:
        defaults["min"] = panel.minimum
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.kind == "timeseries":
        # A gap in the data is a gap in the line: never joined.
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 0,
            "spanNulls": False,
            "showPoints": "auto",
        }
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {"refId": "A", "datasource": DATASOURCE, "format": panel.format, "rawQuery": True, "rawSql": panel.sql}
        ],
    }


def _laid_out(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(_panel(panel, number, x, y))
        x += panel.width
        row_height = max(row_height, panel.height)
    return placed


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": variable.sql,
        "definition": variable.sql,
        "refresh": 2,
        "multi": variable.multi,
        "includeAll": variable.multi,
        "current": {"text": "All", "value": "$__all"} if variable.multi else {},
    }


def build_dashboard() -> dict[str, Any]:
    """Return the whole dashboard."""
    annotation = {
        "name": "走行・測定 Runs",
        "enable": True,
        "iconColor": "blue",
        "datasource": DATASOURCE,
        "target": {"refId": "Anno", "format": "table", "rawQuery": True, "rawSql": ANNOTATION_SQL},
    }
    return {
        "uid": DASHBOARD_UID,
        "title": "jissho 実証モニタ",
        "tags": ["jissho"],
        "timezone": "Asia/Tokyo",
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": [_variable(variable) for variable in VARIABLES]},
        "annotations": {"list": [annotation]},
        "panels": _laid_out(PANELS),
    }


def dashboard_json() -> str:
    """Return the text of `jissho-overview.json`."""
    return json.dumps(build_dashboard(), ensure_ascii=False, indent=2) + "\n"
