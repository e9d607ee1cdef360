"""What evaluators watch: the built-in page, and Grafana dashboards as code with their provisioning."""
