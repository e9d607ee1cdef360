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
.listing .q-table th { font-size: 11.5px; color: #52606d; padding: 2px 8px; height: 26px; white-space: nowrap; }
.listing .q-table tbody td { font-size: 12.5px; padding: 1px 8px; height: 26px; font-variant-numeric: tabular-nums; }
.listing .q-table tbody td.unbroken { white-space: nowrap; }
.listing .q-table tbody td.column-kpi { min-width: 130px; }
.listing .q-table tbody td.column-definition { font-size: 11.5px; color: #52606d; min-width: 150px; }
.listing .q-table tbody td.column-note { font-size: 11.5px; min-width: 150px; }
.listing .q-table tbody td.wrapped { white-space: pre-line; line-height: 1.25; }
.listing .q-table tbody td.column-meaning { min-width: 320px; padding-top: 3px; padding-bottom: 3px; }
.listing .q-table tbody td.column-clause, .listing .q-table tbody td.column-id { font-size: 11.5px; color: #52606d; }
.listing .q-table tbody td.column-reason { min-width: 200px; }
.listing .q-table tbody td.column-decided { font-size: 11.5px; min-width: 130px; }
.listing .q-table tbody td.column-revoked { font-size: 11.5px; min-width: 130px; }
.listing .q-table tbody td.in-force { font-weight: 700; }
.listing .q-table tbody td.revoked { color: #616e7c; }
.listing .q-table tbody td.revoked.column-interval { text-decoration: line-through; }
.listing .q-item { padding: 0; min-height: 22px; }
.listing .q-item__label { font-size: 12.5px; font-weight: 600; color: #3e4c59; }
.listing .q-expansion-item__content > div { padding: 2px 0 0; gap: 4px; }
.listing .q-table tbody td.verdict { font-weight: 700; font-size: 12px; min-width: 78px; padding: 3px; height: 26px;
                                   background-clip: content-box; }
.listing .q-table tbody td.verdict-met { background-color: #0072B2; color: #fff; }
.listing .q-table tbody td.verdict-missed { color: #a8071a; outline: 2px solid #a8071a; outline-offset: -4px; }
.listing .q-table tbody td.verdict-undecided { background-color: #e4e7eb; color: #3e4c59; outline: 1px dashed #7b8794;
                                            outline-offset: -3px; }
@media (max-width: 1199px) {
  .listing .q-table tbody td { font-size: 12px; } .listing .q-table th, .listing .q-table tbody td { padding: 1px 4px; }
  .listing .q-table tbody td.column-kpi { min-width: 100px; } .listing .q-table tbody td.verdict { min-width: 62px; }
  .listing .q-table tbody td.column-definition, .listing .q-table tbody td.column-note { min-width: 110px; }
}
"""
"""Colours of the verdicts differ in lightness and in their frame, so that a printout in grey tells them apart."""
