"""Grafana dashboards as code: `build` makes the JSON, `push` uploads it, `provisioning/` configures a server."""
