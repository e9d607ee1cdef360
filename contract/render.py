"""Documents rendered from the table of streams: `docs/data-contract.md` and `docs/asyncapi.json`.

Pure functions that return text; `make docs` writes the files and a test holds them against these functions.
"""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from contract.codec import QUARANTINE_REASONS
from contract.columns import Column, Stream
from contract.envelope import MAX_BATCH_ROWS, MAX_PAYLOAD_BYTES, Batch, Receipt, Status
from contract.streams import CONTRACT_REVISION, CONTRACT_VERSION, LOST_CODES, SERVED_BY, STREAMS

_JSON_TYPE = {
    "i2": "integer",
    "i4": "integer",
    "i8": "integer",
    "f4": "number",
    "f8": "number",
    "bool": "boolean",
    "text": "string",
    "json": "string",
}

_INTRODUCTION = """# The data contract

<!-- Rendered from contract/streams.py and contract/envelope.py by `make docs`. Do not edit. -->

What collectors and the server agree on. Contract version {version}, revision {revision}.

## Topics

| topic | what | retained | QoS |
|---|---|---|---|
| `jissho/{version}/{{site}}/{{device}}/{{stream}}` | a batch of samples | no | 1 |
| `jissho/{version}/{{site}}/{{device}}/receipt` | what the database has committed, or quarantined | no | 1 |
| `jissho/{version}/{{site}}/{{device}}/status` | birth and death of the collector; its will | yes | 1 |

Names of sites, devices and links: lower-case letters, digits, `-` and `_`, at most 63 characters.
Site, device and stream of the topic must equal those of the envelope.

## The batch envelope

JSON or MessagePack, told apart by the first byte (`{{` or white space is JSON).
At most {rows:,} rows and {bytes:,} bytes.

| field | type | meaning |
|---|---|---|
| `v` | integer | contract version |
| `site`, `device` | text | who measured |
| `epoch` | text | one life of an outbox; new whenever the outbox begins anew |
| `seq` | integer | number of the batch in its epoch, from 1, without a hole |
| `stream`, `link` | text | what was measured, on which link (empty: the device itself) |
| `source` | text | collector source and its version, e.g. `stamp/1` |
| `n` | integer | rows |
| `t0_ns` | integer | base of the times, nanoseconds since 1970-01-01 UTC |
| `columns` | object | column name to values; `t` holds the times in nanoseconds after `t0_ns` |

A column is a list of n values (null where nothing was measured), or, in MessagePack, bytes: one type letter
(`b h i q` signed, `B H I` unsigned, `f d` IEEE), one flag byte (1: a null map follows), the null map (a bit a value,
least significant first, 1 = null), then the values, little endian. A nullable column that is null throughout may be
left out.

`(site, device, epoch, seq)` identifies a batch for ever: however often and by whatever way it comes, it counts once.

Null is "not measured", with one exception: a row of `radio` in which all of {served} are null says that the modem
answered and was out of service (圏外). Of a terminal that is served by two technologies at once (LTE anchor and NR)
each has rows of its own, told apart by `rat`.

## How the contract may change

* A column or stream may be added; it is nullable or has a default, and `since` says in which revision it came.
* Nothing is renamed, and nothing gets another meaning, unit or a narrower range.
* A payload with a column that the server does not know is quarantined, not trimmed: it is replayed after the update.
* Anything else is a new contract version, with a topic of its own.

Old payloads are kept in `tests/contract/payloads/` and must decode for ever.

## Quarantine reasons

A payload that breaks the contract is kept whole, with its reason, and receipted as quarantined.

| reason | meaning |
|---|---|
{reasons}

## Streams

Every stream has the time column `t` (the source's UTC time of the sample).
"""


def _range(column: Column) -> str:
    if column.choices:
        return ", ".join(f"`{choice}`" for choice in column.choices)
    if column.low is None and column.high is None:
        return ""
    low = "" if column.low is None else f"{column.low:g}"
    high = "" if column.high is None else f"{column.high:g}"
    return f"{low} … {high}" + (f" ({column.source})" if column.source else "")


def _since(column: Column) -> str:
    return f" (since revision {column.since})" if column.since > 1 else ""


def _stream_section(stream: Stream) -> str:
    lines = [
        f"### `{stream.name}`: {stream.ja}",
        "",
        f"{stream.en}. Scope: {stream.scope}. Since revision {stream.since}.",
        "",
        "| column | type | unit | null | range | 日本語 | English |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{column.name}` | {column.kind} | {column.unit} | {'yes' if column.nullable else 'no'} "
        f"| {_range(column)} | {column.ja} | {column.en}{_since(column)} |"
        for column in stream.columns
    ]
    if stream.name == "probe":
        codes = "; ".join(f"{code} {ja} ({en})" for code, (ja, en) in LOST_CODES.items())
        lines += ["", f"`lost`: {codes}. Packets sent are the rows with `copy` <= 1."]
    return "\n".join(lines) + "\n"


def data_contract_md() -> str:
    """Return the text of `docs/data-contract.md`."""
    reasons = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in QUARANTINE_REASONS.items())
    head = _INTRODUCTION.format(
        version=CONTRACT_VERSION,
        revision=CONTRACT_REVISION,
        rows=MAX_BATCH_ROWS,
        bytes=MAX_PAYLOAD_BYTES,
        served=", ".join(f"`{name}`" for name in SERVED_BY),
        reasons=reasons,
    )
    return head + "\n" + "\n".join(_stream_section(stream) for stream in STREAMS.values())


def _column_schema(column: Column) -> dict[str, Any]:
    item: dict[str, Any] = {"type": [_JSON_TYPE[column.kind], "null"] if column.nullable else _JSON_TYPE[column.kind]}
    if column.low is not None:
        item["minimum"] = column.low
    if column.high is not None:
        item["maximum"] = column.high
    if column.choices:
        item["enum"] = [*column.choices, None] if column.nullable else list(column.choices)
    described = {"type": "array", "items": item, "description": f"{column.en} / {column.ja}"}
    return {**described, "x-unit": column.unit} if column.unit else described


def _batch_schema(stream: Stream) -> dict[str, Any]:
    required = [column.name for column in stream.columns if not column.nullable and column.default is None]
    times = {"type": "array", "items": {"type": "integer"}, "description": "Nanoseconds after t0_ns / 時刻"}
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Batch"},
            {
                "type": "object",
                "properties": {
                    "stream": {"const": stream.name},
                    "columns": {
                        "type": "object",
                        "required": ["t", *required],
                        "additionalProperties": False,
                        "properties": {"t": times, **{c.name: _column_schema(c) for c in stream.columns}},
                    },
                },
            },
        ]
    }


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document as an object; JSON columns are described, packed ones are their bytes."""
    _, schemas = msgspec.json.schema_components([Batch, Receipt, Status], ref_template="#/components/schemas/{name}")
    parameters = {
        "site": {"description": "Site (拠点)"},
        "device": {"description": "Measuring computer (測定端末)"},
    }
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for name, stream in STREAMS.items():
        messages[name] = {
            "title": f"{stream.en} / {stream.ja}",
            "contentType": "application/json",
            "payload": _batch_schema(stream),
        }
        channels[name] = _channel(name, parameters)
        operations[f"publish_{name}"] = _operation("send", name, retain=False)
    for name, schema, retain in (("receipt", "Receipt", False), ("status", "Status", True)):
        messages[name] = {"contentType": "application/json", "payload": {"$ref": f"#/components/schemas/{schema}"}}
        channels[name] = _channel(name, parameters)
        operations[f"{'receive' if name == 'receipt' else 'publish'}_{name}"] = _operation(
            "receive" if name == "receipt" else "send", name, retain=retain
        )
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "jissho collector",
            "version": f"{CONTRACT_VERSION}.{CONTRACT_REVISION}.0",
            "description": "Messages between an on-site collector and the server, as the collector sees them.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }
    plain: dict[str, Any] = _without_indents(document)
    return plain


def _without_indents(node: Any) -> Any:
    """Return the document with docstrings as they read: Python 3.13 takes their indents off, earlier ones do not."""
    if isinstance(node, dict):
        return {
            key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _without_indents(value)
            for key, value in node.items()
        }
    return [_without_indents(value) for value in node] if isinstance(node, list) else node


def _channel(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": f"jissho/{CONTRACT_VERSION}/{{site}}/{{device}}/{name}",
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operation(action: str, name: str, *, retain: bool) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": retain, "bindingVersion": "0.2.0"}},
    }


def asyncapi_json() -> str:
    """Return the text of `docs/asyncapi.json`."""
    return msgspec.json.format(msgspec.json.encode(asyncapi()), indent=2).decode() + "\n"
