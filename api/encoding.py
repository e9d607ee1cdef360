"""JSON answers from the records themselves: msgspec writes the body and describes it for the OpenAPI document.

The records are msgspec structs and dataclasses of storage and analytics. A second set of pydantic models would say
everything twice, and would be the copy that goes stale.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi.responses import Response

_REFERENCE = "#/{name}"


class JsonResponse(Response):
    """A response whose content is any record that msgspec can encode. Not-a-number and infinity become null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return msgspec.json.encode(content)


def described(kind: Any, *, status: int = 200, text: str = "Successful response") -> dict[int | str, dict[str, Any]]:
    """Return the `responses` entry of a route that answers with `kind`, its schema written out in place."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return {status: {"description": text, "content": {"application/json": {"schema": _inlined(schema, components)}}}}


def _inlined(node: Any, components: dict[str, Any]) -> Any:
    """Replace references by what they refer to: these records are small and none contains itself."""
    if isinstance(node, dict):
        if "$ref" in node:
            return _inlined(components[node["$ref"].removeprefix("#/")], components)
        plain = {key: _inlined(value, components) for key, value in node.items()}
        # A pair of equal types as an array of two: clients' generators (and schemathesis 4.32) trip over prefixItems.
        if (parts := plain.get("prefixItems")) and all(part == parts[0] for part in parts):
            del plain["prefixItems"]
            plain["items"] = parts[0]
        return plain
    if isinstance(node, list):
        return [_inlined(value, components) for value in node]
    return node
