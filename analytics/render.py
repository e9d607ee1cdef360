"""`docs/kpi.md`, rendered from the table of definitions."""

from __future__ import annotations

from analytics.definitions import DEFINITIONS, FAMILIES, KpiDefinition
from analytics.dictionary.definition import WITHOUT_INTERVAL
from analytics.part_figures import WITHOUT_PARTS
from analytics.stop_names import STOP_NAMES

_NO_INTERVALS = "\n".join(f"  * {', '.join(each.statistics)}: {each.en}." for each in WITHOUT_INTERVAL)

_HEAD = f"""# KPIs (指標の定義)

<!-- Rendered from analytics/definitions.py by `make docs`. Do not edit. -->

Every result carries n, a 95 % confidence interval, clock quality, clause and revision, and hashes of data and
definitions. Rules that hold for all of them:

* A lost packet has infinite delay and stays in the denominator: a quantile that falls among lost packets has no value.
  Means are of delivered packets. (RFC 7679 5, RFC 2681 4)
* A quantile is the smallest value x with F(x) >= q (RFC 2330 11.3); ranks are computed in fractions.
* Intervals respect autocorrelation: n is reduced to n_eff by Geyer's initial positive sequence. Quantiles get exact
  order-statistic intervals on n_eff, proportions Clopper-Pearson's, means Student's. A series of more than 32,768
  values is summed in groups first. For a quantile of a delay, n_eff is that of lying above it: the drift that makes a
  mean uncertain hardly moves a 99th percentile.
* Numbers of packets (losses, loss periods, bursts, reordered packets) have the interval of their share times n; numbers
  of events (outages, handovers, interventions) Poisson's. Copies of one packet come together: for the interval of
  duplication they are one event. RFC 3550 jitter has the interval of the differences that it smooths. Any other value
  without an interval says why beside it; these have none, whatever was measured, and further ones by their definition:
{_NO_INTERVALS}
* A packet that came later than the profile's `lost_after_ms` is lost before anything of its link, or of a pair of
  links, is computed; results say so, with how many. Which way it was lost: up where the delay up shows it, down where
  the reflector had it. (RFC 6703 4.1.2, RFC 7680 2.4, RFC 8762 4)
* Where nothing failed, that alone is no sign of independence: packets are worth what their delays are, and an
  availability rests on how long an outage lasts. Observed time is worth T / s trials, s the mean duration of the outage
  in which a random instant of down time lies; where none or few were seen, one of `outage_s` of the profile (10 s) is
  assumed, or of the time over which the packets hang together if that is longer, and the result says so. In simulations
  of outages no longer than assumed, or of which five or more were expected, the intervals cover 93 % and more; outages
  that are longer and hardly seen are not covered (60 % where one of a minute is expected).
* Availability, outages and MTBF of the first direction measured (round trips where there are any) are of all packets:
  one without a delay in it failed. Those of up and down beside it are of the packets sent that way, from the first that
  has a delay on. What was lost on the way up was never sent down, and the pause it leaves was not observed. What was
  lost on the way back, or has no delay up, did arrive up, nobody knows when: it neither fails nor restores the service,
  and the interval reaches from all of those failed to all in time. Losses of unknown direction fail both ways, and at
  best neither. Sending times down are those of the packet. Pairs of links, the list of outages and long windows know
  the first direction only.
* First copy counts; duplicates are a KPI of their own.
* One-way figures carry the bound of both clocks together, at any moment the larger of the sample after it and of what
  the one before has grown to by then (15 ppm, RFC 5905 7.2). Its limit is the profile's `clock_within_ms`, without it a
  tenth of `owd_within_ms`. In time with a larger or unknown bound packets have no one-way delay: they count as sent,
  lost or delivered, and their delay lies between nothing and their round trip, which the interval holds. The value
  takes delivered ones to be as fast as the others; beside it stands the value whatever the clocks. (RFC 7679 3.7)
* Where there is no other time, one-way figures are 参考値: never 達成, and 未達 only where a known bound leaves no
  doubt. Where the bound is within the limit and yet decides, the verdict is 判定不能.
* A verdict compares the whole interval with the requirement: 達成, 未達, or 判定不能 with the samples still needed.
* Sequence numbers without a record are absent: not measured or lost, and never silently either.
* Of driving only (`--moving-only` of `jissho kpi` and `jissho route`, `moving_only=true`): what was measured of the
  links while the vehicle stood, below 0.5 m/s for ten seconds and more, is left out as an excluded interval is: each
  figure beside its value with that time, and its filter says how many halts of how long. Half a metre a second is below
  walking pace and above the speed noise of a receiver; a stop line takes less than ten seconds, a stop more. Time
  without a known speed stays (a tunnel is where the link is worst). What the vehicle says of itself is of the whole
  drive: a manoeuvre ends in a halt.
* Places, conditions, the list of outages and all requirements at once are of the same packets as the KPIs of a link:
  without excluded intervals, with the waiting time of the profile, and by the same clocks. Of a class of more than
  65,536 packets (a section or mesh of 16,384) the correlation is that of sums of groups.
* Pairs of links go by the clocks of both links, each moment by moment. Where either packet of a pair lies in time of
  poor clocks, the pair was no later than that packet's round trip or the known delay of the other, which the interval
  holds; what delay the second link saved leaves such pairs out, lost ones too. A link is down or up in such time by
  what its clocks measured; the intervals of availability, outages and gain reach over what they leave open.

## Table (一覧)

Statistics in bold are the main ones, which a report states first: the sheet 主要結果, the page and `jissho kpi` show
them and whatever a requirement asks for, until all are wanted. What a KPI needs is named by stream and column
([data contract](data-contract.md)), "+" where columns of one row go together; it has no value without.
"""

_PARTS = """
## Long windows (部分結果)

Over any window of a link (`GET /v1/links/{site}/{device}/{link}/summary`) the KPIs of the probe stream are merged from
partial results by minute, hour and day. Counts, sums, mean, standard deviation, extremes, loss, loss periods and the
two-state model are exact; so are the distribution function, and reliability at one of its delays; at any other it is
uncertain by the packets that lie in the bucket (0.1 %) of the bound. Quantiles are within 0.1 %, the time of
availability, outages and MTBF (of the first direction measured) within 0.1 % of a sending interval for each stretch
observed. Without intervals: those come with a run.

With `lost_after_ms` packets that came later are counted as lost by their round trips. What only counts packets has a
value, with bounds (`low`, `high`) where the limit cuts a bucket; what asks which packets those were has none where any
was late: patterns of loss, losses and delays up and down beside round trips, standard deviations, and availability
where the limit is shorter than Tmax. The series over time are as measured. Not given there:

| id | why |
|---|---|
"""

_STOPS = """
## Commands to stop (停止指令の名称)

Names that `stop_delivery` counts. Width, case, "-" and spaces do not matter, nor what precedes the last dot of a name.
A profile names its own in `[parameters]`, which then replace these: `stop_names = ["pull_over", "路肩停止"]`.

| name | meaning |
|---|---|
"""


_TABLE_HEAD = """| id | 指標 | KPI | unit | better | directions | statistics | needs | clause | rev |
|---|---|---|---|---|---|---|---|---|---|
"""


def _row(each: KpiDefinition) -> str:
    statistics = ", ".join(f"**{name}**" if name in each.main else name for name in each.statistics)
    return (
        f"| `{each.id}` | {each.name_ja} | {each.name_en} | {each.unit} | {each.better or '-'} "
        f"| {', '.join(each.directions) or '-'} | {statistics} | {each.needs_text('en')} "
        f"| {each.clause} | {each.revision} |\n"
    )


def _without_interval(each: KpiDefinition) -> str:
    """Say which statistics of a KPI have no interval for a reason of their own."""
    return "".join(
        f"\nNo interval (区間なし): {', '.join(one.statistics)}: {one.ja}。{one.en}.\n" for one in each.no_interval
    )


def kpi_md() -> str:
    """Return the text of `docs/kpi.md`."""
    rows = "".join(
        f"\n### {family.ja} / {family.en}\n\n{_TABLE_HEAD}{''.join(_row(each) for each in family.definitions)}"
        for family in FAMILIES
    )
    meanings = "".join(
        f"\n### `{each.id}` {each.name_ja}\n\n{each.meaning_ja}。\n\n{each.meaning_en}\n{_without_interval(each)}"
        for each in DEFINITIONS
    )
    without = "".join(f"| `{kpi}` | {reason} |\n" for kpi, reason in WITHOUT_PARTS.items())
    names = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in STOP_NAMES.items())
    return f"{_HEAD}{rows}{_PARTS}{without}\n## Meanings\n{meanings}{_STOPS}{names}"
