"""All wanted services at once, side by side: fetching waits for the network."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deploy.services.base import Instance, Missing, Program, Say, Service, Workspace
from deploy.services.shell import begin_anew, ending_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")


def services() -> dict[str, Service]:
    """Every service, by name: a file of this folder that has a Service class is one."""
    found: dict[str, Service] = {}
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = import_module(f"deploy.services.{file.stem}")
        for thing in vars(module).values():
            if _is_service(thing, module.__name__):
                found[thing.name] = thing()
    return found


def ensure_all(
    workspace: Workspace, names: Iterable[str], say: Say
) -> tuple[dict[str, Program], dict[str, Missing]]:
    """Programs of the named services, and for each that cannot be had, why; raises no Missing."""
    known, aloud = services(), _one_at_a_time(say)
    if workspace.home != workspace.root.absolute():
        aloud(
            f"programs and data go to {workspace.home}: "
            f"{workspace.account} cannot enter {workspace.root}"
        )
    wanted = [known[name] for name in names]
    return _side_by_side(wanted, lambda service: service.obtain(workspace, aloud))


def prepare_all(
    workspace: Workspace, programs: Mapping[str, Program]
) -> tuple[list[Instance], dict[str, Missing]]:
    """The instances to start here, and the services whose folders cannot be made, with why."""
    known = services()
    wanted = [known[name] for name, program in programs.items() if not program.external]
    made, missing = _side_by_side(wanted, lambda one: one.prepare(workspace, programs[one.name]))
    return [instance for instances in made.values() for instance in instances], missing


def _side_by_side(
    wanted: list[Service], work: Callable[[Service], T]
) -> tuple[dict[str, T], dict[str, Missing]]:
    done: dict[str, T] = {}
    missing: dict[str, Missing] = {}
    try:
        with ThreadPoolExecutor(max(1, len(wanted))) as pool, ending_together():
            futures = {service.name: pool.submit(work, service) for service in wanted}
            for name, future in futures.items():
                try:
                    done[name] = future.result()
                except Missing as reason:
                    missing[name] = reason
    finally:
        begin_anew()
    return done, missing


def _is_service(thing: Any, module: str) -> bool:
    own = isinstance(thing, type) and thing.__module__ == module
    return own and issubclass(thing, Service) and not inspect.isabstract(thing)


def _one_at_a_time(say: Say) -> Say:
    lock = threading.Lock()

    def aloud(line: str) -> None:
        with lock:
            say(line)

    return aloud
