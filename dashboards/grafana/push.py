"""Upload the dashboard to a Grafana server, with grafana-client (the maintained successor of grafana-api)."""

from __future__ import annotations

from typing import Any

from grafana_client import GrafanaApi, TokenAuth

from dashboards.grafana.build import build_dashboard


def push_dashboard(url: str, token: str, *, folder_uid: str = "") -> str:
    """Create or replace the dashboard on the server at `url` and return its address there.

    `token` is a service account's; its role must be Editor at least. Raises grafana_client's error where the server
    refuses.
    """
    api = GrafanaApi.from_url(url, credential=TokenAuth(token=token))
    payload: dict[str, Any] = {"dashboard": build_dashboard(), "overwrite": True, "message": "jissho"}
    if folder_uid:
        payload["folderUid"] = folder_uid
    answer = api.dashboard.update_dashboard(payload)
    return f"{url.rstrip('/')}{answer['url']}"
