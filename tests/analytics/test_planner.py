"""The planner against the table of the exact binomial bound."""

import pytest
from scipy.stats import binom

from analytics.planner import packets_for, plan

KNOWN = {
    0.99: (299, 473, 628, 773, 1_049, 1_693),
    0.999: (2_995, 4_742, 6_294, 7_752, 10_511, 16_959),
    0.9999: (29_956, 47_437, 62_956, 77_535, 105_128, 169_619),
    0.99999: (299_572, 474_385, 629_578, 775_364, 1_051_301, 1_696_219),
    0.999999: (2_995_731, 4_743_863, 6_295_792, 7_753_655, 10_513_033, 16_962_216),
}


@pytest.mark.parametrize("target", KNOWN)
def test_packets_needed_are_those_of_the_exact_bound(target):
    """For 0, 1, 2, 3, 5 and 10 failures; one packet fewer would not do (checked with scipy)."""
    found = tuple(packets_for(target, failures) for failures in (0, 1, 2, 3, 5, 10))
    assert found == KNOWN[target]
    for failures, packets in zip((0, 1, 2, 3, 5, 10), found, strict=True):
        assert binom.cdf(failures, packets, 1 - target) <= 0.05 < binom.cdf(failures, packets - 1, 1 - target)


def test_bursty_packets_stretch_the_plan():
    """2,710 packets worth 199: 99.999 % takes 13.6 times as long, at 100 packets/s about 11.3 hours."""
    line = plan(100.0, 199 / 2710, targets=(0.99999,), failures=(0,))[0]
    assert line.packets == 299_572
    assert line.packets_needed == pytest.approx(299_572 * 2710 / 199, abs=1)
    assert line.hours == pytest.approx(11.33, abs=0.01)


@pytest.mark.parametrize(("arguments", "message"), [((0,), "rate"), ((10, 0), "worth"), ((10, 1, (1.0,)), "target")])
def test_what_cannot_be_planned_is_said(arguments, message):
    """A reliability of 100 % cannot be demonstrated by any number of packets."""
    with pytest.raises(ValueError, match=message):
        plan(*arguments)
