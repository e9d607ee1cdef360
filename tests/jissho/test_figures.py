"""Figures as the command line prints them."""

from analytics.definitions import BY_ID
from analytics.report.words import shown_unit
from analytics.results import KpiResult
from jissho.figures import shown_interval, shown_value


def figure(kpi, statistic, value, low=None, high=None):
    definition = BY_ID[kpi]
    return KpiResult(
        id=kpi, link="l5g", direction="", statistic=statistic, value=value, unit=definition.unit, n=10_000_000,
        definition=definition.citation, ci_low=low, ci_high=high,
    )  # fmt: skip


def test_shares_are_percent_and_all_else_is_as_it_is():
    """Loss, and whatever statistic of another radio's share; delays and numbers of packets stay."""
    shown = {
        each.id: (shown_value(each, each.value), shown_unit(each.id, each.unit, each.statistic), shown_interval(each))
        for each in (
            figure("loss", "ratio", 0.00041, 0.0001), figure("wifi_retry", "p95", 0.125, 0.1, 0.15),
            figure("rtt", "p95", 20.9), figure("loss_burst", "mean", 1.5),
        )
    }  # fmt: skip
    assert shown == {
        "loss": ("0.041", "%", "0.01 – …"), "wifi_retry": ("12.5", "%", "10 – 15"), "rtt": ("20.9", "ms", ""),
        "loss_burst": ("1.5", "", ""),
    }  # fmt: skip


def test_what_is_not_quite_all_is_never_printed_as_all():
    """Five significant digits of 99.99996 % are 100."""
    nearly = figure("reliability", "ratio", 0.9999996)
    assert (shown_value(nearly, nearly.value), shown_value(nearly, 1.0), shown_value(nearly, None)) == (
        "99.99996", "100", None
    )  # fmt: skip
