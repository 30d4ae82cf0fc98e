"""Users and requests on schedule: what a scenario sends, and how each answer is checked."""
