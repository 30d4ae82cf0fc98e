"""All services, obtained and prepared in parallel: fetching waits for the network."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deploy.services.base import (
    Instance,
    ManagedService,
    Program,
    Say,
    UnavailableError,
    Workspace,
)
from deploy.services.commands import killed_on_interrupt, reset_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")


def services() -> dict[str, ManagedService]:
    """Return every service, by name: a file of this folder that defines a subclass is one."""
    instances: dict[str, ManagedService] = {}
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = import_module(f"deploy.services.{file.stem}")
        for value in vars(module).values():
            if _is_service(value, module.__name__):
                instances[value.name] = value()
    return instances


def obtain_all(
    workspace: Workspace, names: Iterable[str], say: Say
) -> tuple[dict[str, Program], dict[str, UnavailableError]]:
    """Return the programs of the named services, and why the others are not available."""
    by_name, say_line = services(), _one_at_a_time(say)
    if workspace.home != workspace.root.absolute():
        say_line(
            f"programs and data go to {workspace.home}: "
            f"{workspace.account} cannot enter {workspace.root}"
        )
    chosen = [by_name[name] for name in names]
    return _in_parallel(chosen, lambda service: service.obtain(workspace, say_line))


def prepare_all(
    workspace: Workspace, programs: Mapping[str, Program]
) -> tuple[list[Instance], dict[str, UnavailableError]]:
    """Return the instances to start here, and why the folders of others cannot be made."""
    by_name = services()
    chosen = [by_name[name] for name, program in programs.items() if not program.is_external]
    instances, missing = _in_parallel(
        chosen, lambda service: service.prepare(workspace, programs[service.name])
    )
    return [instance for group in instances.values() for instance in group], missing


def _in_parallel(
    chosen: list[ManagedService], work: Callable[[ManagedService], T]
) -> tuple[dict[str, T], dict[str, UnavailableError]]:
    results: dict[str, T] = {}
    missing: dict[str, UnavailableError] = {}
    try:
        with ThreadPoolExecutor(max(1, len(chosen))) as pool, killed_on_interrupt():
            futures = {service.name: pool.submit(work, service) for service in chosen}
            for name, future in futures.items():
                try:
                    results[name] = future.result()
                except UnavailableError as error:
                    missing[name] = error
    finally:
        reset_interrupt()
    return results, missing


def _is_service(value: Any, module: str) -> bool:
    is_class = isinstance(value, type) and value.__module__ == module
    return is_class and issubclass(value, ManagedService) and not inspect.isabstract(value)


def _one_at_a_time(say: Say) -> Say:
    lock = threading.Lock()

    def say_line(line: str) -> None:
        with lock:
            say(line)

    return say_line
