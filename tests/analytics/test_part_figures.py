"""Figures from parts beside the evaluation of the same packets: a real trace, and probes with every kind of loss."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from analytics.definitions import BY_ID
from analytics.dictionary.clock import CLOCK
from analytics.dictionary.link import LINK
from analytics.dictionary.pattern import PATTERN
from analytics.evaluate import evaluate_link
from analytics.log_histogram import RELATIVE_ERROR
from analytics.part_figures import WITHOUT_PARTS, figures
from analytics.part_segments import Deadlines
from analytics.partials import merge, split
from analytics.probes import probe_arrays
from tests.analytics.making import T0_US, UNKNOWN_CLOCK, Column, by_name, columns, subject
from tests.analytics.recordings import recordings

SECOND_US = 1_000_000
DEFAULTS = Deadlines()


def by_parts(cells, width_us):
    """Return the merge of parts of some width."""
    order = np.argsort(cells["t_us"].values, kind="stable")
    cells = {
        name: Column(one.values[order], None if one.valid is None else one.valid[order]) for name, one in cells.items()
    }
    t_us = cells["t_us"].values
    edges_us = range(int(t_us[0]) // width_us * width_us, int(t_us[-1]) + width_us + 1, width_us)
    return merge(list(split(cells, edges_us, DEFAULTS)))


def nearness(key, value, expected):
    """Return how far the figure of a part may be from the exact value: quantiles lie in buckets of 0.1 %."""
    if key[2] == "median":
        # The mean of p50 and the value after it, each of which is that near.
        below = expected[*key[:2], "p50"].value
        return RELATIVE_ERROR * (abs(below) + abs(2 * value - below)) / 2
    is_quantile = key[0] in {"owd", "rtt"} and key[2].startswith("p")
    return RELATIVE_ERROR * abs(value) if is_quantile else 1e-9


def is_timed(key):
    """Tell whether a figure measures time observed, in which each stretch is closed by a sending interval."""
    return key[0] in {"availability", "outage", "mtbf"}


def compare(cells, width_us):
    """Assert that every KPI that has parts is the same; return the ids compared."""
    expected = by_name(evaluate_link(probe_arrays(cells), subject()))
    expected = {key: result for key, result in expected.items() if key[0] not in WITHOUT_PARTS}
    # Parts know the service of all packets, by the first direction measured.
    first = next(key[1] for key in expected if is_timed(key))
    expected = {key: result for key, result in expected.items() if key[1] == first or not is_timed(key)}
    part = by_parts(cells, width_us)
    found = by_name(figures(part))
    assert expected.keys() == found.keys()
    for key, result in expected.items():
        figure = found[key]
        value = result.value
        if value is not None:
            near = 1e-3 * abs(value) + 1e-9 if is_timed(key) else nearness(key, value, expected)
            value = pytest.approx(value, rel=0, abs=near)
        assert value == figure.value, key
        # A second more or less for each of four stretches: the sending interval is known to 0.1 %.
        assert abs(result.n - figure.n) <= (4 if key[0] == "availability" else 0), key
        assert result.unit == figure.unit, key
        assert figure.value is not None or figure.note, key
    return {key[0] for key in expected}


@pytest.mark.parametrize("width_us", [7 * SECOND_US // 10, 60 * SECOND_US])
def test_a_real_trace_has_the_figures_of_its_evaluation(test_data, width_us):
    """The private-5G trace (EDAF), in which absent numbers are neither lost nor measured."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = test_data / "edaf_private5g" / "res.parquet"
    if not path.is_file():
        pytest.skip(f"{path} not found: the private-5G trace is not tested")
    table = parquet.read_table(path, columns=["seqno", "send.timestamp", "e2e_delay"])
    rows = [
        {"t_us": round(row["send.timestamp"] * 1e6), "seq": row["seqno"], "ul_us": round(row["e2e_delay"] * 1000)}
        for row in table.to_pylist()
    ]
    assert {"owd", "loss", "absent", "reliability", "availability", "outage"} <= compare(columns(rows), width_us)


@pytest.mark.parametrize("width_us", [SECOND_US, 60 * SECOND_US])
def test_probes_with_every_kind_of_loss_have_the_figures_of_their_evaluation(width_us):
    """Losses up, down and undecided, bursts longer than a part, two sessions, copies, and a pause."""
    rng = np.random.default_rng(9)
    rows = []
    for session, first_us in ((1, T0_US), (2, T0_US + 100 * SECOND_US)):
        refl = itertools.count()
        is_lost = rng.random(2000) < 0.02
        is_lost[500:620] = True
        for seq in range(2000):
            t_us = first_us + 20_000 * seq + (30 * SECOND_US if seq >= 1000 else 0)
            went_up = not is_lost[seq] or rng.random() < 0.5
            number = next(refl) if went_up else None
            row = {"session": session, "seq": seq, "t_us": t_us}
            if not is_lost[seq]:
                ul, dl = (int(value) for value in rng.lognormal(10, 0.8, 2))
                row |= {"ul_us": ul, "dl_us": dl, "rtt_us": ul + dl, "refl_seq": number}
            rows.append(row)
            if not is_lost[seq] and seq % 97 == 0:
                rows.append({**row, "copy": 2, "lost": 0})
    compared = compare(columns(rows), width_us)
    probed = {each.id for each in (*LINK, *PATTERN, *CLOCK) if each.stream == "probe"}
    assert probed == compared | WITHOUT_PARTS.keys() | {"absent"}
    assert {"owd", "rtt", "loss", "loss_burst", "duplication", "reliability", "availability", "outage"} <= compared


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_every_figure_of_merged_parts_is_that_of_the_packets(recording):
    """Each KPI that has parts, of any packets cut anywhere: the value and n that the evaluation of the packets gives.

    Time observed is compared apart (test_partials): there two senders at once are judged together or in turn.
    """
    cells, edges_us = recording
    part = merge(list(split(cells, edges_us, DEFAULTS)))
    probes = probe_arrays(cells)
    if not probes.n:
        return
    found = {key: one for key, one in by_name(figures(part)).items() if not is_timed(key)}
    expected = by_name(evaluate_link(probes, subject(clock=UNKNOWN_CLOCK)))
    expected = {
        key: one for key, one in expected.items() if key[0] not in WITHOUT_PARTS and not is_timed(key) and one.n
    }  # fmt: skip
    assert {key for key in expected if expected[key].value is not None} <= found.keys()
    for key, figure in found.items():
        result = expected.get(key)
        if result is None:
            assert figure.value is None
            continue
        assert (result.n, result.unit) == (figure.n, figure.unit), key
        value = result.value
        if value is not None and figure.value is not None:
            value = pytest.approx(value, rel=0, abs=nearness(key, value, expected))
        assert value == figure.value, key


def test_every_kpi_of_the_probe_stream_has_parts_or_a_reason():
    """A KPI without parts is one that exists, and says why."""
    assert WITHOUT_PARTS.keys() <= BY_ID.keys()
    assert all(reason and BY_ID[kpi].stream == "probe" for kpi, reason in WITHOUT_PARTS.items())
