"""Delay, loss, reliability and availability of a link: the KPIs of the probe stream."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition, NoInterval
from analytics.dictionary.sources import CLOCK_BOUND, DELAY, LOST, ONE_WAY, ORDERED, ROUND_TRIP, UP_DOWN, WAYS, WITH_UP

QUANTILES = ("p5", "p50", "p95", "p99", "p99.9", "p99.99")
_DELAY_STATISTICS = ("mean", "std", "min", *QUANTILES, "max")
CDF_MS: dict[str, int] = {f"le_{ms}ms": ms for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)}
"""Delays at which the distribution function is given: the same for every run, so that runs can be laid together."""
N_REORDERING: dict[str, int] = {f"ge_{n}": n for n in (1, 2, 3)}
"""Degrees of n-reordering that are given: from three on, TCP retransmits what was only late (RFC 4737 5)."""

LINK: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="owd", name_ja="片方向遅延", name_en="One-way delay", unit="ms", better="smaller",
        clause="RFC 7679 3.4, 5.1, 5.2; RFC 2330 11.3", revision=3, columns=("ul_us", "dl_us"),
        statistics=(*_DELAY_STATISTICS, "median"),
        directions=UP_DOWN, needs=(ONE_WAY,), also=(CLOCK_BOUND,), main=("p50", "p95", "p99"),
        meaning_ja="送信から受信までの時間。分位点は送信した全パケットに対し、損失を無限大とする。平均と標準偏差は到達分のみ。"
        "median は偶数個のとき中央2値の平均、p50 はその小さい方。両端の時刻同期が必要",
        meaning_en="Time from sending to reception. Quantiles run over all packets sent, a lost one is infinite; "
        "mean and standard deviation are of delivered packets. Of an even number `median` is the mean of the two in "
        "the middle, p50 the smaller of them. Needs synchronised clocks.",
    ),
    KpiDefinition(
        id="rtt", name_ja="往復遅延", name_en="Round-trip delay", unit="ms", better="smaller",
        clause="RFC 2681 2.4, 4.1, 4.2; RFC 2330 11.3", revision=3, columns=("rtt_us",),
        statistics=(*_DELAY_STATISTICS, "median"),
        directions=ROUND_TRIP, needs=(("probe.rtt_us",),), main=("p50", "p95", "p99"),
        meaning_ja="(T4-T1)-(T3-T2)。反射側の滞留を除く。損失は無限大、平均と標準偏差は到達分のみ。"
        "median は偶数個のとき中央2値の平均、p50 はその小さい方",
        meaning_en="(T4-T1)-(T3-T2), without the reflector's own time. A lost packet is infinite; mean and standard "
        "deviation are of delivered packets. Of an even number `median` is the mean of the two in the middle, p50 the "
        "smaller of them.",
    ),
    KpiDefinition(
        id="delay_cdf", name_ja="遅延の累積分布", name_en="Cumulative distribution of the delay", unit="1",
        better="larger", clause="RFC 2330 11.3; RFC 7679 3.4; RFC 2681 2.4",
        columns=("ul_us", "dl_us", "rtt_us", "lost"), statistics=tuple(CDF_MS),
        directions=WAYS, needs=(DELAY,), also=(CLOCK_BOUND,),
        meaning_ja="送信した全パケットのうち、遅延が所定の値以下であったものの割合。損失は無限大",
        meaning_en="Share of all packets sent whose delay was no more than each of ten fixed values; a lost one is "
        "infinite.",
    ),
    KpiDefinition(
        id="ipdv", name_ja="遅延変動(IPDV絶対値)", name_en="Inter-packet delay variation, absolute", unit="ms",
        better="smaller", clause="RFC 3393 2.4; RFC 5481 4.1, 5.5", columns=("ul_us", "dl_us", "rtt_us"),
        statistics=_DELAY_STATISTICS, revision=2,
        directions=WAYS, needs=(DELAY,), main=("p95",),
        meaning_ja="送信順に連続する2パケットの遅延差の絶対値。どちらかが損失なら未定義",
        meaning_en="Absolute difference of the delays of two packets sent one after the other; undefined if one is "
        "lost.",
    ),
    KpiDefinition(
        id="pdv", name_ja="遅延変動(PDV)", name_en="Packet delay variation", unit="ms", better="smaller",
        clause="RFC 5481 4.2, 6.5", columns=("ul_us", "dl_us", "rtt_us"), statistics=_DELAY_STATISTICS,
        revision=2,
        directions=WAYS, needs=(DELAY,),
        meaning_ja="遅延 - 最小遅延(到達分)の統計量",
        meaning_en="Delay minus the smallest delay, over delivered packets.",
    ),
    KpiDefinition(
        id="jitter_rfc3550", name_ja="RFC 3550 ジッタ", name_en="Interarrival jitter of RFC 3550", unit="ms",
        better="smaller", clause="RFC 3550 6.4.1, A.8", columns=("ul_us", "dl_us", "rtt_us"),
        statistics=("mean", *QUANTILES, "max"), revision=2,
        directions=WAYS, needs=(DELAY,),
        meaning_ja="到着順の遅延差の指数平滑(係数1/16)。平均と最大は全パケット、分位点は16パケットごとの値による",
        meaning_en="Delay differences in order of arrival, smoothed with 1/16. Mean and maximum are of all packets, "
        "quantiles of its value after every sixteenth.",
    ),
    KpiDefinition(
        id="loss", name_ja="パケット損失率", name_en="Packet loss", unit="1", better="smaller",
        clause="RFC 7680 2.4, 4.1; RFC 6673 6.1; RFC 8762 4", columns=("lost", "refl_seq"),
        statistics=("ratio", "count"),
        directions=WAYS, needs=(LOST,), also=("probe.refl_seq",), main=("ratio",),
        meaning_ja="待ち時間内に届かなかった割合。上り・下りは反射側の通し番号で分ける",
        meaning_en="Share not received within the waiting time; up and down are told apart by the reflector's numbers.",
    ),
    KpiDefinition(
        id="loss_burst", name_ja="連続損失", name_en="Loss periods", unit="1", better="smaller",
        clause="RFC 3357 4, 6.2, 6.3", columns=("lost",), statistics=("count", "mean", "max"),
        directions=ROUND_TRIP, needs=(LOST,), main=("max",),
        meaning_ja="損失が続いた区間の数、平均長、最大長(パケット)",
        meaning_en="Number of loss periods, their mean and largest length in packets.",
    ),
    KpiDefinition(
        id="loss_distance", name_ja="損失間隔", name_en="Loss distance", unit="1", better="",
        clause="RFC 3357 4, 5.4.1", columns=("lost", "seq"), statistics=("mean", "min", "p50", "max"),
        directions=ROUND_TRIP, needs=(("probe.lost+seq",),),
        meaning_ja="損失パケットとその直前の損失パケットの通し番号の差。各セッションの最初の損失は含めない。"
        "欠番も差に数えるため、欠番があるときは実際より長い場合がある",
        meaning_en="By how many numbers a lost packet follows the lost one before it; the first loss of each session "
        "has no distance. Absent numbers count, so that with those it may be too long.",
    ),
    KpiDefinition(
        id="loss_noticeable", name_ja="短間隔損失率", name_en="Loss noticeable rate", unit="1", better="smaller",
        clause="RFC 3357 6.1", columns=("lost", "seq"), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(("probe.lost+seq",),),
        meaning_ja="全損失のうち、直前の損失との間隔が損失制約δ(要求値の loss_constraint、既定99)以下の割合",
        meaning_en="Share of all losses whose distance to the loss before is no more than the loss constraint delta "
        "(`loss_constraint` of the requirements, 99 unless stated).",
    ),
    KpiDefinition(
        id="loss_model", name_ja="損失の2状態モデル", name_en="Two-state model of loss", unit="1", better="",
        clause="Gilbert 1960", columns=("lost",), statistics=("p", "q"),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="p は受信の次に損失となる確率、q は損失の次に受信となる確率。"
        "平均損失率は p/(p+q)、平均連続損失長は 1/q",
        meaning_en="p: a packet is lost after a delivered one; q: delivered after a lost one. Loss is p/(p+q), the "
        "mean burst 1/q.",
    ),
    KpiDefinition(
        id="loss_gilbert", name_ja="損失の3パラメータモデル", name_en="Three-parameter model of loss", unit="1",
        better="", clause="Gilbert 1960; Hasslinger, Hohlfeld 2008", columns=("lost",), statistics=("p", "r", "h"),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="回線は良状態(損失なし)と不良状態を行き来し、不良状態でも h の割合は届く。"
        "p は良から不良、r は不良から良へ1パケット毎に移る確率。平均損失率は (1-h)p/(p+r)。積率法による推定。"
        "良状態でも損失があるときは合わないため loss_gilbert_elliott を見る",
        meaning_en="The link is in a good state, which loses nothing, or in a bad one, in which a share h arrives all "
        "the same; p from good to bad and r back, from one packet to the next. Loss is (1-h)p/(p+r). Fitted by "
        "moments; where the good state loses packets too it does not fit: see loss_gilbert_elliott.",
    ),
    KpiDefinition(
        id="loss_gilbert_elliott", name_ja="損失の4パラメータモデル", name_en="Four-parameter model of loss", unit="1",
        better="", clause="Elliott 1963; Gilbert 1960; Hasslinger, Hohlfeld 2008", columns=("lost",),
        statistics=("p", "r", "loss_good", "loss_bad", "delta_bic"),
        directions=ROUND_TRIP, needs=(LOST,),
        no_interval=(
            NoInterval(
                ("delta_bic",), "同じデータに対する2つのモデルの比較", "Compares two models of the same data"
            ),
        ),
        meaning_ja="良状態で loss_good、不良状態で loss_bad の割合を失う。"
        "p は良から不良、r は不良から良へ1パケット毎に移る確率で、不良状態の平均長は 1/r パケット。"
        "最尤推定(Baum-Welch)。delta_bic は2状態モデルのBICとの差で、正ならこのモデルの方が適する",
        meaning_en="The good state loses a share loss_good of packets, the bad one loss_bad; p from good to bad and r "
        "back, from one packet to the next: a visit to the bad state lasts 1/r packets in the mean. Maximum "
        "likelihood (Baum-Welch). delta_bic: BIC of the two-state model minus that of this one, above 0 where this "
        "one describes the losses better.",
    ),
    KpiDefinition(
        id="reordering", name_ja="順序逆転", name_en="Reordering", unit="1", better="smaller",
        clause="RFC 4737 3.3, 4.1", columns=("seq", "rtt_us", "ul_us"), statistics=("ratio", "count"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="後に送ったパケットより後に届いたパケットの割合(到達パケットに対する)",
        meaning_en="Packets that arrived after one sent later, over packets that arrived.",
    ),
    KpiDefinition(
        id="reordering_extent", name_ja="順序逆転の幅", name_en="Reordering extent", unit="1", better="smaller",
        clause="RFC 4737 4.2", columns=("seq", "rtt_us", "ul_us"), statistics=("mean", "max"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="逆転したパケットが何パケット分遅れて届いたか",
        meaning_en="By how many packets a reordered one came late: what a buffer must hold to put it in order.",
    ),
    KpiDefinition(
        id="reordering_late", name_ja="順序逆転の遅れ", name_en="Reordering late time", unit="ms", better="smaller",
        clause="RFC 4737 4.3", columns=("seq", "rtt_us", "ul_us"), statistics=("mean", "max"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="逆転したパケットが、それを追い越した最初のパケットより遅れた時間",
        meaning_en="How long a reordered packet came after the first that overtook it.",
    ),
    KpiDefinition(
        id="n_reordering", name_ja="n逆転", name_en="n-reordering", unit="1", better="smaller",
        clause="RFC 4737 5.3", columns=("seq", "rtt_us", "ul_us"), statistics=tuple(N_REORDERING),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="直前に届いた n 個以上のパケットがすべて後に送ったものであるパケットの割合(到達パケットに対する)。"
        "3以上はTCPが損失とみなして再送する逆転",
        meaning_en="Share of arrived packets just before which n or more arrived that were all sent later; from three "
        "on TCP takes the packet for lost.",
    ),
    KpiDefinition(
        id="duplication", name_ja="重複受信", name_en="Duplication", unit="1", better="smaller",
        clause="RFC 5560 5.2", columns=("copy",), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(("probe.copy",),),
        meaning_ja="重複して受信したパケットの割合(到達パケットに対する)",
        meaning_en="Further copies received over distinct packets that arrived.",
    ),
    KpiDefinition(
        id="replication", name_ja="重複したパケットの割合", name_en="Replicated packets", unit="1", better="smaller",
        clause="RFC 5560 5.3", columns=("copy",), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(("probe.copy",),),
        meaning_ja="到達したパケットのうち、2回以上受信したものの割合。何回重複しても1と数える",
        meaning_en="Share of distinct packets that arrived which came more than once, however often.",
    ),
    KpiDefinition(
        id="absent", name_ja="欠番(未測定または損失)", name_en="Absent: not measured or lost", unit="1", better="",
        clause="jissho: a third state beside delivered and lost", columns=("seq",), statistics=("count",),
        needs=(("probe.seq",),), main=("count",),
        no_interval=(
            NoInterval(("count",), "記録にある事実の数", "A number that the record itself shows: nothing is estimated"),
        ),
        meaning_ja="記録に存在しない送信番号。測定されなかったのか損失なのかを区別できない",
        meaning_en="Sequence numbers without a record: the data cannot tell whether they were lost or never measured.",
    ),
    KpiDefinition(
        id="reliability", name_ja="所要遅延内到達率", name_en="Reliability (delivered within the bound)", unit="1",
        better="larger", clause="3GPP TS 22.261 3.1", columns=("ul_us", "dl_us", "rtt_us", "lost"),
        statistics=("ratio",),
        directions=WAYS, needs=(LOST, DELAY), also=(CLOCK_BOUND,), main=("ratio",),
        meaning_ja="所要遅延以内に届いたパケットの割合。遅れて届いたものは失敗",
        meaning_en="Share of packets sent that were delivered within the bound; a late one is a failure.",
    ),
    KpiDefinition(
        id="availability", name_ja="通信サービス可用性", name_en="Communication service availability", unit="1",
        better="larger", clause="3GPP TS 22.104 C.3; TS 22.261 3.1", columns=("rtt_us", "lost"), statistics=("ratio",),
        directions=WAYS, needs=(LOST, DELAY), main=("ratio",), is_main_once=True,
        meaning_ja="生存時間を超えて所要遅延内の受信が途絶えた時間を除いた時間の割合。未測定の時間は分母に含めない。"
        "最初の方向(往復遅延があれば往復)は全パケット、ほかの方向はその方向へ送られたパケットによる",
        meaning_en="Share of time in which no gap of timely messages exceeded the survival time; unmeasured time is in "
        "neither part. In the first direction measured (round trips where there are any) it is of all packets, in the "
        "others of those sent that way.",
    ),
    KpiDefinition(
        id="mtbf", name_ja="信頼性(平均故障間隔)", name_en="Mean time between failures", unit="s", better="larger",
        clause="3GPP TS 22.104 C.3", columns=("rtt_us", "lost"), statistics=("mean",),
        directions=WAYS, needs=(LOST, DELAY),
        meaning_ja="稼働時間/停止回数。停止が無いときは片側95%下限のみ",
        meaning_en="Up time over the number of failures; without a failure only the lower bound is known.",
    ),
    KpiDefinition(
        id="outage", name_ja="通信断", name_en="Outages", unit="s", better="smaller",
        clause="3GPP TS 22.104 C.3", columns=("rtt_us", "lost"), statistics=("count", "max", "total"),
        directions=WAYS, needs=(LOST, DELAY), main=("count", "max"), is_main_once=True,
        meaning_ja="可用性における停止の回数、最長、合計時間",
        meaning_en="Number, longest and total duration of the down times of availability.",
    ),
    KpiDefinition(
        id="ip_availability", name_ja="IPサービス稼働率(PIA)", name_en="IP service availability (PIA)", unit="1",
        better="larger", clause="ITU-T Y.1540 (clause, c1 and Tav not verified: as the profile states); RFC 6703 3",
        columns=("lost",), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(LOST,), main=("ratio",),
        meaning_ja="測定した区間(Tav、UNIX時刻の格子)のうち、損失率が c1 以下の区間の割合。"
        "上下いずれかの損失を損失とする。所定のパケット数に満たない区間と、測定の両端で欠けた区間は未測定とし、"
        "分母に含めない。PIU は 1 - PIA。要求値プロファイルが c1・Tav・最少パケット数・出典を示すときのみ算出",
        meaning_en="Share of the intervals measured (Tav, on a grid of Unix time) whose loss ratio is no more than c1; "
        "a packet lost in either direction is lost. Intervals with too few packets, and ends of the measurement cut "
        "short, are not measured and in neither part. PIU is 1 - PIA. Computed only where the profile states c1, Tav, "
        "the least number of packets and their source.",
    ),
    KpiDefinition(
        id="ip_loss_available", name_ja="稼働時間内の損失率(IPLR)", name_en="Packet loss in available time (IPLR)",
        unit="1", better="smaller",
        clause="ITU-T Y.1540 (clause, c1 and Tav not verified: as the profile states); RFC 6703 3",
        columns=("lost",), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="ip_availability で稼働とした区間のパケットの損失率。不稼働および未測定の区間のパケットは含めない",
        meaning_en="Loss ratio of the packets sent in the intervals that ip_availability calls available; packets of "
        "unavailable intervals and of those not measured are left out.",
    ),
    KpiDefinition(
        id="ping_rtt", name_ja="pingの往復時間", name_en="Round-trip time as ping computes it", unit="ms",
        better="smaller", clause="ping(8): duplicates included", columns=("rtt_us", "copy"),
        statistics=("min", "mean", "max", "mdev"),
        directions=ROUND_TRIP, needs=(("probe.rtt_us",), ("event.name",)), also=("probe.copy",),
        no_interval=(
            NoInterval(
                ("mean",), "pingが示すままの値。区間は往復遅延(rtt)を見る",
                "As ping prints it: the round-trip delay (rtt) has the interval",
            ),
        ),
        meaning_ja="pingの計算方法(重複応答を含む)による値。RFC 2681の値とは異なる",
        meaning_en="ping's own convention, duplicates included; differs from RFC 2681.",
    ),
)  # fmt: skip
