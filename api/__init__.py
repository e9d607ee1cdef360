"""The HTTP side: runs, KPIs, completeness, exports, live values and the server's own metrics, all of them read-only."""
