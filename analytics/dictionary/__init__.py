"""The table of KPIs, a module for each family; `analytics.definitions` puts them together."""
