"""The built-in evaluator's page: works offline, on the same server as the API."""

from dashboards.page.view import PageSettings, mount

__all__ = ["PageSettings", "mount"]
