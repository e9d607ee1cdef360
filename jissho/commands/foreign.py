"""`jissho foreign`: profiles of foreign devices, and what a captured message becomes by one of them."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclopts import App

from jissho.output import print_json, print_table, text
from jissho.payload_view import printable

app = App(name="foreign", help="Third parties' MQTT messages: profiles, and a trial on a captured message (他社機器).")

_SHOWN = 12
"""Messages whose rows are printed for people; --json prints all."""


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the profiles that come with jissho; any path of a TOML file serves as well.

    Parameters
    ----------
    json
        Print one JSON object a line.

    """
    from contract.foreign import load_foreign_profile, shipped_foreign_profiles  # noqa: PLC0415 - loaded when needed

    profiles = [load_foreign_profile(name) for name in shipped_foreign_profiles()]
    records = [
        {
            "name": profile.name,
            "topics": profile.topics,
            "streams": list(dict.fromkeys(rule.stream for rule in profile.rows)),
            "description": profile.description,
        }
        for profile in profiles
    ]
    if json:
        print_json(records)
        return
    print_table(
        "他社機器 Foreign devices",
        ["名前 Name", "トピック Topics", "ストリーム Streams", "内容 Description"],
        [tuple(record.values()) for record in records],
        note="JISSHO_FOREIGN_PROFILES=NAME,FILE jissho ingest",
    )


@app.command
def check(profile: str, file: Path | None = None, *, topic: str = "", json: bool = False) -> None:
    """Check a profile, and show what captured messages become by it; exit status 1 if one would be quarantined.

    Capture with `mosquitto_sub -v -t 'cpe/#' > capture.txt`.

    Parameters
    ----------
    profile
        Shipped name or path of a TOML file.
    file
        Lines of `topic payload` as `mosquitto_sub -v` prints them, or a payload alone.
    topic
        The topic of a payload alone; without it one that fits is made up.
    json
        Print one JSON object a message.

    """
    from contract.foreign import ForeignMapping, load_foreign_profile  # noqa: PLC0415 - loaded when needed
    from contract.foreign.captures import read_captures  # noqa: PLC0415

    mapping = ForeignMapping(load_foreign_profile(profile))
    if file is None:
        if json:
            print_json([{"profile": mapping.profile.name, "source": mapping.source, "topics": mapping.profile.topics}])
        else:
            print(f"{mapping.profile.name}: sound; takes {', '.join(mapping.profile.topics)}; rows of {mapping.source}")
        return
    captures = read_captures(
        file.read_bytes(),
        topic=topic,
        example=mapping.patterns[0].example,
        is_csv=mapping.profile.format == "csv",
    )
    seen: dict[bytes, int] = {}
    verdicts = [_verdict(mapping, capture, seen) for capture in captures]
    if json:
        print_json(verdicts)
    else:
        _show(verdicts)
    if any(verdict["complaints"] for verdict in verdicts):
        sys.exit(1)


def _verdict(mapping: Any, capture: Any, seen: dict[bytes, int]) -> dict[str, Any]:
    """Return what would become of one message: its rows, and every complaint for which it would be refused."""
    from contract.foreign import message_digest  # noqa: PLC0415 - loaded when needed

    now_us = time.time_ns() // 1000
    mapped = mapping.examine(capture.topic, capture.payload, now_us)
    notes = []
    if mapped.complaints:
        notes += ["the rows above are not stored either: a message is taken whole or not at all"] if mapped.rows else []
    elif not mapped.rows:
        notes.append("passed over: no rule makes a row of it, and the profile says `ignore_unmapped`")
    elif mapped.is_arrival:
        notes.append("no time of its own: rows stand at the arrival, and the same payload counts once a second")
    digest = message_digest(capture.topic, capture.payload, now_us if mapped.is_arrival else None)
    first = seen.setdefault(digest, capture.line)
    if mapped.rows and first != capture.line and not mapped.is_arrival and not mapped.complaints:
        notes.append(f"the same as line {first}: counts once")
    return {
        "line": capture.line,
        "topic": capture.topic,
        "rows": [row._asdict() for row in mapped.rows],
        "complaints": [{"reason": error.reason, "detail": error.detail} for error in mapped.complaints],
        "notes": notes,
    }


def _show(verdicts: list[dict[str, Any]]) -> None:
    for verdict in verdicts[:_SHOWN]:
        if verdict["rows"]:
            print_table(
                f"{verdict['line']}: {printable(verdict['topic'])}",
                ["時刻 Time", "拠点/端末/回線 Site/device/link", "ストリーム Stream", "値 Values"],
                [
                    (
                        datetime.fromtimestamp(row["t_ns"] / 1e9, tz=UTC),
                        f"{row['site']}/{row['device']}/{row['link'] or '-'}",
                        row["stream"],
                        _values(row),
                    )
                    for row in verdict["rows"]
                ],
            )
        else:
            print(f"{verdict['line']}: {printable(verdict['topic'])}")
        for complaint in verdict["complaints"]:
            print(f"  would be quarantined: {complaint['reason']}: {printable(complaint['detail'])}")
        for note in verdict["notes"]:
            print(f"  {note}")
    if len(verdicts) > _SHOWN:
        print(f"... {len(verdicts) - _SHOWN} messages more (--json shows all)")
    refused = sum(bool(verdict["complaints"]) for verdict in verdicts)
    rows = sum(len(verdict["rows"]) for verdict in verdicts if not verdict["complaints"])
    print(f"{len(verdicts)} messages, {rows} rows, {refused} would be quarantined")


def _values(row: dict[str, Any]) -> str:
    from contract.streams import STREAMS  # noqa: PLC0415 - loaded when needed

    stream = STREAMS[row["stream"]]
    parts = []
    for name, value in row["values"].items():
        unit = stream.column(name).unit
        shown = "null" if value is None else printable(text(value))
        parts.append(f"{name}={shown}" + (f" {unit}" if unit not in {"", "1"} and value is not None else ""))
    return ", ".join(parts)
