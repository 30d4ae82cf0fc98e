"""nginx.conf from a split, in the subset that this nginx has."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from nginx.split import Split

CONF = "nginx.conf"
ACCESS_LOG = "access.log"
_OTHER_TEMP_PATHS = ("fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True, slots=True)
class Features:
    """What one nginx binary is and has, as `nginx -V` tells."""

    version: tuple[int, ...]
    arguments: str = ""

    @property
    def text(self) -> str:
        """The version as people write it, such as 1.31.3."""
        return ".".join(map(str, self.version))

    @property
    def keepalive_min_timeout(self) -> bool:
        """A reload that warns idle clients before it closes them (from 1.27.4 on)."""
        return self.version >= (1, 27, 4)

    @property
    def other_temp_paths(self) -> tuple[str, ...]:
        """Modules whose folders nginx makes at start, though nothing here uses them."""
        return tuple(
            name
            for name in _OTHER_TEMP_PATHS
            if f"--without-http_{name}_module" not in self.arguments
        )


@cache
def features(binary: str) -> Features:
    """Ask the binary; raises OSError if it does not run, ValueError if it is no nginx."""
    told = subprocess.run([binary, "-V"], capture_output=True, text=True, timeout=10, check=False)
    version = re.search(r"nginx version: \S+?/(\d+(?:\.\d+)*)", told.stderr)
    if not version:
        raise ValueError(f"{binary} -V did not tell a version of nginx")
    return Features(tuple(map(int, version[1].split("."))), told.stderr)


@dataclass(frozen=True, slots=True)
class Rendered:
    """An nginx.conf, and the generation that `GET /split` answers once it is in force."""

    text: str
    generation: str


def render(
    split: Split, *, port: int, folder: Path, features: Features, workers: int = 1
) -> Rendered:
    """Render nginx.conf for a folder that holds its pid, logs and bodies."""
    facts = _facts(split)
    generation = hashlib.sha256(f"{facts}{port}{workers}{features.text}".encode()).hexdigest()[:12]
    text = _template().render(
        access_log=ACCESS_LOG,
        connections=min(16384, _descriptors() // 2),
        descriptors=_descriptors(),
        facts=json.dumps({"generation": generation, **facts}),
        features=features,
        path=lambda name: _quoted(folder / name),
        port=port,
        problem=_problem,
        root=os.geteuid() == 0,
        routes=sorted(split.routes.items(), key=lambda route: (-len(route[0]), route[0])),
        split=split,
        workers=workers,
    )
    return Rendered(text, generation)


def _facts(split: Split) -> dict[str, object]:
    pools = {
        name: {
            "balance": str(pool.balance),
            "processes": [{"port": port, "weight": weight} for port, weight in pool.members],
        }
        for name, pool in split.pools.items()
    }
    return {"pools": pools, "routes": {**split.routes, "/": split.default}}


def _descriptors() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(65536, hard if hard > 0 else 65536)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _problem(status: int, title: str) -> str:
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": title})
    return (
        "internal; default_type application/problem+json; "
        f"add_header X-Request-Id $rid always; return {status} '{body}';"
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nginx.conf is no HTML
    )
    environment.filters["regex"] = re.escape
    return environment.get_template("nginx.conf.j2")
