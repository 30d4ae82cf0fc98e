"""Imports go one way: every arrow that the code draws is one that the house allows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "benchmarks", "deploy", "locustfiles", "nginx", "server", "validation", "watch", "windtunnel"
)  # fmt: skip

SERVER_LAYERS = (
    "server.addresses",
    "server.errors server.settings",
    "server.api.enums server.api.record",
    "server.api",
    "server.body_limits server.guard server.listener server.monitoring",
    "server.engines",
    "server.stores.modes",
    "server.stores.admin",
    "server.stores.store",
    "server.stores.catalog",
    "server.stores",
    "server.process",
    "server.handlers",
    "server.routes",
    "server.app",
    "server.wsgi.request server.wsgi.executor",
    "server.wsgi.handlers",
    "server.wsgi.app",
    "server.wsgi",
    "server.__main__",
)

WATCH_LAYERS = (
    "watch.alarm watch.report watch.histogram watch.holders",
    "watch.blocks watch.sampler",
    "watch.selector",
    "watch.loop",
)

WINDTUNNEL_LAYERS = (
    "windtunnel.errors windtunnel.settings",
    "windtunnel.client",
    "windtunnel.recording",
    "windtunnel.workload windtunnel.analysis",
    "windtunnel.tuning",
    "windtunnel.reports",
    "windtunnel.runner",
    "windtunnel.live",
    "windtunnel.cli",
    "windtunnel.__main__",
)

DEPLOY_LAYERS = (
    "deploy.errors deploy.bootstrap",
    "deploy.services",
    "deploy.ports",
    "deploy.layout",
    "deploy.history deploy.locks deploy.programs deploy.splitfile deploy.supervisor_rpc",
    "deploy.supervisor deploy.trial",
    "deploy.cleanup deploy.readiness deploy.stack",
    "deploy.gunicorn deploy.rollout",
    "deploy.splits",
    "deploy.lifecycle deploy.doctor",
)

FACES_THE_STACK = ("windtunnel.cli", "windtunnel.runner", "windtunnel.live.split_control")
"""The modules of windtunnel that start and stop things, and so may know deploy and nginx."""

PURE = (
    "windtunnel.client.api", "windtunnel.recording.results", "windtunnel.analysis",
    "windtunnel.tuning", "windtunnel.reports",
)  # fmt: skip
"""What reads results and what states the API needs no load generator and no server."""


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it, with the names taken from packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, *prefixes: str) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def layer(module: str) -> tuple[str, int] | None:
    """Whose layer a module is in, and how high."""
    for package, layers in (
        ("server", SERVER_LAYERS),
        ("windtunnel", WINDTUNNEL_LAYERS),
        ("watch", WATCH_LAYERS),
        ("deploy", DEPLOY_LAYERS),
    ):
        for rank, names in enumerate(layers):
            if within(module, *names.split()):
                return package, rank
    return None


@dataclass(frozen=True)
class Rule:
    """What `who` (but for `spared`) may not import of `what` (but for `allowed`), and why."""

    who: str
    what: str
    why: str
    spared: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def broken(self, module: str, target: str) -> bool:
        return (
            within(module, *self.who.split())
            and not within(module, *self.spared)
            and within(target, *self.what.split())
            and not within(target, *self.allowed)
        )


RULES = (
    Rule("watch", "windtunnel deploy locustfiles nginx server", "watch stands alone"),
    Rule("server", "windtunnel deploy locustfiles nginx", "the server does not know what tests it"),
    Rule("locustfiles", "server deploy nginx watch", "scenarios know windtunnel only"),
    Rule(
        "windtunnel",
        "server deploy nginx watch",
        "it learns all over HTTP",
        spared=FACES_THE_STACK,
    ),
    Rule(
        "deploy nginx",
        "windtunnel locustfiles watch",
        "deploy does not know what it serves",
    ),
    Rule(
        "deploy nginx",
        "server",
        "deploy knows settings and engine facts, not how the server works",
        allowed=("server.addresses", "server.settings", "server.engines", "server.api.enums"),
    ),
    Rule(
        "deploy locustfiles nginx server watch windtunnel",
        "benchmarks validation",
        "nothing depends on what measures it",
    ),
    Rule("benchmarks", "validation", "validation stands on the harness of benchmarks"),
    Rule(" ".join(PURE), "locust gevent tornado windtunnel.client.client", "what is pure stays so"),
)


def forbidden(module: str, target: str) -> str | None:
    """Why `module` may not import `target`, or None."""
    mine, other = layer(module), layer(target)
    if mine is not None and other is not None and mine[0] == other[0] and other > mine:
        return f"imports of {mine[0]} go down its layers"
    return next((rule.why for rule in RULES if rule.broken(module, target)), None)


@pytest.mark.parametrize(("module", "path"), [pytest.param(m, p, id=m) for m, p in modules()])
def test_imports_go_one_way(module: str, path: Path) -> None:
    wrong = {target: reason for target in imported(path) if (reason := forbidden(module, target))}
    assert not wrong


def test_every_module_of_a_layered_package_has_a_layer() -> None:
    homeless = [
        m
        for m, _ in modules()
        if within(m, "server", "windtunnel", "deploy")
        and m not in {"server", "windtunnel", "deploy"}
        and layer(m) is None
    ]
    assert not homeless


@pytest.mark.parametrize("package", PACKAGES)
def test_no_imports_form_a_circle(package: str) -> None:
    """Not even among modules of one layer, or for annotations alone."""
    paths = {module: path for module, path in modules() if within(module, package)}
    graph = {module: (imported(path) & set(paths)) - {module} for module, path in paths.items()}
    while leaves := {module for module, targets in graph.items() if not targets}:
        graph = {m: targets - leaves for m, targets in graph.items() if m not in leaves}
    assert not graph
