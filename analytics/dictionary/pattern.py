"""How reordering and loss are spread over a run of probes: the buffer that order takes, bursts of loss and the gaps."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition, NoInterval
from analytics.dictionary.sources import LOST, ORDERED, ROUND_TRIP, WITH_UP

GMIN = 16
"""Packets delivered in turn that end a burst: the value that RFC 3611 4.7.2 recommends."""
_ORDERED = ("seq", "rtt_us", "ul_us")

PATTERN: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="inter_loss_period", name_ja="連続損失の間隔", name_en="Inter-loss-period lengths", unit="1",
        better="larger", clause="RFC 3357 6.4", columns=("lost",), statistics=("mean", "min", "max"),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="連続損失の最後のパケットから次の連続損失の最初のパケットまでの通し番号の差。"
        "欠番またはセッションの境界をまたぐものは含めない",
        meaning_en="By how many numbers a loss period begins after the last packet of the one before; none over an "
        "absent number or the border of a session.",
    ),
    KpiDefinition(
        id="burst_density", name_ja="バースト内損失率", name_en="Burst density", unit="1", better="smaller",
        clause="RFC 3611 4.7.2", columns=("lost",), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="バーストの中で失われたパケットの割合。バーストは損失で始まり損失で終わる区間で、"
        "途中の受信の連続は16(Gmin)未満。前後16個が届いた単独の損失はバーストとせず、ギャップに含める",
        meaning_en="Share of packets lost within bursts. A burst starts and ends with a lost packet and has nowhere 16 "
        "(Gmin) delivered ones in turn; a single loss between 16 delivered ones is none and lies in a gap.",
    ),
    KpiDefinition(
        id="burst_duration", name_ja="バースト継続時間", name_en="Burst duration", unit="ms", better="smaller",
        clause="RFC 3611 4.7.2, A.2", columns=("lost", "t_us"), statistics=("count", "mean", "max"),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="バーストの回数、平均、最大の長さ。パケット数に平均送信間隔を掛けた時間",
        meaning_en="Number of bursts, their mean and largest length: packets times the mean interval of sending.",
    ),
    KpiDefinition(
        id="gap_density", name_ja="ギャップ内損失率", name_en="Gap density", unit="1", better="smaller",
        clause="RFC 3611 4.7.2", columns=("lost",), statistics=("ratio",),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="バースト以外の区間(ギャップ)で失われたパケットの割合。最大でも 1/(Gmin+1)",
        meaning_en="Share of packets lost outside of bursts, in the gaps: 1/(Gmin+1) at most.",
    ),
    KpiDefinition(
        id="gap_duration", name_ja="ギャップ継続時間", name_en="Gap duration", unit="ms", better="larger",
        clause="RFC 3611 4.7.2, A.2", columns=("lost", "t_us"), statistics=("mean",),
        directions=ROUND_TRIP, needs=(LOST,),
        meaning_ja="ギャップ(バーストの前後および間)の平均の長さ。パケット数に平均送信間隔を掛けた時間",
        meaning_en="Mean length of the gaps before, between and after bursts: packets times the mean interval of "
        "sending.",
    ),
    KpiDefinition(
        id="reordering_held", name_ja="順序復元の保留数", name_en="Packets held to restore the order", unit="1",
        better="smaller", clause="RFC 4737 4.4.3", columns=_ORDERED, statistics=("mean", "max"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="逆転したパケットが届いた時点で既に届いていた、後に送ったパケットの数。"
        "順序を復元する受信側が保留しておく量で、ペイロード長を掛けるとバイト数(reordering_byte_offset)となる",
        meaning_en="How many packets sent later had arrived when a reordered one did: what a receiver that restores "
        "the order holds back. Times the payload it is the byte offset.",
    ),
    KpiDefinition(
        id="reordering_byte_offset", name_ja="順序復元の保留バイト数", name_en="Reordering byte offset", unit="B",
        better="smaller", clause="RFC 4737 4.4.3", columns=_ORDERED, statistics=("mean", "max"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="reordering_held のパケットのペイロードの合計。"
        "要求値がペイロード長(payload_bytes)を示すときのみ算出",
        meaning_en="Payload of the packets of reordering_held. Computed only where the requirements state the payload "
        "of a packet (`payload_bytes`).",
    ),
    KpiDefinition(
        id="reordering_discontinuity", name_ja="順序の不連続", name_en="Reordering discontinuities", unit="1",
        better="smaller", clause="RFC 4737 3.4, 4.5.4", columns=_ORDERED, statistics=("count",),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="早く届き過ぎたパケット(後から、それに追い越された逆転パケットが届くもの)の数",
        meaning_en="How many packets arrived too early: reordered ones, which they overtook first, came after them.",
    ),
    KpiDefinition(
        id="reordering_discontinuity_size", name_ja="順序の不連続の大きさ",
        name_en="Size of reordering discontinuities", unit="1", better="smaller", clause="RFC 4737 3.4",
        columns=_ORDERED, statistics=("mean", "max"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="順序の不連続(reordering_discontinuity)で飛ばされた番号の数(届いた番号 - 次に届くはずの番号)。"
        "受信側が区別できない損失パケットの番号も数える",
        meaning_en="By how many numbers a discontinuity (reordering_discontinuity) is ahead of the number expected "
        "next; those of lost packets count too, since a receiver cannot tell them apart.",
    ),
    KpiDefinition(
        id="reordering_gap", name_ja="順序逆転の発生間隔", name_en="Gaps between reordering discontinuities", unit="1",
        better="larger", clause="RFC 4737 3.4, 4.5.4", columns=_ORDERED, statistics=("mean", "min"),
        directions=WITH_UP, needs=ORDERED,
        meaning_ja="到着順で数えた、順序の不連続(reordering_discontinuity)どうしの間隔(パケット)。"
        "同じセッションの中でのみ数える",
        meaning_en="By how many packets in order of arrival each discontinuity follows the one before it in its "
        "session.",
    ),
    KpiDefinition(
        id="reordering_free_run", name_ja="逆転なしの連続長", name_en="Reordering-free runs", unit="1",
        better="larger", clause="RFC 4737 4.6.3", columns=_ORDERED, statistics=("mean", "max", "weighted"),
        directions=WITH_UP, needs=ORDERED,
        no_interval=(
            NoInterval(
                ("weighted",), "最も長い数個の連続長で決まり、区間を定められない",
                "The few longest runs decide it: no interval would hold",
            ),
        ),
        meaning_ja="逆転パケットの間に順序どおり届いたパケットの連続長。最後の逆転より後の、終わりの分からない分は含めない。"
        "重み付き平均は、任意のパケットが属する連続長の期待値(二乗和÷和)",
        meaning_en="Lengths of the runs of packets in order that reordered ones end; what follows the last one is "
        "left out, since nothing ended it. Weighted: the length of the run that a packet in order lies in, on average "
        "(sum of squares over sum).",
    ),
)  # fmt: skip
