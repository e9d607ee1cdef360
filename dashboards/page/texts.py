"""Every word of the page in Japanese and English."""

from __future__ import annotations

from typing import Literal

Language = Literal["ja", "en"]

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("jissho 実証モニタ", "jissho demonstration monitor"),
    "live": ("現在(直近{minutes}分)", "Live (last {minutes} min)"),
    "run": ("表示する走行・測定", "Run to show"),
    "devices": ("測定端末", "Devices"),
    "delay": (
        "往復遅延(一方向のみの測定は片方向) 中央値・95%値",
        "Round-trip delay (one-way where only that is measured), median and p95",
    ),
    "loss": ("パケット損失率", "Packet loss"),
    "radio": ("RSRP", "RSRP"),
    "sinr": ("SINR", "SINR"),
    "map": ("位置と RSRP({link})", "Position and RSRP ({link})"),
    "map_none": ("位置と RSRP", "Position and RSRP"),
    "kpi": ("評価指標と判定", "KPIs and verdicts"),
    "kpi_period": ("対象 {start} 〜 {end} (JST)", "{start} to {end} (JST)"),
    "completeness": ("データの完全性", "Completeness"),
    "taken": ("測定 {taken} バッチ中 {committed} 確定", "{committed} of {taken} batches committed"),
    "missing": ("欠番 {missing}", "{missing} missing"),
    "quarantined": ("隔離 {quarantined}", "{quarantined} quarantined"),
    "pending": ("端末に残り {pending}", "{pending} still with the device"),
    "no_data": (
        "まだデータがありません。`jissho demo` を実行するか、測定端末で `jissho collect` を開始してください。",
        "No data yet: run `jissho demo`, or start `jissho collect` on a device.",
    ),
    "no_devices": ("端末はまだ接続していません", "No device has connected yet"),
    "database_down": (
        "データベースに接続できません。回復を待っています(データは端末に保管されています)。",
        "The database is not reachable; waiting for it. The devices keep their data meanwhile.",
    ),
    "online": ("接続中", "online"),
    "offline": ("停止", "offline"),
    "lost": ("途絶", "lost"),
    "seen": ("最終データ {age}", "last data {age}"),
    "outbox": ("未達 {pending} バッチ", "{pending} batches pending"),
    "clock_good": ("時刻 ±{bound}", "clock ±{bound}"),
    "clock_unknown": ("時刻 不明(片方向は参考値)", "clock unknown (one-way: reference only)"),
    "verdict_rule": (
        "達成: 区間全体が所要値を満たす / 未達: 区間全体が満たさない / 判定不能: 区間が所要値をまたぐ",
        "達成 met: the whole interval is good / 未達 missed: all is bad / 判定不能 undecided: it straddles the limit",
    ),
    "export_xlsx": ("Excel 帳票", "Excel workbook"),
    "export_csv": ("CSV(パケット毎)", "CSV (per packet)"),
    "col_link": ("回線", "Link"),
    "col_kpi": ("評価項目", "KPI"),
    "col_direction": ("方向", "Direction"),
    "col_statistic": ("統計量", "Statistic"),
    "col_value": ("値", "Value"),
    "col_interval": ("95%信頼区間", "95 % interval"),
    "col_n": ("n", "n"),
    "col_required": ("所要値", "Limit"),
    "col_verdict": ("判定", "Verdict"),
    "col_definition": ("定義", "Clause"),
    "col_note": ("備考", "Note"),
    "up": ("上り", "up"),
    "down": ("下り", "down"),
    "round_trip": ("往復", "round trip"),
    "guide": ("目安", "guide"),
    "updated": ("更新 {time} JST", "updated {time} JST"),
    "computing": ("計算中 …", "computing …"),
    "example": ("所要値は例(要確認)", "Limits are examples (to be confirmed)"),
}


def text(language: Language, key: str, **values: object) -> str:
    """Return a text in a language, with its blanks filled."""
    return TEXTS[key][0 if language == "ja" else 1].format(**values)
