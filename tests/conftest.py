"""Fixtures are in one file per thing; they are loaded as plug-ins here."""

pytest_plugins = ["tests.fix_data", "tests.fix_db"]
