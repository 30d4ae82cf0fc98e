"""Whether Locust can listen where it is told to: found out before it forks, and said in a line."""

from __future__ import annotations

import socket
from argparse import Namespace
from collections.abc import Iterator


def refused(options: Namespace) -> str | None:
    """Return what keeps a port of these options from being listened at, or None."""
    for host, port, option in _wanted(options):
        address = "" if host == "*" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            why = str(error.strerror or error).partition(" (while")[0]
            return f"cannot listen at {host}:{port}: {why}: choose another port ({option})"
    return None


def _wanted(options: Namespace) -> Iterator[tuple[str, int, str]]:
    if options.worker or options.show_task_ratio or options.show_task_ratio_json:
        return
    if options.headful or not options.headless:
        yield options.web_host or "*", options.web_port, "--web-port"
    if options.master or options.processes:
        told = "--master-bind-port, and --master-port for its workers"
        yield options.master_bind_host, options.master_bind_port, told
