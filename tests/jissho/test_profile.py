"""`jissho profile` as a user meets it: the shipped examples, their sources, and a file of one's own."""

import json

import pytest

from analytics.requirements import load_requirements, shipped_profiles
from jissho.cli import main
from jissho.commands.profile import list_, show


def test_every_shipped_profile_is_listed(capsys):
    """One JSON object a profile, with how much it requires."""
    list_(json=True)
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["name"] for each in listed] == shipped_profiles()
    assert {each["status"] for each in listed} == {"要確認"}
    assert all(each["requirements"] for each in listed)


def test_a_profile_is_shown_with_its_sources(capsys):
    """For people a table with the sign of each limit, for programs the whole profile."""
    show("5qi_84", json=True)
    shown = json.loads(capsys.readouterr().out)
    assert [each["limit"] for each in shown["requirement"]] == [30.0, 0.99999, 0.99999, 1e-05]
    show("5qi_84")
    table = capsys.readouterr().out
    assert all(words in table for words in ("片方向遅延", "≦30", "≧0.99999", "TS 23.501", "要確認"))


def test_a_file_with_a_mistake_is_refused_by_its_entry(tmp_path, capsys):
    """Showing a file of one's own checks it."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'name="mine"\nja="自"\nen="own"\nstatus="確認済"\n'
        '[[requirement]]\nkpi="latency"\nstatistic="p99"\nlimit=30\nsource="計画書"\n',
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as stopped:
        main(["profile", "show", str(path)])
    assert stopped.value.code == 2
    assert "unknown KPI 'latency'" in capsys.readouterr().err


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_can_be_shown(name, capsys):
    """Each of its KPIs has a sign, a unit and a name."""
    show(name)
    assert load_requirements(name).ja in capsys.readouterr().out
