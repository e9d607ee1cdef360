"""`jissho outbox`: what waits on a device, and the way to carry it by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import App, Parameter

from jissho.output import print_json, print_table
from jissho.settings import SettingError

if TYPE_CHECKING:
    from collectors.outbox_reader import OutboxStatus

app = App(name="outbox", help="The outbox of a device: state, and export to a file. Works while the agent runs.")

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]

_MEGABYTE = 1e6


class _Place(NamedTuple):
    path: Path
    max_bytes: int
    backlog_batches_per_s: float


@app.command
def status(*, config: Config = None, path: Path | None = None, json: bool = False) -> None:
    """Say what waits in the outbox, how long it will last without a network, and how long sending it takes.

    Parameters
    ----------
    config
        TOML file of the agent (collect.toml if neither is given).
    path
        The outbox file itself; quota and sending rate are then the defaults.
    json
        Print one JSON object.

    """
    from collectors.outbox_reader import OutboxReader  # noqa: PLC0415 - commands load what they need

    place = _place(config, path)
    with OutboxReader(place.path) as outbox:
        found = outbox.status(max_bytes=place.max_bytes, backlog_batches_per_s=place.backlog_batches_per_s)
    if json:
        print_json([found])
        return
    print_table(
        f"{found.path}: {found.site}/{found.device}",
        ["項目 Item", "内容 Content"],
        _lines(found, place.backlog_batches_per_s),
        note="増加 growth: 直近1分に入り、まだ残る分 what came in the last minute and is still here",
    )


@app.command
def export(file: Path, *, config: Config = None, path: Path | None = None) -> None:
    """Write all batches in the outbox to one file, for `jissho import FILE` on the server; nothing is deleted here.

    Parameters
    ----------
    file
        File to write, e.g. on a USB stick; it must not exist yet.
    config
        TOML file of the agent (collect.toml if neither is given).
    path
        The outbox file itself.

    """
    from collectors.outbox_reader import OutboxReader  # noqa: PLC0415 - commands load what they need

    with OutboxReader(_place(config, path).path) as outbox:
        header = outbox.export(file)
        left_out = outbox.count() - header.count
    print(
        f"{file}: {header.count} batches of {header.site}/{header.device}, {_megabytes(file.stat().st_size)}; "
        f"on the server: `jissho import {file.name}`"
    )
    if left_out:
        print(f"{left_out} batches are damaged on the disk and left out; the agent reports them when it sends")
    print("the outbox keeps them until the database says by MQTT that it has them; they count once all the same")


def _place(config: Path | None, path: Path | None) -> _Place:
    from collectors.config import OutboxConfig, load_config  # noqa: PLC0415 - commands load what they need
    from collectors.publisher import MqttConfig  # noqa: PLC0415

    if config and path:
        raise SettingError("give --config or --path, not both")
    if path:
        return _Place(path, OutboxConfig().max_bytes, MqttConfig().backlog_batches_per_s)
    settings = load_config(config or Path("collect.toml"))
    return _Place(Path(settings.outbox.path), settings.outbox.max_bytes, settings.mqtt.backlog_batches_per_s)


def _lines(found: OutboxStatus, backlog_batches_per_s: float) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = [
        ("世代 Epoch", found.epoch),
        ("採番済み Taken", found.taken),
        ("未確定バッチ Batches waiting", found.batches),
        ("量 Size", f"{_megabytes(found.bytes)} / {_megabytes(found.max_bytes)}"),
        ("最古 Oldest", None if found.oldest_age_s is None else f"{_duration(found.oldest_age_s)} ago"),
        ("増加 Growth", f"{found.bytes_per_s / 1000:.1f} kB/s"),
        ("上限まで Until full", None if found.hours_to_quota is None else f"{found.hours_to_quota:.1f} h"),
        ("送信所要 Time to drain", f"{_duration(found.drain_s)} ({backlog_batches_per_s:g} batches/s)"),
        ("破棄バッチ Dropped", found.dropped),
    ]
    for each in found.dropped_ranges:
        at = datetime.fromtimestamp(each.at_ns // 1_000_000_000, tz=UTC)
        lines.append((f"  {each.first_seq}-{each.last_seq}", f"{each.batches} ({each.reason}) {at:%Y-%m-%d %H:%M:%SZ}"))
    return lines


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - beyond two minutes, minutes read better
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
