"""The front door: command line, settings, demonstration, doctor. Wires the other packages together; holds no logic."""

__version__ = "0.1.0"

PACKAGES = ("contract", "collectors", "simulators", "ingest", "storage", "analytics", "api", "dashboards", "jissho")
"""Our top-level packages; their names are plain, so `jissho doctor` checks that nobody else owns one."""
