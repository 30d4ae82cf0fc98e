"""The command `windtunnel`."""
