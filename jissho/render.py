"""Documents rendered from the front door's own table: `docs/settings.md`."""

from __future__ import annotations

from jissho.settings import SETTINGS


def settings_md() -> str:
    """Return the text of `docs/settings.md`."""
    head = (
        "# Settings\n\n<!-- Rendered from jissho/settings.py by `make docs`. Do not edit. -->\n\n"
        "Environment variables of the server side and of the command line. An unknown `JISSHO_` variable is an error.\n"
        "The collector is configured by its TOML file; every source's folder has a `sample.toml` with the defaults.\n\n"
        "| variable | default | meaning |\n|---|---|---|\n"
    )
    rows = (
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else ''} | {setting.help}"
        f"{' Never printed.' if setting.is_secret else ''} |\n"
        for setting in SETTINGS
    )
    return head + "".join(rows)
