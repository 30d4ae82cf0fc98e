"""What it costs: `make perf`."""
