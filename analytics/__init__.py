"""KPIs: a table of definitions, pure functions on arrays, statistics, verdicts; `report/` lays the results out."""
