"""What split.toml says, before ports are given out: read, changed key by key, compared."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nginx.options import Value, as_text, checked, from_text
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
    """The contents of a split.toml, valid; `pools` has every option of each pool."""

    pools: Mapping[str, Mapping[str, Value]]
    routes: Mapping[str, str]
    default: str = "fast"
    methods: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def processes(self, pool: str) -> int:
        """How many processes the pool has."""
        return int(self.pools[pool]["processes"])  # type: ignore[arg-type]

    def split(self, ports: Mapping[str, tuple[int, ...]]) -> Split:
        """The split with these ports a pool."""
        pools = {name: _pool(table, ports[name]) for name, table in self.pools.items()}
        return Split(pools, self.routes, self.default, self.methods, self.headers)

    def resized(self, numbers: Mapping[str, int]) -> SplitPlan:
        """The plan with other numbers of processes; weights that do not fit then are dropped."""
        pools = {name: dict(table) for name, table in self.pools.items()}
        for name, number in numbers.items():
            pools[name]["processes"] = number
            if len(pools[name]["weights"]) != number:  # type: ignore[arg-type]
                pools[name]["weights"] = []
        return SplitPlan(pools, self.routes, self.default, self.methods, self.headers)

    def with_weights_of(self, others: Sequence[SplitPlan]) -> SplitPlan:
        """The plan with each pool's weights from the first that has it with as many processes."""
        pools = {name: dict(table) for name, table in self.pools.items()}
        for name, table in pools.items():
            known = (other.pools.get(name, {}) for other in others)
            fitting = (one for one in known if one.get("processes") == table["processes"])
            table["weights"] = next(fitting, table)["weights"]
        return SplitPlan(pools, self.routes, self.default, self.methods, self.headers)

    def as_dict(self) -> dict[str, Any]:
        """The plan in the shape of split.toml."""
        routes: dict[str, Any] = {"default": self.default, **self.routes}
        if self.methods:
            routes["methods"] = dict(self.methods)
        if self.headers:
            routes["headers"] = dict(self.headers)
        return {"pools": deepcopy({n: dict(t) for n, t in self.pools.items()}), ROUTES: routes}

    def flat(self) -> dict[str, str]:
        """Every key, dotted as `split set` takes it, with its value as text."""
        return dict(self._items())

    def _items(self) -> Iterator[tuple[str, str]]:
        for name, table in self.pools.items():
            yield from ((f"pools.{name}.{key}", as_text(value)) for key, value in table.items())
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
    """The plan of a table as TOML gives it; raises SplitError naming the key."""
    if unknown := set(table) - {"pools", ROUTES}:
        raise SplitError(f"{min(unknown)}: there is no such table; choose from pools, {ROUTES}")
    pools = {name: _checked(name, one) for name, one in _table(table, "pools").items()}
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
    found = table.get(name, default)
    if not isinstance(found, Mapping):
        raise SplitError(f"{within}{name}: there must be such a table")
    return dict(found)


def _checked(name: str, table: Any) -> dict[str, Value]:
    try:
        check_name(name)
    except SplitError as error:
        raise SplitError(f"pools.{_key(name)}: {error}") from None
    if not isinstance(table, Mapping):
        raise SplitError(f"pools.{name}: there must be such a table")
    try:
        found = checked(table)
    except SplitError as error:
        raise SplitError(f"pools.{name}.{error}") from None
    processes, weights = found["processes"], found["weights"]
    if weights and len(weights) != processes:  # type: ignore[arg-type]
        told = f"{len(weights)} weights for {processes} processes"  # type: ignore[arg-type]
        raise SplitError(f"pools.{name}.weights: {told}: give one a process, or none at all")
    return found


def _key(name: str) -> str:
    """A key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _check_overflow(name: str, pool: Mapping[str, Value], pools: list[str]) -> None:
    overflow = str(pool["overflow"])
    try:
        spill_target(name, overflow, pools)
    except SplitError as error:
        raise SplitError(f"pools.{name}.overflow: {error}") from None
    if overflow != "none" and not pool["max_conns"]:
        told = "a pool is full only where max_conns is set"
        raise SplitError(f"pools.{name}.overflow: {told}: give pools.{name}.max_conns too")


def line_of(text: str, error: str) -> str:
    """`LINE:` of the key that an error begins with, empty where the text has no such key."""
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


# -- changing ---------------------------------------------------------------------------------


def edit_plan(plan: SplitPlan, values: Mapping[str, str]) -> SplitPlan:
    """The plan with these keys set; raises SplitError naming the key, and changes nothing.

    Keys are those of the file, dotted. An empty value takes a pool or a route away.
    """
    table = plan.as_dict()
    for key, text in values.items():
        try:
            _set(table, key, text.strip())
        except SplitError as error:
            raise SplitError(f"{key}: {error}") from None
    after = parse_plan(table)
    routed = {after.default, *after.routes.values(), *after.methods.values()}
    routed |= {*after.headers.values()}
    routed |= {str(pool["overflow"]).removeprefix("spill:") for pool in after.pools.values()}
    for name in after.pools:
        if name not in plan.pools and name not in routed:
            known = ", ".join(plan.pools)
            raise SplitError(f"pools.{name}: no such pool ({known}), and no route to a new one")
    return after


def _set(table: dict[str, Any], key: str, text: str) -> None:
    first, _, rest = key.partition(".")
    if first == "pools" and rest:
        _set_pool(table["pools"], *_halves(rest), text)
    elif first == ROUTES and rest:
        kind, _, name = rest.partition(".")
        if kind in {"methods", "headers"} and name:
            _put(table[ROUTES].setdefault(kind, {}), _bare(name), text)
        else:
            _put(table[ROUTES], _bare(rest), text)
    else:
        raise SplitError("there is no such key; see them all with: windtunnel split show")


def _halves(text: str) -> tuple[str, str]:
    name, _, option = text.partition(".")
    return _bare(name), option


def _set_pool(pools: dict[str, Any], name: str, option: str, text: str) -> None:
    if not option:
        if text:
            raise SplitError("name an option of the pool, or give nothing to take the pool away")
        _put(pools, name, "")
    else:
        check_name(name)
        pools.setdefault(name, {})[option] = from_text(option, text)


def _put(table: dict[str, Any], name: str, text: str) -> None:
    if text:
        table[name] = text
    elif table.pop(name, None) is None:
        raise SplitError("it is not there, so it cannot be taken away")


def _bare(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name


def differences(before: SplitPlan, after: SplitPlan) -> list[tuple[str, str, str]]:
    """(key, old, new) of each key that differs; what is not there is empty."""
    old, new = before.flat(), after.flat()
    pairs = ((key, old.get(key, ""), new.get(key, "")) for key in dict.fromkeys([*old, *new]))
    return [(key, one, other) for key, one, other in pairs if one != other]
