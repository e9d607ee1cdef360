"""A real private-5G trace (EDAF, Apache-2.0) against figures computed independently of this code."""

import numpy as np
import pytest

from analytics.delay import arrival_order, ipdv_us, rfc3550_jitter_us
from analytics.evaluate import evaluate_link
from analytics.probes import probe_arrays
from analytics.requirements import Parameters, Profile
from analytics.statistics import autocorrelation
from tests.analytics.making import UNKNOWN_CLOCK, Column, by_name, subject

TOLERANCE_MS = 0.0006
"""Half a microsecond of rounding, and a tenth for the float of the published figure."""


@pytest.fixture(scope="module")
def sent(test_data):
    """2,710 delivered packets of 2,815 numbers; who is missing was lost or not matched, nobody knows."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = test_data / "edaf_private5g" / "res.parquet"
    if not path.is_file():
        pytest.skip(f"{path} not found: the private-5G trace is not tested")
    table = parquet.read_table(path, columns=["seqno", "send.timestamp", "e2e_delay"])
    n = table.num_rows
    null = Column(np.zeros(n, np.int32), np.zeros(n, bool))
    return probe_arrays({
        "t_us": Column(np.rint(table["send.timestamp"].to_numpy() * 1e6).astype(np.int64)),
        "session": Column(np.ones(n, np.int32)),
        "seq": Column(table["seqno"].to_numpy().astype(np.int32)),
        "refl_seq": null,
        "ul_us": Column(np.rint(table["e2e_delay"].to_numpy() * 1000).astype(np.int32)),
        "dl_us": null,
        "rtt_us": null,
        "copy": Column(np.ones(n, np.int16)),
        "lost": Column(np.zeros(n, np.int16)),
    })  # fmt: skip


@pytest.fixture(scope="module")
def results(sent):
    """All KPIs of the trace, which has no clock record."""
    return by_name(evaluate_link(sent, subject(clock=UNKNOWN_CLOCK)))


DELAYS = {
    "mean": 15.972788, "min": 7.463217, "max": 107.895613, "p50": 13.380290, "p95": 25.543451, "p99": 43.149233,
    "p99.9": 99.905968,
}  # fmt: skip


@pytest.mark.parametrize("statistic", DELAYS)
def test_one_way_delay(results, statistic):
    """Within the rounding of the wire format to whole microseconds."""
    assert results["owd", "up", statistic].value == pytest.approx(DELAYS[statistic], abs=TOLERANCE_MS)


def test_delay_variation(sent, results):
    """PDV p99.9, pairs of neighbours, mean and mean absolute IPDV, and RFC 3550 J after the last packet."""
    steps_ms = ipdv_us(sent, "up") / 1000
    assert results["pdv", "up", "p99.9"].value == pytest.approx(92.442751, abs=2 * TOLERANCE_MS)
    assert results["ipdv", "up", "mean"].n == steps_ms.size == 2612
    assert results["ipdv", "up", "mean"].value == pytest.approx(4.738634, abs=2 * TOLERANCE_MS)
    assert (steps_ms.mean(), steps_ms.min(), steps_ms.max()) == pytest.approx(
        (0.012672, -10.136127, 36.678314), abs=2 * TOLERANCE_MS
    )
    assert rfc3550_jitter_us(arrival_order(sent, "up"))[-1] / 1000 == pytest.approx(4.769280, abs=2 * TOLERANCE_MS)


@pytest.mark.parametrize(("within_ms", "delivered"), [(10, 166), (20, 2061), (30, 2614), (50, 2691), (100, 2708)])
def test_packets_delivered_within_a_bound(sent, within_ms, delivered):
    """Of 2,710 delivered; the 105 absent ones are said and widen the interval downwards.

    The exact times have 165 within 10 ms; one more, of 10.0002 ms, is rounded to 10,000 us.
    """
    profile = Profile(name="x", ja="", en="", status="", parameters=Parameters(owd_within_ms=float(within_ms)))
    result = by_name(evaluate_link(sent, subject(profile)))["reliability", "up", "ratio"]
    assert (result.n, round(result.value * result.n)) == (2710, delivered)
    assert "105 absent" in result.reason
    assert result.ci_low < delivered / 2815


def test_the_packets_are_not_independent(sent, results):
    """Lag-1 autocorrelation 0.655: 2,710 packets are worth 199, and intervals are 3.7 times as wide."""
    assert autocorrelation(sent.delays["up"].us)[1] == pytest.approx(0.655, abs=0.001)
    mean = results["owd", "up", "mean"]
    assert mean.n_eff == 199
    assert (2710 / mean.n_eff) ** 0.5 == pytest.approx(3.7, abs=0.05)
    for kpi in DELAYS:
        result = results["owd", "up", kpi]
        assert result.ci_low is None or result.ci_low <= result.value


def test_absence_is_not_loss(results):
    """The pipeline of the trace drops packets that it cannot match: the loss is not known."""
    loss = results["loss", "up", "ratio"]
    assert (loss.value, loss.ci_high, loss.n) == (None, None, 2815)
    assert "105/2815" in loss.reason
    assert results["absent", "", "count"].value == 105.0


def test_without_a_clock_record_the_delays_are_reference_only(results):
    """The hosts were synchronised by PTP, but the recording does not prove it."""
    assert "参考値" in results["owd", "up", "p99"].reason
    assert results["owd", "up", "p99"].clock == "不明"
