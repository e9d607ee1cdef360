"""KPIs beyond the probe stream: each module turns the arrays of its streams into results."""
