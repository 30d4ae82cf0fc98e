"""The contents of a split.toml, before ports are assigned: read, edited by key, compared."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nginx.options import Value, as_text, complete_table, from_text
from nginx.split import (
    Balance,
    Pool,
    Split,
    SplitError,
    check_name,
    check_routes,
    route_keys,
    spill_target,
)

DEFAULT_FILE = Path(__file__).with_name("split.toml")
ROUTES = "routes"


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """A valid split.toml: every option of each pool by name, and the pool of each route."""

    pools: Mapping[str, Mapping[str, Value]]
    routes: Mapping[str, str]
    default: str = "fast"
    methods: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def processes(self, pool: str) -> int:
        """Return how many processes the pool has."""
        return int(self.pools[pool]["processes"])  # type: ignore[arg-type]

    def split(self, ports: Mapping[str, tuple[int, ...]]) -> Split:
        """Return the split with these ports for each pool."""
        pools = {name: _pool(table, ports[name]) for name, table in self.pools.items()}
        return Split(pools, self.routes, self.default, self.methods, self.headers)

    def resized(self, sizes: Mapping[str, int]) -> SplitPlan:
        """Return the plan with these pool sizes; weights of another number are dropped."""
        pools = {name: dict(table) for name, table in self.pools.items()}
        for name, size in sizes.items():
            pools[name]["processes"] = size
            if len(pools[name]["weights"]) != size:  # type: ignore[arg-type]
                pools[name]["weights"] = []
        return SplitPlan(pools, self.routes, self.default, self.methods, self.headers)

    def with_weights_of(self, others: Sequence[SplitPlan]) -> SplitPlan:
        """Return the plan with each pool's weights from the first plan that has it at its size."""
        pools = {name: dict(table) for name, table in self.pools.items()}
        for name, table in pools.items():
            candidates = (other.pools.get(name, {}) for other in others)
            same_size = (c for c in candidates if c.get("processes") == table["processes"])
            table["weights"] = next(same_size, table)["weights"]
        return SplitPlan(pools, self.routes, self.default, self.methods, self.headers)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan in the shape of split.toml."""
        routes: dict[str, Any] = {"default": self.default, **self.routes}
        if self.methods:
            routes["methods"] = dict(self.methods)
        if self.headers:
            routes["headers"] = dict(self.headers)
        return {"pools": deepcopy({n: dict(t) for n, t in self.pools.items()}), ROUTES: routes}

    def flat(self) -> dict[str, str]:
        """Return every key, dotted as `split set` takes it, with its value as text."""
        return dict(self._items())

    def _items(self) -> Iterator[tuple[str, str]]:
        for name, table in self.pools.items():
            yield from ((f"pools.{name}.{key}", as_text(value)) for key, value in table.items())
        yield from self.route_keys()

    def route_keys(self) -> Iterator[tuple[str, str]]:
        """Yield the key of each route, and its pool."""
        yield from route_keys(self.routes, self.default, self.methods, self.headers)


def _pool(table: Mapping[str, Any], ports: tuple[int, ...]) -> Pool:
    options = {name: value for name, value in table.items() if name != "processes"}
    options["weights"] = tuple(options["weights"]) if len(options["weights"]) == len(ports) else ()
    options["balance"] = Balance(options["balance"])
    return Pool(ports, **options)


def read_plan(path: Path = DEFAULT_FILE) -> SplitPlan:
    """Read split.toml; raises SplitError that names the file and the key or line at fault."""
    try:
        text = path.read_text()
        return parse_plan(tomllib.loads(text))
    except SplitError as error:
        raise SplitError(f"{path}:{line_of(text, str(error))} {error}") from error
    except (tomllib.TOMLDecodeError, OSError, UnicodeError) as error:
        raise SplitError(f"{path}: {error}") from error


def parse_plan(table: Mapping[str, Any]) -> SplitPlan:
    """Return the plan in a table of split.toml's shape; raises SplitError with the key."""
    if unknown := set(table) - {"pools", ROUTES}:
        raise SplitError(f"{min(unknown)}: unknown table; choose from pools, {ROUTES}")
    pools = {name: _checked(name, pool) for name, pool in _table(table, "pools").items()}
    routes = _table(table, ROUTES)
    methods = _table(routes, "methods", {}, f"{ROUTES}.")
    headers = _table(routes, "headers", {}, f"{ROUTES}.")
    default = routes.get("default", "fast")
    prefixes = {n: p for n, p in routes.items() if n not in {"default", "methods", "headers"}}
    check_routes(pools, prefixes, default, methods, headers)
    for name, pool in pools.items():
        _check_overflow(name, pool, list(pools))
    return SplitPlan(pools, prefixes, default, methods, headers)


def _table(
    table: Mapping[str, Any], name: str, default: Any = None, within: str = ""
) -> dict[str, Any]:
    value = table.get(name, default)
    if not isinstance(value, Mapping):
        raise SplitError(f"{within}{name}: must be a table")
    return dict(value)


def _checked(name: str, table: Any) -> dict[str, Value]:
    try:
        check_name(name)
    except SplitError as error:
        raise SplitError(f"pools.{_key(name)}: {error}") from None
    if not isinstance(table, Mapping):
        raise SplitError(f"pools.{name}: must be a table")
    try:
        options = complete_table(table)
    except SplitError as error:
        raise SplitError(f"pools.{name}.{error}") from None
    processes, weights = options["processes"], options["weights"]
    if weights and len(weights) != processes:  # type: ignore[arg-type]
        numbers = f"{len(weights)} weights for {processes} processes"  # type: ignore[arg-type]
        raise SplitError(f"pools.{name}.weights: {numbers}: give one per process, or none")
    return options


def _key(name: str) -> str:
    """Return a key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _check_overflow(name: str, pool: Mapping[str, Value], pools: list[str]) -> None:
    overflow = str(pool["overflow"])
    try:
        spill_target(name, overflow, pools)
    except SplitError as error:
        raise SplitError(f"pools.{name}.overflow: {error}") from None
    if overflow != "none" and not pool["max_conns"]:
        raise SplitError(
            f"pools.{name}.overflow: a pool is full only where max_conns is set: "
            f"give pools.{name}.max_conns too"
        )


def line_of(text: str, error: str) -> str:
    """Return `LINE:` of the key that an error begins with, empty if the text has no such key."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[([^\]]+)\]", line):
            table = key = head[1].strip()
        elif item := re.match(r"\s*([^=#\s][^=#]*?)\s*=", line):
            key = f"{table}.{item[1]}".removeprefix(".")
        else:
            continue
        if error.startswith(f"{key}:".replace("'", '"')):
            return f"{number}:"
    return ""


# -- editing ----------------------------------------------------------------------------------


def edit_plan(plan: SplitPlan, values: Mapping[str, str]) -> SplitPlan:
    """Return the plan with these keys set; raises SplitError with the key.

    Keys are those of the file, dotted. An empty value removes a pool or a route.
    """
    table = plan.as_dict()
    for key, text in values.items():
        try:
            _set(table, key, text.strip())
        except SplitError as error:
            raise SplitError(f"{key}: {error}") from None
    edited = parse_plan(table)
    targets = {pool for _, pool in edited.route_keys()}
    targets |= {str(pool["overflow"]).removeprefix("spill:") for pool in edited.pools.values()}
    for name in edited.pools:
        if name not in plan.pools and name not in targets:
            names = ", ".join(plan.pools)
            raise SplitError(f"pools.{name}: unknown pool ({names}), and no route to a new one")
    return edited


def _set(table: dict[str, Any], key: str, text: str) -> None:
    first, _, rest = key.partition(".")
    if first == "pools" and rest:
        _set_pool(table["pools"], *_pool_and_option(rest), text)
    elif first == ROUTES and rest:
        kind, _, name = rest.partition(".")
        if kind in {"methods", "headers"} and name:
            _set_or_remove(table[ROUTES].setdefault(kind, {}), _unquoted(name), text)
        else:
            _set_or_remove(table[ROUTES], _unquoted(rest), text)
    else:
        raise SplitError("unknown key; list all keys with: windtunnel split show")


def _pool_and_option(text: str) -> tuple[str, str]:
    name, _, option = text.partition(".")
    return _unquoted(name), option


def _set_pool(pools: dict[str, Any], name: str, option: str, text: str) -> None:
    if not option:
        if text:
            raise SplitError("give an option of the pool, or an empty value to remove the pool")
        _set_or_remove(pools, name, "")
    else:
        check_name(name)
        pools.setdefault(name, {})[option] = from_text(option, text)


def _set_or_remove(table: dict[str, Any], name: str, text: str) -> None:
    if text:
        table[name] = text
    elif table.pop(name, None) is None:
        raise SplitError("cannot be removed: it does not exist")


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name


def differences(before: SplitPlan, after: SplitPlan) -> list[tuple[str, str, str]]:
    """Return (key, old, new) of each key that differs; an absent value is empty."""
    old, new = before.flat(), after.flat()
    pairs = ((key, old.get(key, ""), new.get(key, "")) for key in dict.fromkeys([*old, *new]))
    return [(key, former, latter) for key, former, latter in pairs if former != latter]
