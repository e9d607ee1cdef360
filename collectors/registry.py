"""The one list of sources. Each is a folder here with `source.py` (a `KIND`), `sample.toml`, README and testcases."""

from __future__ import annotations

import importlib
from functools import cache

from collectors.source import SourceKind

SOURCE_NAMES = ("stamp", "clock", "host", "replay", "gpsd", "feed")
"""In the order in which documentation lists them."""


@cache
def source_kinds() -> dict[str, SourceKind]:
    """Load every source of the list and return its kind by name."""
    return {name: importlib.import_module(f"collectors.{name}.source").KIND for name in SOURCE_NAMES}


def kind_of(config: object) -> SourceKind:
    """Return the kind whose config `config` is; raise KeyError if there is none."""
    for kind in source_kinds().values():
        if type(config) is kind.config:
            return kind
    raise KeyError(type(config).__name__)
