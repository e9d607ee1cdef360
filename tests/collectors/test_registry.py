"""Every source folder is complete, registered, and documented by a sample whose comments are the defaults."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

import collectors
from collectors.registry import SOURCE_NAMES, kind_of, source_kinds
from collectors.source import SourceConfig
from contract.streams import STREAMS

FOLDER = Path(collectors.__file__).parent
REQUIRED = {"stamp": {"target": "x:1"}, "replay": {"path": "x", "profile": "ping"}}


def test_the_list_names_every_folder():
    """A folder with a source.py is in the registry, and the registry names no other."""
    found = {path.parent.name for path in FOLDER.glob("*/source.py")}

    assert found == set(SOURCE_NAMES)


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_each_source_is_complete(name):
    """Kind, tag, streams, README, sample and test cases are there and agree on the name."""
    kind = source_kinds()[name]
    folder = FOLDER / name

    assert kind.name == name == kind.config.__struct_config__.tag
    assert issubclass(kind.config, SourceConfig)
    assert set(kind.streams) <= set(STREAMS)
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# Source `")
    assert (folder / "testcases").is_dir()
    assert kind.build.__doc__ is None or kind.build


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_the_sample_decodes_and_its_comments_are_the_defaults(name):
    """Uncommenting every `# key = value` line gives exactly what the source does without it."""
    kind = source_kinds()[name]
    text = (FOLDER / name / "sample.toml").read_text(encoding="utf-8")
    (plain,) = tomllib.loads(text)["source"]
    (full,) = tomllib.loads(re.sub(r"(?m)^# (\w+ = )", r"\1", text))["source"]
    defaults = msgspec.to_builtins(msgspec.convert({**plain, "kind": name}, kind.config))

    assert plain["kind"] == name
    for key, value in full.items():
        if key not in plain:
            assert defaults[key] == value, key
    undocumented = set(defaults) - set(full) - {"link", "kind", "options"}
    assert {key for key in undocumented if defaults[key] is not None} == set()


def test_a_config_finds_its_kind():
    """`kind_of` is the inverse of the registry."""
    for name, kind in source_kinds().items():
        config = msgspec.convert({"kind": name, **REQUIRED.get(name, {})}, kind.config)
        assert kind_of(config) is kind
