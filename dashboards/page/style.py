"""The looks of the page."""

from __future__ import annotations

CSS = """
body { background: #f5f7fa; color: #1f2933;
       font-family: "Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "Hiragino Sans", "Meiryo", sans-serif; }
.nicegui-content { padding: 10px 14px; gap: 10px; }
.panel { background: #ffffff; border: 1px solid #e4e7eb; border-radius: 4px; padding: 6px 8px; gap: 0; min-width: 0; }
.panel-title { font-size: 12.5px; font-weight: 600; color: #3e4c59; }
.small { font-size: 12px; color: #52606d; }
.alarm { color: #a8071a; font-weight: 700; font-size: 13px; border-color: #a8071a; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; width: 100%; }
@media (max-width: 899px) { .charts { grid-template-columns: minmax(0, 1fr); } }
.device { border-left: 4px solid #9aa5b1; padding: 2px 10px; gap: 0; }
.device.online { border-left-color: #009E73; } .device.lost { border-left-color: #D55E00; }
.run-state { font-size: 12.5px; padding: 2px 10px; border-radius: 10px; background: #e4e7eb; color: #3e4c59;
             white-space: nowrap; overflow: hidden; text-overflow: ellipsis; min-width: 0; }
.run-state.going-on { background: #d9f2e9; color: #00543d; font-weight: 600; }
.kpis .q-table th { font-size: 11.5px; color: #52606d; padding: 2px 8px; height: 26px; white-space: nowrap; }
.kpis .q-table tbody td { font-size: 12.5px; padding: 1px 8px; height: 26px; font-variant-numeric: tabular-nums; }
.kpis .q-table tbody td.unbroken { white-space: nowrap; }
.kpis .q-table tbody td.wrapped { white-space: normal; line-height: 1.25; }
.kpis .q-table tbody td.column-kpi { min-width: 130px; }
.kpis .q-table tbody td.column-definition { font-size: 11.5px; color: #52606d; min-width: 150px; }
.kpis .q-table tbody td.column-note { font-size: 11.5px; min-width: 150px; }
.kpis .q-table tbody td.verdict { font-weight: 700; font-size: 12px; min-width: 78px; padding: 3px; height: 26px;
                                   background-clip: content-box; }
.kpis .q-table tbody td.verdict-met { background-color: #0072B2; color: #fff; }
.kpis .q-table tbody td.verdict-missed { color: #a8071a; outline: 2px solid #a8071a; outline-offset: -4px; }
.kpis .q-table tbody td.verdict-undecided { background-color: #e4e7eb; color: #3e4c59; outline: 1px dashed #7b8794;
                                            outline-offset: -3px; }
@media (max-width: 1199px) {
  .kpis .q-table tbody td { font-size: 12px; } .kpis .q-table th, .kpis .q-table tbody td { padding: 1px 4px; }
  .kpis .q-table tbody td.column-kpi { min-width: 100px; } .kpis .q-table tbody td.verdict { min-width: 62px; }
  .kpis .q-table tbody td.column-definition, .kpis .q-table tbody td.column-note { min-width: 110px; }
}
"""
"""Colours of the verdicts differ in lightness and in their frame, so that a printout in grey tells them apart."""
