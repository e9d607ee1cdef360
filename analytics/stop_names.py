"""What commands to stop are called. A profile may name others (`[parameters]` stop_names); docs/kpi.md prints this."""

from __future__ import annotations

import unicodedata

STOP_NAMES: dict[str, str] = {
    "stop": "停止 / stop",
    "emergency_stop": "緊急停止 / emergency stop",
    "estop": "緊急停止 / emergency stop",
    "e_stop": "緊急停止 / emergency stop",
    "safe_stop": "安全停止 / safe stop",
    "停止": "停止 / stop",
    "停車": "停車 / stop",
    "緊急停止": "緊急停止 / emergency stop",
    "非常停止": "非常停止 / emergency stop",
    "安全停止": "安全停止 / safe stop",
    "停止指令": "停止指令 / order to stop",
    "緊急停止指令": "緊急停止指令 / order to stop at once",
}
"""Names by default, and what they mean."""


def plain_name(name: str) -> str:
    """Return a name as names are compared: width, case, "-" and spaces do not matter, nor what precedes a last dot."""
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    return folded.rsplit(".", 1)[-1].replace("-", "_").replace(" ", "_")
