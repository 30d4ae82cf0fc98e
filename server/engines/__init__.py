"""One file, one engine: a database through one driver, or one sync/async pair of a driver.

`discover` finds them: every module here, and in a folder of the user's own, whose name does not
begin with an underscore. Modules state facts only; drivers are imported when a store opens.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from server.engines.base import Engine


class EngineError(Exception):
    """An engine file of the user's own that cannot be used; says which and why."""


def discover(folder: Path | None = None) -> dict[str, type[Engine]]:
    """Return name -> engine for ours and for those in `folder`, sorted by name.

    Raises EngineError if the folder is missing, a file fails to import or names clash.
    """
    found: dict[str, type[Engine]] = {}
    for module in (*_ours(), *(_theirs(folder) if folder else ())):
        for engine in _defined(module):
            if engine.name in found:
                raise EngineError(f"two engines are called {engine.name!r}: see {module.__file__}")
            found[engine.name] = engine
    return dict(sorted(found.items()))


def _ours() -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(__path__):
        if not info.name.startswith("_") and info.name != "base":
            yield importlib.import_module(f"{__name__}.{info.name}")


def _theirs(folder: Path) -> Iterator[ModuleType]:
    if not folder.is_dir():
        raise EngineError(f"WINDTUNNEL_ENGINES: {folder} is not a folder")
    for path in sorted(folder.glob("[!_]*.py")):
        yield _load(path)


def _load(path: Path) -> ModuleType:
    name = f"windtunnel_engines_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise EngineError(f"{path}: {type(error).__name__}: {said}") from error
    return module


def _defined(module: ModuleType) -> Iterator[type[Engine]]:
    for value in vars(module).values():
        if (
            inspect.isclass(value)
            and issubclass(value, Engine)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
        ):
            yield value
