"""Rewrite every document and migration that is rendered from a table: `make docs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from analytics.render import kpi_md
from contract.render import asyncapi_json, data_contract_md
from dashboards.grafana.build import DASHBOARD_FILE, dashboard_json
from jissho.render import settings_md
from storage.aggregates import continuous_aggregates_sql, plain_aggregates_sql
from storage.ddl import SQL_FOLDER, columnstore_sql, hypertables_sql, streams_sql
from storage.gap_reasons import reasons_md
from storage.partitions import chunks_sql, partitions_sql

ROOT = Path(__file__).resolve().parents[1]

RENDERED: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "data-contract.md": data_contract_md,
    ROOT / "docs" / "asyncapi.json": asyncapi_json,
    ROOT / "docs" / "kpi.md": kpi_md,
    ROOT / "docs" / "gaps.md": reasons_md,
    ROOT / "docs" / "settings.md": settings_md,
    DASHBOARD_FILE: dashboard_json,
    SQL_FOLDER / "0002_streams.sql": streams_sql,
    SQL_FOLDER / "0004_hypertables.timescale.sql": hypertables_sql,
    SQL_FOLDER / "0006_columnstore.timescale.sql": columnstore_sql,
    SQL_FOLDER / "0007_partitions.plain.sql": partitions_sql,
    SQL_FOLDER / "0007_partitions.timescale.sql": chunks_sql,
    SQL_FOLDER / "0008_aggregates.plain.sql": plain_aggregates_sql,
    SQL_FOLDER / "0008_aggregates.timescale.sql": continuous_aggregates_sql,
}
"""Each rendered file and the pure function that gives its text."""


def main() -> None:
    """Write the files whose text differs, and name them."""
    for path, render in RENDERED.items():
        text = render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
