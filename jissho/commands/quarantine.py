"""`jissho quarantine`: what was refused, why, and once more after an update."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from jissho.output import print_json, print_table
from jissho.payload_view import decoded_view, hexdump, printable
from jissho.settings import SettingError, Settings, database

app = App(name="quarantine", help="What was refused: kept whole, with its reason (隔離).")

_SHOWN_VALUES = 8
_DETAIL_CHARACTERS = 80


@app.command(name="list")
def list_(*, reason: str = "", device: str = "", limit: int = 50, all: bool = False, json: bool = False) -> None:  # noqa: A002 - the option's name
    """List what is in quarantine, latest first.

    Parameters
    ----------
    reason
        Only this reason, e.g. unknown_column.
    device
        Only this device.
    limit
        At most so many.
    all
        Also what was replayed since.
    json
        Print one JSON object a line.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.quarantine import list_entries  # noqa: PLC0415

    _check_reason(reason)
    if limit < 1:
        raise SettingError(f"--limit {limit} must be 1 or more")
    with database(Settings()) as url, connect(url) as connection:
        entries = list_entries(connection, reason=reason, device=device, limit=limit, with_replayed=all)
    if json:
        print_json(entries)
        return
    if not entries:
        print("nothing in quarantine" + (" that fits" if reason or device else ""))
        return
    print_table(
        "隔離 Quarantine",
        ["No.", "受信 Received", "トピック Topic", "番号 Seq", "理由 Reason", "詳細 Detail", "バイト Bytes",
         "回数 Seen", *(["再処理 Replayed"] if all else [])],
        [
            (e.quarantine_id, e.received_at, _foreign(e.topic), e.seq, e.reason,
             _foreign(e.detail[:_DETAIL_CHARACTERS]), e.bytes, e.seen, *([e.replayed_at] if all else []))
            for e in entries
        ],
        note="jissho quarantine show NO.; 更新後は jissho quarantine replay after an update",
    )  # fmt: skip


@app.command
def show(number: int, *, json: bool = False) -> None:
    """Show one entry with its payload, decoded where it can be read.

    Parameters
    ----------
    number
        Number of the entry, as `jissho quarantine list` shows it.
    json
        Print one JSON object; the payload is in "decoded", or in "hexdump" where it cannot be read.

    """
    from storage.connect import connect  # noqa: PLC0415 - commands load what they need
    from storage.quarantine import get_entry, read_payload  # noqa: PLC0415

    with database(Settings()) as url, connect(url) as connection:
        entry, payload = get_entry(connection, number), read_payload(connection, number)
    decoded = decoded_view(payload)
    dump = hexdump(payload) if decoded is None else None
    if json:
        print_json([{**msgspec.structs.asdict(entry), "decoded": decoded, "hexdump": dump}])
        return
    print_table(
        f"No. {entry.quarantine_id}",
        ["項目 Item", "内容 Content"],
        [
            ("受信 Received", entry.received_at),
            ("トピック Topic", _foreign(entry.topic)),
            ("世代 Epoch", entry.epoch and _foreign(entry.epoch)),
            ("番号 Seq", entry.seq),
            ("理由 Reason", entry.reason),
            ("詳細 Detail", _foreign(entry.detail)),
            ("バイト Bytes", entry.bytes),
            ("SHA-256", entry.sha256),
            ("回数 Seen", entry.seen),
            ("再処理 Replayed", entry.replayed_at),
        ],
    )
    if dump is not None:
        print(dump)
        return
    assert decoded is not None
    columns = decoded.pop("columns", None)
    rows: list[tuple[str, Any]] = [(_foreign(name), _foreign(_short(value))) for name, value in decoded.items()]
    if isinstance(columns, dict):
        rows += [(f"columns.{_foreign(name)}", _foreign(_short(values))) for name, values in columns.items()]
    elif columns is not None:
        rows.append(("columns", _foreign(_short(columns))))
    print_table("内容 Payload", ["項目 Item", "内容 Content"], rows)


@app.command
def replay(
    number: Annotated[list[int], Parameter(negative=())] = [],  # noqa: B006 - never changed
    *,
    reason: str = "",
    device: str = "",
    json: bool = False,
) -> None:
    """Decode what is in quarantine again and commit what can be read now; what still fails stays, with its reason.

    A batch that came under the number of another one (identity_conflict) is taken only when it is asked for, by its
    number or with --reason identity_conflict: it is stored for the same device in an epoch of its own.

    Parameters
    ----------
    number
        Numbers of entries; none means all that fit the options.
    reason
        Only this reason, e.g. unknown_column.
    device
        Only this device.
    json
        Print the outcome as one JSON object.

    """
    from ingest.replay import CONFLICT  # noqa: PLC0415 - commands load what they need
    from ingest.replay import replay as replay_entries  # noqa: PLC0415
    from storage.connect import connect  # noqa: PLC0415
    from storage.quarantine import get_entry, list_entries  # noqa: PLC0415
    from storage.writer import Writer  # noqa: PLC0415

    _check_reason(reason)
    if number and (reason or device):
        raise SettingError("give numbers, or --reason and --device, not both")
    settings = Settings()
    foreign = settings.foreign()
    with database(settings) as url, connect(url) as connection:
        if number:
            chosen = [get_entry(connection, each) for each in dict.fromkeys(number)]
            entries = [entry for entry in chosen if entry.replayed_at is None]
        else:
            entries = list_entries(connection, reason=reason, device=device)
        takes_conflicts = bool(number) or reason == CONFLICT
        outcome = replay_entries(Writer(connection), entries, foreign, takes_conflicts=takes_conflicts)
    if json:
        print_json([outcome])
        return
    print(
        f"{outcome.replayed} of {outcome.tried} replayed: {outcome.committed} batches new ({outcome.rows} rows), "
        f"{outcome.duplicates} already there; {outcome.refused} still in quarantine"
    )
    if outcome.renumbered:
        print(
            f"  {outcome.renumbered} of them came under taken numbers: same device, an epoch of their own (conflict-*)"
        )
    for name, count in outcome.reasons.items():
        print(f"  {count}: {name}")
    if CONFLICT in outcome.reasons:
        print(
            f"  {CONFLICT}: from a copied outbox, or a disk that went back in time; "
            f"if they are this device's own measurements: `jissho quarantine replay --reason {CONFLICT}`"
        )


def _check_reason(reason: str) -> None:
    from contract.codec import QUARANTINE_REASONS  # noqa: PLC0415 - commands load what they need

    if reason and reason not in QUARANTINE_REASONS:
        raise SettingError(f"--reason {reason!r} is not one of {', '.join(QUARANTINE_REASONS)}")


def _short(value: Any) -> str:
    if isinstance(value, list):
        more = f", ... ({len(value)} values)" if len(value) > _SHOWN_VALUES else ""
        return ", ".join(_json(each) for each in value[:_SHOWN_VALUES]) + more
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _foreign(text: str) -> str:
    """Return what a device sent so that it neither steers the terminal nor is read as our markup."""
    return printable(text)
