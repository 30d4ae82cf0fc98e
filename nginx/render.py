"""Renders nginx.conf from a split, with the directives that this nginx has."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from nginx.features import Features
from nginx.routing import NO_ANSWER, POOL, SERVED, key_maps, overflows, prefixes, route_maps
from nginx.split import NONE, Split
from server.settings import REQUEST_ID

CONF = "nginx.conf"
ACCESS_LOG = "access.log"
PAGES = "pages"

_PROBLEMS = (
    ("@too_large", 413, "The body is over 64 MB"),
    (NO_ANSWER, 502, "No process of the pool answered"),
    ("@too_late", 504, "The process did not answer in time"),
    ("@maintained", 503, "The pool is under maintenance"),
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """An nginx.conf, and the generation that `GET /split` answers once it is active."""

    text: str
    generation: str


def render(
    split: Split,
    *,
    port: int,
    folder: Path,
    features: Features,
    workers: int = 1,
    serial: str = "",
) -> Rendered:
    """Render nginx.conf for a folder that holds its pid, logs, pages and bodies.

    `serial` changes the generation of an otherwise equal configuration.
    """
    facts = _facts(split)
    seed = f"{facts}{port}{workers}{features.version_text}{serial}"
    generation = hashlib.sha256(seed.encode()).hexdigest()[:12]
    http = site(
        split,
        listen=f"127.0.0.1:{port} backlog=4096",
        features=features,
        log=folder / ACCESS_LOG,
        pages=folder / PAGES,
        facts=json.dumps({"generation": generation, **facts}),
        comments=features.limitations,
    )
    text = _template("nginx.conf.j2").render(
        connections=min(16384, _descriptors() // 2),
        descriptors=_descriptors(),
        features=features,
        path=lambda name: _quoted(folder / name),
        root=os.geteuid() == 0,
        site=http,
        split=split,
        workers=workers,
    )
    return Rendered(text, generation)


def site(
    split: Split,
    *,
    listen: str,
    features: Features,
    log: Path,
    pages: Path,
    facts: str = "",
    comments: tuple[str, ...] = (),
    addresses: Mapping[int, str] | None = None,
) -> str:
    """Render what goes into `http {}`: routes, pools, and the server that listens at `listen`.

    `addresses` say where a port's process is, if not on 127.0.0.1; `facts` is what `GET /split`
    answers, if anything; `comments` are lines at the top.
    """
    spills = any(split.spill(name) for name in split.pools)
    return _template("site.conf.j2").render(
        comments=comments,
        pool_variable=SERVED if spills else POOL,
        by_variable=bool(split.methods or split.headers),
        facts=facts,
        features=features,
        full=[name for name, pool in split.pools.items() if pool.overflow != NONE],
        key_maps=key_maps(split),
        listen=listen,
        log=_quoted(log),
        log_name="windtunnel",
        route_maps=route_maps(split),
        members=lambda name: [
            ((addresses or {}).get(port, f"127.0.0.1:{port}"), weight)
            for port, weight in split.pools[name].members
        ],
        overflows=overflows(split),
        page=lambda name: _quoted(pages / name),
        pages=_quoted(pages),
        prefixes=prefixes(split),
        problem=_problem,
        request_id=REQUEST_ID,
        problems=_problems(split),
        root_folder=_quoted(pages),
        spills=spills,
        split=split,
    )


def _problems(split: Split) -> list[tuple[str, int, str]]:
    has_pages = any(pool.maintenance for pool in split.pools.values())
    return [problem for problem in _PROBLEMS if problem[0] != "@maintained" or has_pages]


def _facts(split: Split) -> dict[str, Any]:
    pools = {
        name: {
            "balance": str(pool.balance),
            "processes": [{"port": port, "weight": weight} for port, weight in pool.members],
        }
        for name, pool in split.pools.items()
    }
    facts: dict[str, Any] = {"pools": pools, "routes": {**split.routes, "/": split.default}}
    optional = {"methods": dict(split.methods), "headers": dict(split.headers)}
    return facts | {name: routes for name, routes in optional.items() if routes}


def _descriptors() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(65536, hard if hard > 0 else 65536)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _problem(status: int, title: str) -> str:
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": title})


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nginx.conf is no HTML
    )
    environment.filters["ms"] = _ms
    return environment.get_template(name)
