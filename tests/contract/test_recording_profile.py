"""Profiles are checked when they are loaded, and the error names the file and the key."""

import re
from pathlib import Path

import pytest

import contract.recording
from contract.recording import ProfileError, load_profile, shipped_profiles

GOOD = """
format = "csv"
stream = "radio"
[time]
from = "time"
[columns]
rsrp_dbm = { from = "RSRP", unit = "dBm" }
"""


@pytest.fixture
def load(tmp_path):
    def _load(text, **options):
        path = tmp_path / "drive.toml"
        path.write_text(text)
        return load_profile(path, options)

    return _load


def test_the_shipped_profiles_load_by_name():
    alone = [name for name in shipped_profiles() if name != "g2g_csv"]
    assert ["edaf", "ping", "probe_csv", "throughput_points"] == alone
    assert ["parquet", "ping", "csv", "csv"] == [load_profile(name).format for name in alone]


def test_what_a_profile_says_has_the_identity_it_always_had():
    """A file that an earlier version imported is the same file: what came later counts only where it says something."""
    assert "cd11a8d98ef38d9a" == load_profile("probe_csv").identity[:16]
    assert "d7109dcdc029fb38" == load_profile("edaf").identity[:16]


def test_a_profile_may_be_like_a_shipped_one_but_for_what_it_says(load):
    probe = load_profile("probe_csv")
    own = load('like = "probe_csv"\nsingle_valued = []\n[time]\ntimezone = "UTC"\n[csv]\nencoding = "cp932"\n')
    assert ("UTC", "t_jst", "cp932", []) == (own.time.timezone, own.time.source, own.csv.encoding, own.single_valued)
    assert probe.columns == own.columns
    with pytest.raises(ProfileError, match=r"drive.toml: like: 'pong' is not one of edaf, g2g_csv"):
        load('like = "pong"\n')


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('stream = "radio"', 'stream = "radios"', r"drive.toml: stream: 'radios' is not one of probe, radio"),
        ("rsrp_dbm =", "rsrp =", r"drive.toml: columns.rsrp: stream radio has only rat, pci"),
        ('unit = "dBm"', 'units = "dBm"', r"drive.toml: columns.rsrp_dbm: .*unknown field `units`"),
        ('from = "RSRP", unit = "dBm"', "", r"columns.rsrp_dbm: give one of `from`, `const` and `number`"),
        ('from = "RSRP", unit = "dBm"', "const = -200", r"columns.rsrp_dbm: -200 is outside -156 .. -31"),
        ('format = "csv"', 'format = "xlsx"', r"drive.toml: Invalid enum value 'xlsx' - at `\$.format`"),
        ('format = "csv"', 'format = "csv"\nsort = "t"', r"drive.toml: .*unknown field `sort`"),
        ('format = "csv"', 'format = "csv"\nsort_by = "pci"', r"sort_by: 'pci' is neither \"t\" nor a mapped column"),
        ('[time]\nfrom = "time"', "", r"time: the profile does not say"),
        ('from = "time"', 'from = "time"\ntimezone = "Tokio"', r"time zone 'Tokio' is not known"),
        ('from = "time"', 'from = "time"\nunit = "s"\nrelative = true', r"option `start` must say"),
        ('from = "time"', "from = []", r"time.from: names no column"),
        ("[columns]", "[columns", r"drive.toml: "),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(load, old, new, message):
    assert old in GOOD
    with pytest.raises(ProfileError, match=message):
        load(GOOD.replace(old, new))


def test_a_column_that_must_not_be_null_must_be_mapped(load):
    with pytest.raises(ProfileError, match=r"columns.lost: is missing"):
        load('format = "csv"\nstream = "probe"\n[time]\nfrom = "t"\n[columns]\nsession = { const = 1 }\n'
             'seq = { from = "n" }\ncopy = { const = 1 }\n')  # fmt: skip


def test_an_unknown_name_lists_the_shipped_profiles():
    with pytest.raises(ProfileError, match="neither a file nor one of edaf, g2g_csv, ping, probe_csv"):
        load_profile("pong")


def test_an_unknown_option_lists_the_known_ones(load):
    with pytest.raises(ProfileError, match=r"option 'begin' is not one of start, interval_s"):
        load(GOOD, begin="2025-01-01")
    with pytest.raises(ProfileError, match=r"option 'interval_s' means nothing for format 'csv'"):
        load(GOOD, interval_s="1")


def test_the_identity_is_what_the_profile_does_and_not_what_it_is_called(load, tmp_path):
    other = tmp_path / "renamed.toml"
    other.write_text(f'description = "another"\n{GOOD}')
    assert load(GOOD).identity == load_profile(other).identity
    assert load(GOOD).identity != load(GOOD.replace("RSRP", "NRxRSRP")).identity
    assert load(GOOD).identity != load(GOOD, time_offset_s="0.5").identity


def test_the_profile_in_the_documentation_loads(load):
    text = (Path(contract.recording.__file__).parent / "README.md").read_text(encoding="utf-8")
    example, trials = (load(each) for each in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    assert ("cp932", ["日付", "時刻"], 6) == (example.csv.encoding, example.time.sources, len(example.columns))
    assert 51.0 == trials.g2g.uncertainty_ms
