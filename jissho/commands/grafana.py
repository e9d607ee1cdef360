"""`jissho grafana`: the dashboard and its provisioning, written to a folder or uploaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cyclopts import App

from jissho.settings import SettingError

app = App(name="grafana", help="The Grafana dashboard: write its files, or upload it.")


@app.command
def write(folder: Path) -> None:
    """Write the dashboard and the provisioning files for a Grafana server of your own.

    Parameters
    ----------
    folder
        Where to write; made if it is not there.

    """
    from dashboards.grafana.build import DASHBOARD_FILE  # noqa: PLC0415 - commands load what they need

    shutil.copytree(DASHBOARD_FILE.parent / "provisioning", folder / "provisioning", dirs_exist_ok=True)
    shutil.copy(DASHBOARD_FILE, folder / DASHBOARD_FILE.name)
    print(f"wrote {folder / DASHBOARD_FILE.name} and {folder / 'provisioning'}; mount {folder} as /etc/grafana/jissho")


@app.command
def push(url: str, *, token_env: str = "GRAFANA_TOKEN") -> None:  # noqa: S107 - the name of a variable, not a token
    """Create or replace the dashboard on a Grafana server.

    Parameters
    ----------
    url
        Address of the server, e.g. https://grafana.example
    token_env
        Environment variable that holds the token of a service account with the role Editor.

    """
    from grafana_client.client import GrafanaException  # noqa: PLC0415 - commands load what they need
    from niquests.exceptions import RequestException  # noqa: PLC0415

    from dashboards.grafana.push import push_dashboard  # noqa: PLC0415

    token = os.environ.get(token_env)
    if not token:
        raise SettingError(f"no token: put the token of a Grafana service account into {token_env}")
    try:
        print(f"dashboard: {push_dashboard(url, token)}")
    except (GrafanaException, RequestException) as error:
        raise SettingError(f"{url} did not take the dashboard: {error}") from error
