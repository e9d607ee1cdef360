"""What `jissho point` shows of the field book: the tests of each point."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jissho.output import DIRECTIONS, print_table

if TYPE_CHECKING:
    from collectors.field_book import FieldBook, FieldTest


def rows_of(book: FieldBook, point: str, arrived_ns: int) -> list[dict[str, Any]]:
    """Return one row a link, direction and protocol of a point, with the rate of each test (Mbit/s, None: failed).

    `arrived_ns` is when the device came there last.
    """
    from collectors.field_book import clock_text  # noqa: PLC0415 - commands load what they need

    found: dict[tuple[str, str, str], dict[object, list[FieldTest]]] = {}
    for each in book.tests_at(point):
        key = each.trial if each.trial is not None else f"waiting {each.number}"
        found.setdefault((each.link, each.direction, each.protocol), {}).setdefault(key, []).append(each)
    return [
        {
            "point": point, "arrived_at": clock_text(arrived_ns), "link": link, "direction": direction,
            "protocol": protocol, "rates_mbps": [_rate_mbps(parts) for parts in tests.values()],
        }
        for (link, direction, protocol), tests in found.items()
    ]  # fmt: skip


def _rate_mbps(parts: Sequence[FieldTest]) -> float | None:
    rates = [part.rate_bps for part in parts]
    length_s = [part.interval_s or 1e-9 for part in parts]
    if None in rates:
        return None
    return sum(rate * s for rate, s in zip(rates, length_s, strict=True) if rate is not None) / sum(length_s) / 1e6


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows as a table; nothing where there are none."""
    if not rows:
        return
    print_table(
        "測定点の試行 Tests at points",
        ["測定点 Point", "到着 Last arrival", "回線 Link", "方向 Dir.", "試行数 n", "試行 Tests [Mbit/s]", "平均 Mean"],
        [
            (
                row["point"], datetime.fromisoformat(row["arrived_at"]), row["link"],
                f"{DIRECTIONS[row['direction']]} {row['protocol'].upper()}", len(known := [
                    rate for rate in row["rates_mbps"] if rate is not None
                ]),
                ", ".join("失敗 failed" if rate is None else f"{rate:.1f}" for rate in row["rates_mbps"]),
                sum(known) / len(known) if known else None,
            )
            for row in rows
        ],
        note="この端末の控え。値は帳票で定まります what this device noted; the report has the figures",
    )  # fmt: skip
