"""Japanese words for the codes of results: directions, statistics, and the customary unit of each quantity."""

from __future__ import annotations

from typing import Protocol

from analytics.definitions import is_share
from analytics.statistics import is_quantile

DIRECTION = {"up": "上り", "down": "下り", "round_trip": "往復", "": "-"}

BETTER = {"smaller": ("小さい方", "≦"), "larger": ("大きい方", "≧"), "": ("-", "")}
"""For each `better` of a definition: the word, and the sign before a required value."""

STATISTIC = {
    "mean": "平均",
    "min": "最小",
    "median": "中央値(偶数個は中央2値の平均)",
    "max": "最大",
    "mdev": "標準偏差(ping)",
    "ratio": "割合",
    "count": "件数",
    "total": "合計",
    "mean_linear": "真値平均",
    "std": "標準偏差",
    "weighted": "重み付き平均",
    "rate": "頻度",
    "per_km": "1km当たり",
    "p": "p(良→不良)",
    "q": "q(不良→良)",
    "r": "r(不良→良)",
    "h": "h(不良状態の到達率)",
    "loss_good": "良状態の損失率",
    "loss_bad": "不良状態の損失率",
    "delta_bic": "BIC差(2状態-4パラメータ)",
    "elsewhere": "割合(それ以外)",
    "succeeded": "成功件数",
    "failed": "失敗件数",
}


INTERVAL = {
    "order statistics on n_eff (Geyer)": "順序統計量(有効nによる)",
    "order statistics on n_eff of lying above (Geyer)": "順序統計量(超過の有効nによる)",
    "order statistics on n_eff (Geyer), Bonferroni over cameras": "順序統計量(有効nによる、カメラ数で補正)",
    "Clopper-Pearson on n_eff (Geyer), Bonferroni over cameras": "Clopper-Pearson(有効nによる、カメラ数で補正)",
    "Student on n_eff (Geyer), Bonferroni over cameras": "t分布(有効nによる、カメラ数で補正)",
    "Clopper-Pearson on n_eff (Geyer)": "Clopper-Pearson(有効nによる)",
    "Clopper-Pearson on time / outage duration": "Clopper-Pearson(観測時間を停止の長さで割った有効nによる)",
    "Clopper-Pearson on transitions": "Clopper-Pearson(状態遷移毎)",
    "block bootstrap of runs of losses": "ブートストラップ(連続損失のブロック単位)",
    "Wald on logits, observed information": "Wald(ロジット、観測情報量)",
    "Student on n_eff (Geyer)": "t分布(有効nによる)",
    "ratio of two Clopper-Pearson intervals": "2つのClopper-Pearson区間の比",
    "bootstrap of scenes": "ブートストラップ(シーン単位)",
    "Poisson (exact)": "ポアソン分布(正確な区間)",
    "block bootstrap, 1000 replicates": "ブロック・ブートストラップ(1,000回)",
    "lines between the hulls of both directions": "両方向の最小遅延の間を通る直線の範囲",
    "one-sided 95 %, chi-squared": "片側95%(カイ二乗分布)",
}
"""How an interval was made, by the `ci_method` of a result; another method is printed as it is named."""


_PAPER_UNIT = {"dB[mW]": "dBm", "Mbit/s": "Mbps", "Gbit/s": "Gbps", "1/s": "fps", "1/h": "回/h", "1/km": "回/km",
               "deg": "度"}  # fmt: skip


def in_japanese(told: str) -> str:
    """Return the Japanese of a reason or filter, whose parts ("; " between them) stand as "Japanese / English"."""
    return "; ".join(part.partition(" / ")[0] for part in told.split("; "))


def statistic_word(statistic: str) -> str:
    """Return the word of a statistic: "p99" is 99%値, "p99.9" 99.9%値, "p50" 中央値; "le_5ms" 5ms以下, "ge_3" 3以上."""
    if statistic in STATISTIC:
        return STATISTIC[statistic]
    if statistic == "p50":
        return "中央値"
    if is_quantile(statistic):
        return f"{statistic[1:]}%値"
    if statistic.startswith("le_"):
        return f"{statistic.removeprefix('le_')}以下"
    if statistic.startswith("ge_"):
        return f"{statistic.removeprefix('ge_')}以上"
    return statistic


def shown_unit(kpi: str, unit: str, statistic: str) -> str:
    """Return the unit beside a figure of a KPI in any language: shares are percent, plain numbers have none."""
    return "%" if is_share(kpi, unit, statistic) else {"1": "", "dB[mW]": "dBm"}.get(unit, unit)


class _Figure(Protocol):
    """A figure of a KPI, in its unit."""

    @property
    def id(self) -> str:
        """The KPI."""

    @property
    def unit(self) -> str:
        """Unit of the definition."""

    @property
    def statistic(self) -> str:
        """Statistic."""


def in_percent(figure: _Figure, value: float) -> float:
    """Return a value of a figure as people read it beside `shown_unit`: a share in percent, all else as it is."""
    return value * 100 if is_share(figure.id, figure.unit, figure.statistic) else value


def paper_scale(kpi: str, unit: str, statistic: str) -> tuple[str, float]:
    """Return the unit in which a result is printed, and the factor to it from the result's own unit."""
    if is_share(kpi, unit, statistic):
        return "%", 100.0
    return ("-" if unit == "1" else _PAPER_UNIT.get(unit, unit)), 1.0
