"""Windtunnel: from a request to an answer that can be trusted."""
