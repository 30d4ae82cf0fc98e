"""A proxy before a server, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from benchmarks.processes import ModuleProcess, module_process
from validation.proxy import ProxiedRequest


class ProxyProcess:
    """A running proxy, which listens at `url`."""

    def __init__(self, process: ModuleProcess) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{process.read_line()}"

    def finish(self) -> list[ProxiedRequest]:
        """Stop it, and return every request in the order of arrival."""
        return msgspec.json.decode(self._process.finish(), type=list[ProxiedRequest])


@contextmanager
def proxy_process(port: int, fault: str, *parameters: float) -> Iterator[ProxyProcess]:
    """Start a proxy before `port` that injects a fault of `validation.faults`."""
    arguments = (str(port), fault, *map(str, parameters))
    with module_process("validation.proxy", *arguments) as process:
        yield ProxyProcess(process)
