"""Published drive tests: rows, seconds and dirt as their authors and any other reader count them; shares and means."""

import csv
import zipfile
from collections import Counter

import numpy as np
import pytest

from analytics.families.throughput import evaluate_throughput
from analytics.series import durations_s
from analytics.statistics import histogram
from contract.recording.profile import load_profile
from contract.recording.reader import read_recording
from contract.samples import sample_faults
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import by_name
from tests.analytics.test_published_figures import data
from tests.contract.drive_log import DRIVE


@pytest.fixture(scope="module")
def drives(test_data, tmp_path_factory):
    """The 83 traces of University College Cork, as paths."""
    folder = tmp_path_factory.mktemp("drives")
    with zipfile.ZipFile(data(test_data, "ucc_5gdataset", "5G-production-dataset.zip")) as archive:
        for name in archive.namelist():
            if name.endswith(".csv") and "__MACOSX" not in name:
                archive.extract(name, folder)
    return sorted(folder.rglob("*.csv"))


def test_rows_of_a_drive_test_are_not_its_seconds(drives, tmp_path):
    """UCC: 188,711 rows (3,145 min) in 3,342 min by the clock; seconds left out, repeated, and once a step back."""
    (tmp_path / "drive.toml").write_text(DRIVE)
    profile = load_profile(tmp_path / "drive.toml")
    rats, faults, steps, clock_s, stands_s = Counter(), Counter(), [], 0.0, 0.0
    for path in drives:
        samples = list(read_recording(path, profile))
        for sample in samples:
            rats[sample.values["rat"]] += 1
            faults.update(fault.split(" ")[0].split(":")[0] for fault in sample_faults("radio", sample.values))
        t_us = np.array([sample.t_ns // 1000 for sample in samples])
        steps.append(np.diff(t_us) / 1e6)
        clock_s += float(t_us.max() - t_us.min()) / 1e6
        stands_s += float(durations_s(np.sort(t_us)).sum())
    found = np.concatenate(steps)

    assert (83, 188_711, 3_145) == (len(drives), rats.total(), rats.total() // 60)
    assert (136_403, 35_212, 15_880, 1_216) == (
        rats["5G"], rats["LTE"], rats["HSPA+"], rats.total() - sum(rats[each] for each in ("5G", "LTE", "HSPA+"))
    )  # fmt: skip
    assert {"rsrp_dbm": 73, "sinr_db": 3} == faults
    assert [19_366, 0, 7_966, 1] == [np.count_nonzero(each) for each in (found > 1.5, found > 5, found == 0, found < 0)]
    assert 3_342.45 == pytest.approx(clock_s / 60)
    # No pause is longer than three rows: all of the clock's time is somebody's, and the last rows add a second each.
    assert clock_s <= stands_s <= clock_s + 83


def test_pings_of_a_drive_test_that_lost_all_have_no_round_trip(drives):
    """UCC: 3,208 rows with a round trip, 86.974 ms on average; 3,272 with a loss of 3.05 %, of which 64 lost all."""
    rtt_us, lost = [], []
    for path in drives:
        with path.open(encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            mean, loss = map(next(rows).index, ("PINGAVG", "PINGLOSS"))
            for row in rows:
                rtt_us += [round(1000 * float(row[mean]))] if row[mean] != "-" else []
                lost += [float(row[loss])] if row[loss] != "-" else []
    counted = histogram(np.array(rtt_us))
    assert (3_208, 86.974) == (counted.n, round(counted.mean / 1000, 3))
    assert (3_272, 64, 3.0501) == (len(lost), lost.count(100.0), round(float(np.mean(lost)), 4))
    assert len(lost) - lost.count(100.0) == counted.n


def test_shares_of_time_by_technology_are_those_of_the_authors(test_data):
    """INFOCOM 2023: the shares of a region are its samples over all of it, and add up to one, or to none at all."""
    with data(test_data, "infocom23_5gmeas", "cell_set_breakdown_20210405_20220122.csv").open() as file:
        rows = list(csv.DictReader(file))
    regions = {row["region"] for row in rows}
    assert {"A-R1", "T-R13", "V-R8"} <= regions
    for region in regions:
        mine = [row for row in rows if row["region"] == region]
        samples = np.array([float(row["duration_sample_number"]) for row in mine])
        shares = [
            make_figures().share("coverage_time", np.arange(len(mine)) == place, weights=samples).value
            for place in range(len(mine))
        ]
        assert [float(row["duration_sample_ratio"]) for row in mine] == pytest.approx(shares, rel=1e-12)
        assert sum(shares) == pytest.approx(1.0)
    first = [row for row in rows if row["region"] == "A-R1" and row["type"] != "5GS_SA"]
    assert [(2_096_213, 0.339254), (1_201_453, 0.194445), (2_881_220, 0.466301)] == [
        (int(row["duration_sample_number"]), round(float(row["duration_sample_ratio"]), 6)) for row in first
    ]


def test_the_mean_of_all_samples_weighs_technologies_by_their_samples(test_data):
    """INFOCOM 2023: in each cell of the grid, the mean rate of all samples is that of the technologies' means."""
    (path,) = data(test_data, "infocom23_5gmeas").glob("T-R13_thput_grid_*.csv")
    compared = mixed = 0
    with path.open() as file:
        for row in csv.DictReader(file):
            parts = [(row[f"{rat}_thput_avg"], int(row[f"{rat}_thput_sample_num"])) for rat in ("mw", "sub6", "lte")]
            known = [(float(mean), n) for mean, n in parts if n]
            if not known:
                continue
            tests = make_series(
                range(len(known)), direction=["down"] * len(known), protocol=["tcp"] * len(known),
                rate_bps=[1e6 * mean for mean, _ in known], interval_s=[n for _, n in known],
            )  # fmt: skip
            found = by_name(evaluate_throughput(tests, make_figures()))["throughput_tcp", "down", "mean"]
            assert float(row["all_thput_avg"]) == pytest.approx(found.value, rel=1e-9)
            assert sum(n for _, n in known) == int(row["all_thput_sample_num"])
            compared, mixed = compared + 1, mixed + (len(known) > 1)
    assert compared > 100
    assert mixed > 20


def test_each_cells_share_of_the_samples_of_its_grid(test_data):
    """INFOCOM 2023: in every row the samples of a radio cell over all samples of its square."""
    (path,) = data(test_data, "infocom23_5gmeas").glob("V-R8_rss_cell_*.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 1000
    for row in rows[::10]:
        total, hits = int(row["total_sample"]), int(row["sample"])
        weights = np.array([hits, total - hits], float)
        found = make_figures().share("coverage_time", np.array([True, False]), weights=weights)
        assert float(row["sample_ratio"]) == pytest.approx(found.value, rel=1e-12)
