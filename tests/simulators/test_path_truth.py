"""The truth file: what is written comes back, and the counts that follow from it are right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulators.path_truth import COLUMNS, TruthRow, TruthWriter, load_truth, packets, summarise_truth

BASE_NS = 1_700_000_000_000_000_000


def row(direction: str, seq: int, fate: str = "delivered", **changes) -> TruthRow:
    arrival_ns = BASE_NS + changes.pop("at_us", 0) * 1000
    hold_us = changes.pop("hold_us", 0)
    values = {
        "direction": direction,
        "sender_port": 4000,
        "seq": seq,
        "stamp": 2**63 + seq,
        "refl_seq": -1,
        "copy": 1 if fate == "delivered" else 0,
        "fate": fate,
        "arrival_ns": arrival_ns,
        "release_ns": arrival_ns + hold_us * 1000 if fate == "delivered" else 0,
        "wanted_us": float(hold_us),
        "reordered": False,
    }
    return TruthRow(**(values | changes))


def written(tmp_path, rows):
    path = tmp_path / "truth-l5g.csv"
    writer = TruthWriter(path)
    for each in rows:
        writer.add(each)
    writer.close()
    return path


STORY = [
    # 0: delivered; 1: lost up; 2: lost down; 3: no answer; 4: outage up.
    row("up", 0, at_us=0, hold_us=100),
    row("down", 0, at_us=200, hold_us=50, refl_seq=0),
    row("up", 1, "dropped", at_us=1000),
    row("up", 2, at_us=2000, hold_us=110),
    row("down", 2, "dropped", at_us=2200, refl_seq=1),
    row("up", 3, at_us=3000, hold_us=120),
    row("up", 4, "outage", at_us=4000),
    # 5: copied on the way up; the answer to the second copy overtakes the answer to the first.
    row("up", 5, at_us=5000, hold_us=100),
    row("up", 5, at_us=5000, hold_us=700, copy=2),
    row("down", 5, at_us=5200, hold_us=3000, refl_seq=3, reordered=True),
    row("down", 5, at_us=5800, hold_us=60, refl_seq=4),
    # 6: copied on the way down.
    row("up", 6, at_us=6000, hold_us=130),
    row("down", 6, at_us=6200, hold_us=70, refl_seq=5),
    row("down", 6, at_us=6200, hold_us=90, refl_seq=5, copy=2),
    # 7: copied up, the answer to the first copy is lost.
    row("up", 7, at_us=7000, hold_us=140),
    row("up", 7, at_us=7000, hold_us=150, copy=2),
    row("down", 7, "dropped", at_us=7200, refl_seq=6),
    row("down", 7, at_us=7210, hold_us=80, refl_seq=7),
    # 8: still on its way at the end, with its copy.
    row("up", 8, "cut", at_us=8000, copy=1),
    row("up", 8, "cut", at_us=8000, copy=2),
]


def test_what_is_written_comes_back(tmp_path):
    truth = load_truth(written(tmp_path, STORY))
    assert list(COLUMNS) == list(truth)
    back = [TruthRow(*values) for values in zip(*(truth[name].tolist() for name in COLUMNS), strict=True)]
    assert [each._replace(reordered=int(each.reordered)) for each in STORY] == back


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path):
    path = written(tmp_path, STORY)
    path.write_text(path.read_text(encoding="ascii")[:-9], encoding="ascii")
    assert len(STORY) - 1 == len(load_truth(path)["seq"])


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="ascii")
    with pytest.raises(ValueError, match="path truth"):
        load_truth(path)


def test_each_packet_gets_its_fate_and_the_delays_of_its_first_answer(tmp_path):
    table = packets(load_truth(written(tmp_path, STORY)))
    assert list(range(9)) == table["seq"].tolist()
    assert [0, 1, 2, 3, 1, 0, 0, 0, 1] == table["lost"].tolist()
    assert [1, 0, 0, 0, 0, 2, 2, 1, 0] == table["answers"].tolist()
    got = table["lost"] == 0
    assert [100.0, 700.0, 130.0, 150.0] == table["up_us"][got].tolist()
    assert [50.0, 60.0, 70.0, 80.0] == table["down_us"][got].tolist()
    assert [150.0, 760.0, 200.0, 230.0] == table["round_trip_us"][got].tolist()
    assert all(math.isnan(value) for value in table["round_trip_us"][~got])


def test_the_summary_counts_every_packet_once(tmp_path):
    overflow = row("down", -1, "overflow", at_us=9000)
    summary = summarise_truth(load_truth(written(tmp_path, [*STORY, overflow])), quantiles=(0.5, 1.0))
    assert (9, 4, 3, 1, 1) == (
        summary.sent,
        summary.delivered,
        summary.lost_up,
        summary.lost_down,
        summary.unanswered,
    )
    assert (0, 1, 2) == (summary.overflow_up, summary.overflow_down, summary.duplicates)
    assert {0.5: 130.0, 1.0: 700.0} == summary.quantiles_us["up"]
    assert {0.5: 60.0, 1.0: 80.0} == summary.quantiles_us["down"]
    assert {0.5: 200.0, 1.0: 760.0} == summary.quantiles_us["round_trip"]


def test_the_same_sequence_number_in_a_new_session_is_another_packet(tmp_path):
    rows = [
        row("up", 0, at_us=0, hold_us=10, stamp=1),
        row("down", 0, at_us=20, hold_us=10, stamp=1, refl_seq=0),
        row("up", 0, at_us=100, hold_us=10, stamp=2),
        row("up", 0, "dropped", at_us=200, stamp=2, sender_port=4001),
    ]
    assert [0, 3, 1] == packets(load_truth(written(tmp_path, rows)))["lost"].tolist()


@pytest.mark.parametrize("rows", [[], [row("up", 0, "dropped")], [row("down", 3, hold_us=5)]])
def test_a_path_without_a_delivered_packet_has_no_quantiles(tmp_path, rows):
    summary = summarise_truth(load_truth(written(tmp_path, rows)))
    assert sum(each.direction == "up" for each in rows) == summary.sent == summary.lost_up
    assert {"up": {}, "down": {}, "round_trip": {}} == summary.quantiles_us
    assert np.isfinite(summary.delivered)
