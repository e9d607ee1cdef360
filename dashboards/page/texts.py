"""Every word of the page in Japanese and English."""

from __future__ import annotations

from typing import Literal

Language = Literal["ja", "en"]

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("jissho 実証モニタ", "jissho demonstration monitor"),
    "live": ("現在(直近{minutes}分)", "Live (last {minutes} min)"),
    "run": ("表示する走行・測定", "Run to show"),
    "site": ("拠点 {site}", "Site {site}"),
    "measuring": ("測定中: {name}({start} 開始)", "Measuring: {name} (since {start})"),
    "measuring_more": ("ほか {count} 件", "and {count} more"),
    "not_measuring": ("測定していません", "No run is going on"),
    "going_on": ("{name}(測定中)", "{name} (going on)"),
    "unknown_run": (
        "その名前の走行・測定はありません: {name}。一覧から選んでください。",
        "There is no run named {name}: choose one from the list.",
    ),
    "devices": ("測定端末", "Devices"),
    "delay": (
        "往復遅延(一方向のみの測定は片方向) 実線: 中央値、破線: 95%値",
        "Round-trip delay (one-way where only that is measured), solid: median, dashed: p95",
    ),
    "loss": ("パケット損失率(送信パケットに対する割合)", "Packet loss, share of the packets sent"),
    "radio": (
        "無線品質 RSRP・SINR(点線: 在圏セルの変化)",
        "Radio quality: RSRP and SINR (dotted: serving cell changed)",
    ),
    "map": ("走行位置と RSRP", "Position and RSRP"),
    "no_position": ("位置データなし", "no positions"),
    "clock": (
        "時計の誤差上限(実線: 対向側、破線: 端末側。途切れは不明)",
        "Bound of the clocks (solid: far end, dashed: device; broken where unknown)",
    ),
    "own_clock": ("端末 {device}", "device {device}"),
    "no_radio": ("無線データなし", "no radio data"),
    "no_probe": ("区間測定データなし", "no probe data"),
    "boxes": (
        "測定点の実効速度(箱: 25%値・中央値・75%値、ひげ: 最小・最大)",
        "Effective speed over measuring points (box: 25 %, median, 75 %; whiskers: minimum, maximum)",
    ),
    "box_points": ("{count}地点", "{count} points"),
    "box_min": ("最小", "Minimum"),
    "box_p25": ("25%値", "25 %"),
    "box_p50": ("中央値", "Median"),
    "box_p75": ("75%値", "75 %"),
    "box_max": ("最大", "Maximum"),
    "point_map": (
        "測定点の位置と実効速度(値: 試行の中央値 Mbit/s、n: 試行数)",
        "Measuring points: place and effective speed (median of the tests in Mbit/s, n tests)",
    ),
    "point_tip": ("中央値 {median} Mbit/s、試行 {tests} 回", "median {median} Mbit/s of {tests} tests"),
    "place_surveyed": ("測量", "surveyed"),
    "place_measured": ("測位", "measured"),
    "places_surveyed": ("位置が測量・計画の値 {count}地点", "{count} placed as surveyed or planned"),
    "places_measured": (
        "位置が試行中の端末の測位の中央値 {count}地点",
        "{count} placed by the median of the device's positions during the tests",
    ),
    "places_unknown": (
        "図に示せない {count}地点: {names}(測量した位置も、試行中の測位の記録もない)",
        "Not on the map, {count}: {names} (neither a surveyed place nor a position recorded during the tests)",
    ),
    "kpi": ("評価指標と判定", "KPIs and verdicts"),
    "kpi_period": ("対象 {start} 〜 {end} (JST)", "{start} to {end} (JST)"),
    "completeness": ("データの完全性", "Completeness"),
    "taken": ("測定 {taken} バッチ中 {committed} 確定", "{committed} of {taken} batches committed"),
    "missing": ("欠番 {missing}", "{missing} missing"),
    "quarantined": ("隔離 {quarantined}", "{quarantined} quarantined"),
    "pending": ("端末に残り {pending}", "{pending} still with the device"),
    "deleted": ("保存期間により削除 {deleted}", "{deleted} deleted by retention"),
    "no_data": (
        "まだデータがありません。`jissho demo` を実行するか、測定端末で `jissho collect` を開始してください。",
        "No data yet: run `jissho demo`, or start `jissho collect` on a device.",
    ),
    "no_kpis": (
        "この区間には区間測定のデータがありません。",
        "There are no probe data in this interval.",
    ),
    "kpi_failed": ("KPI を計算できません: {reason}", "The KPIs cannot be computed: {reason}"),
    "no_devices": ("端末はまだ接続していません", "No device has connected yet"),
    "database_down": (
        "データベースに接続できません。回復を待っています(データは端末に保管されています)。",
        "The database is not reachable; waiting for it. The devices keep their data meanwhile.",
    ),
    "database_slow": (
        "データベースの応答が遅いため表示を更新できません(データの収集には影響しません)。",
        "The database answers too slowly to update this page; collecting goes on.",
    ),
    "database_failed": (
        "データベースが問い合わせを拒みました。",
        "The database refused a question of this page.",
    ),
    "online": ("接続中", "online"),
    "offline": ("停止", "offline"),
    "lost": ("途絶", "lost"),
    "seen": ("最終データ {age}", "last data {age}"),
    "outbox": ("未達 {pending} バッチ", "{pending} batches pending"),
    "clock_good": ("時刻 ±{bound}", "clock ±{bound}"),
    "clock_unknown": ("時刻 不明(片方向は参考値)", "clock unknown (one-way: reference only)"),
    "verdict_rule": (
        (
            "達成: 95%信頼区間の全体が所要値を満たす / 未達: 全体が満たさない"
            " / 判定不能: 区間が所要値をまたぐ、または時刻の精度が不明か限度外(ほかの理由は備考)"
        ),
        (
            "Met: the whole 95 % interval is good / Missed: all of it is bad"
            " / Undecided: it straddles the limit, or the clocks are unknown or beyond theirs (others: see the note)"
        ),
    ),
    "達成": ("達成", "Met"),
    "未達": ("未達", "Missed"),
    "判定不能": ("判定不能", "Undecided"),
    "everything": ("全て表示", "Show all"),
    "main_shown": (
        "所要値のあるものと主な指標 {shown} / 全 {count} 件",
        "What is required and main figures: {shown} of {count}",
    ),
    "all_shown": ("全 {count} 件", "All {count}"),
    "limits": ("所要値: {name}", "Limits: {name}"),
    "limits_status": ("所要値: {name}({status})", "Limits: {name} ({status})"),
    "sources": ("所要値の出典: {sources}", "Sources of the limits: {sources}"),
    "要確認": ("要確認", "to be confirmed"),
    "no_limits": (
        "所要値の設定がないため判定しません(JISSHO_PROFILE)",
        "No limits are set, so there are no verdicts (JISSHO_PROFILE)",
    ),
    "export_xlsx": ("Excel 帳票", "Excel workbook"),
    "export_csv": ("CSV(パケット毎)", "CSV (per packet)"),
    "exclusions": ("除外区間(評価指標に含めない区間)", "Excluded intervals (left out of the KPIs)"),
    "exclusion_counts": ("有効 {holding} · 取消 {revoked}", "{holding} in force · {revoked} revoked"),
    "exclusion_rule": (
        "データは削除していません。評価指標は除外後の値で、除外しない値を備考に併記します。",
        "No data are deleted: the KPIs are without these intervals, and their notes give the value with them.",
    ),
    "no_exclusions": (
        "有効な除外区間はありません。評価指標は測定した全区間の値です。",
        "No exclusion is in force: the KPIs are of everything that was measured.",
    ),
    "in_force": ("有効", "in force"),
    "revoked": ("取消", "revoked"),
    "all_links": ("すべて", "all"),
    "col_state": ("状態", "State"),
    "col_number": ("番号", "No."),
    "col_excluded": ("除外した区間 (JST)", "Interval (JST)"),
    "col_length": ("時間", "Length"),
    "col_reason": ("理由", "Reason"),
    "col_decided": ("決定者・日時 (JST)", "Decided by, at (JST)"),
    "col_revoked": ("取消者・日時 (JST)・理由", "Revoked by, at (JST), why"),
    "outages": ("通信断一覧", "Outages"),
    "outage_rule": (
        "可用性と同じ定義。位置・無線・車両状態は最初の不達パケットの直前10秒以内の値。時刻は JST",
        "As defined for availability; place, radio and vehicle as at most 10 s before the first failure; times in JST",
    ),
    "outage_counts": ("{count} 件", "{count} outages"),
    "outage_counts_more": ("{count} 件(表は長い {shown} 件)", "{count} outages, the longest {shown} shown"),
    "no_outages": ("通信断はありません", "no outages"),
    "outages_unobserved": ("観測した時間がありません", "nothing was observed"),
    "outages_failed": ("通信断を求められません: {reason}", "The outages cannot be told: {reason}"),
    "outage_sum": (
        "{link} {direction}: {count} 件 {total} s / 観測 {observed} s",
        "{link} {direction}: {count}, {total} s of {observed} s observed",
    ),
    "outage_sum_unobserved": ("{link} {direction}: 観測なし", "{link} {direction}: not observed"),
    "definitions": ("評価指標の定義(意味・条項)", "Definitions of the KPIs (meaning and clause)"),
    "definition_rule": (
        "定義を変えると版が上がり、結果はどの版によるかを記録します。",
        "A change of meaning is a new revision, and every result says which one it is of.",
    ),
    "all_definitions": ("全 {count} 指標の定義 (JSON)", "All {count} definitions (JSON)"),
    "smaller": ("小さい方", "smaller"),
    "larger": ("大きい方", "larger"),
    "col_unit": ("単位", "Unit"),
    "col_better": ("よい方向", "Better"),
    "col_meaning": ("意味", "Meaning"),
    "col_needs": ("必要なデータ(ストリーム.項目)", "Needs (stream.column)"),
    "col_revision": ("版", "Rev."),
    "col_id": ("ID", "ID"),
    "col_link": ("回線", "Link"),
    "col_kpi": ("評価指標", "KPI"),
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
    "reference_only": ("参考値", "reference only"),
    "more_samples": ("あと約 {count} 標本", "about {count} more samples"),
}


def text(language: Language, key: str, **values: object) -> str:
    """Return a text in a language, with its blanks filled."""
    return TEXTS[key][0 if language == "ja" else 1].format(**values)
