"""What a process measures of itself, and how Prometheus reads it."""
