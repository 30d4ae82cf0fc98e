"""What an nginx binary supports, from its version and build arguments."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache

from nginx.split import Balance, Split, SplitError

_OTHER_TEMP_PATHS = ("fastcgi", "uwsgi", "scgi")
_MODULES = {
    Balance.LEAST_CONN: "least_conn",
    Balance.RANDOM_TWO: "random",
    Balance.IP_HASH: "ip_hash",
    Balance.HASH: "hash",
}


@dataclass(frozen=True, slots=True)
class Features:
    """A version of nginx and the arguments that it was built with (`nginx -V`)."""

    version: tuple[int, ...]
    arguments: str = ""

    @property
    def version_text(self) -> str:
        """The version as people write it, such as 1.31.3."""
        return ".".join(map(str, self.version))

    @property
    def keepalive_min_timeout(self) -> bool:
        """Whether a reload warns idle clients before it closes them (since 1.27.4)."""
        return self.version >= (1, 27, 4)

    @property
    def keepalive_time(self) -> bool:
        """Whether it limits the life of a connection, to an hour by default (since 1.19.10)."""
        return self.version >= (1, 19, 10)

    @property
    def keepalive_is_default(self) -> bool:
        """Whether connections to processes are kept alive by default (since 1.29.7)."""
        return self.version >= (1, 29, 7)

    @property
    def other_temp_paths(self) -> tuple[str, ...]:
        """Modules whose temporary folders nginx makes at start, though nothing here uses them."""
        return tuple(n for n in _OTHER_TEMP_PATHS if not self._without(f"http_{n}"))

    @property
    def limitations(self) -> tuple[str, ...]:
        """What a newer nginx, or one with every module, would do better; a sentence each."""
        lines = []
        if not self.keepalive_min_timeout:
            lines.append(
                f"nginx {self.version_text} has no keepalive_min_timeout (since 1.27.4): a reload "
                "closes clients' idle connections, and a request sent just then is stale"
            )
        if not self.keepalive_time:
            lines.append(f"nginx {self.version_text} has no keepalive_time (since 1.19.10)")
        missing = [str(b) for b, module in _MODULES.items() if self._lacks_balance(module)]
        if missing:
            lines.append(
                f"nginx {self.version_text} was built without balance {', '.join(missing)}"
            )
        return tuple(lines)

    def check(self, split: Split) -> None:
        """Raise SplitError, naming the key, for what this nginx cannot do."""
        for name, pool in split.pools.items():
            module = _MODULES.get(pool.balance)
            if module and self._lacks_balance(module):
                raise SplitError(
                    f"pools.{name}.balance: {pool.balance}: "
                    f"this nginx {self.version_text} was built without it"
                )

    def _lacks_balance(self, module: str) -> bool:
        return self._without(f"http_upstream_{module}")

    def _without(self, module: str) -> bool:
        return f"--without-{module}_module" in self.arguments


@cache
def features(binary: str) -> Features:
    """Run `nginx -V`; raises OSError if it does not run, ValueError if it is no nginx."""
    process = subprocess.run(
        [binary, "-V"], capture_output=True, text=True, timeout=10, check=False
    )
    version = re.search(r"nginx version: \S+?/(\d+(?:\.\d+)*)", process.stderr)
    if not version:
        raise ValueError(f"{binary} -V printed no version of nginx")
    return Features(parse_version(version[1]), process.stderr)


def parse_version(text: str) -> tuple[int, ...]:
    """Parse a version such as `1.22.1`; raises ValueError."""
    return tuple(map(int, text.split(".")))
