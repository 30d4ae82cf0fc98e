"""Finds the engines: every module of this folder, and of a folder of the user's own.

Files whose names begin with an underscore are skipped.
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

PACKAGE = "server.engines"

_NO_ENGINES = ("base", "discovery")


class EngineError(Exception):
    """An engine file of the user's that cannot be used; says which and why."""

    exit_code = 3


def discover(folder: Path | None = None) -> dict[str, type[Engine]]:
    """Return name -> engine for ours and for those in `folder`, sorted by name.

    Raises EngineError if the folder is missing, a file fails to import or names clash.
    """
    engines: dict[str, type[Engine]] = {}
    for module in (*_package_modules(), *(_user_modules(folder) if folder else ())):
        for engine in _engines_of(module):
            if engine.name in engines:
                raise EngineError(f"two engines are called {engine.name!r}: see {module.__file__}")
            engines[engine.name] = engine
    return dict(sorted(engines.items()))


def _package_modules() -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not info.name.startswith("_") and info.name not in _NO_ENGINES:
            yield importlib.import_module(f"{PACKAGE}.{info.name}")


def _user_modules(folder: Path) -> Iterator[ModuleType]:
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
        message = " ".join(str(error).split())
        raise EngineError(f"{path}: {type(error).__name__}: {message}{_hint(error)}") from error
    return module


def _hint(error: BaseException) -> str:
    """Return what to do about an import of a module of the server that is not there."""
    if isinstance(error, ImportError) and (error.name or "").startswith("server."):
        return f"; what an engine needs is imported from {PACKAGE}"
    return ""


def _engines_of(module: ModuleType) -> Iterator[type[Engine]]:
    for value in vars(module).values():
        if (
            inspect.isclass(value)
            and issubclass(value, Engine)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
        ):
            yield value
