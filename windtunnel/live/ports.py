"""Whether Locust can listen on its ports: checked before it forks, so that one line says so."""

from __future__ import annotations

import socket
from argparse import Namespace
from collections.abc import Iterator


def port_conflict(options: Namespace) -> str | None:
    """Return why a port of these options cannot be listened on, in one line, or None."""
    for host, port, option in _listeners(options):
        address = "" if host == "*" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            reason = str(error.strerror or error).partition(" (while")[0]
            return f"cannot listen at {host}:{port}: {reason}: choose another port ({option})"
    return None


def _listeners(options: Namespace) -> Iterator[tuple[str, int, str]]:
    """Yield host, port and option of everything that Locust will listen on."""
    if options.worker or options.show_task_ratio or options.show_task_ratio_json:
        return
    if options.headful or not options.headless:
        yield options.web_host or "*", options.web_port, "--web-port"
    if options.master or options.processes:
        option = "--master-bind-port, and --master-port for its workers"
        yield options.master_bind_host, options.master_bind_port, option
