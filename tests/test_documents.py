"""What is rendered is up to date, and what is written is true."""

import importlib
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from collectors.config import parse_config
from contract.streams import STREAMS
from jissho import PACKAGES
from scripts.render_docs import RENDERED, ROOT


@pytest.mark.parametrize("path", RENDERED, ids=lambda path: path.name)
def test_rendered_files_are_up_to_date(path):
    """`make docs` would change nothing."""
    assert RENDERED[path]() == path.read_text(encoding="utf-8")


def test_asyncapi_references_resolve():
    """Every $ref of the AsyncAPI document points at something, and every stream has its channel."""
    document = msgspec.json.decode((ROOT / "docs" / "asyncapi.json").read_bytes())

    def references(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert set(STREAMS) <= set(document["channels"])


def test_the_readme_names_only_commands_that_exist():
    """Each `jissho WORD` in the README is a command of the program, and each `make WORD` a target."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = {name for name, *_ in importlib.import_module("jissho.cli")._COMMANDS}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert set(re.findall(r"`jissho ([a-z]+)", readme)) <= commands
    assert set(re.findall(r"`make ([a-z]+)", readme)) <= targets


def test_every_package_is_typed_and_in_the_wheel():
    """Each package ships py.typed and is named in the wheel's list."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in PACKAGES:
        assert (ROOT / name / "py.typed").exists()
        assert f'"{name}"' in pyproject


def test_no_other_distribution_owns_our_package_names():
    """A foreign `api` or `analytics` would shadow ours without a word."""
    owners = importlib.import_module("jissho.commands.doctor").package_owners()

    assert all(set(found) <= {"jissho"} for found in owners.values())


def test_modules_stay_small():
    """No module of ours has more than 500 lines."""
    long = {
        str(path.relative_to(ROOT)): count
        for name in PACKAGES
        for path in Path(ROOT / name).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }

    assert long == {}


def test_the_readmes_configuration_is_valid():
    """The collect.toml of the README is read by the agent as it stands."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)

    assert [len(parse_config(tomllib.loads(block), "README.md").source) for block in blocks] == [3]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-bench.lock"])
def test_the_lock_names_no_address(name):
    """Versions only: where packages come from is the machine's business."""
    lock = (ROOT / name).read_text(encoding="utf-8")

    assert "://" not in lock
    assert all("==" in line for line in lock.splitlines())


def test_the_peers_of_the_benchmarks_are_not_needed_by_the_tests():
    """What only `make bench` compares with is in a lock of its own, and the tests' lock has none of it."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["bench"]
    peers = {re.split(r"[<>=]", wanted)[0] for wanted in group}
    lock, bench = ((ROOT / f"requirements{which}.lock").read_text(encoding="utf-8") for which in ("", "-bench"))

    assert {"duckdb", "polars"} == peers
    assert not any(f"{peer}==" in lock for peer in peers)
    assert all(f"{peer}==" in bench for peer in peers)
