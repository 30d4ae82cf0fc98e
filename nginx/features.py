"""What one nginx binary is and has, as it tells."""

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
    def text(self) -> str:
        """The version as people write it, such as 1.31.3."""
        return ".".join(map(str, self.version))

    @property
    def keepalive_min_timeout(self) -> bool:
        """A reload that warns idle clients before it closes them (from 1.27.4 on)."""
        return self.version >= (1, 27, 4)

    @property
    def keepalive_time(self) -> bool:
        """A limit to the life of a connection, an hour if nobody says more (from 1.19.10 on)."""
        return self.version >= (1, 19, 10)

    @property
    def keepalive_is_default(self) -> bool:
        """Connections to processes are kept unless `keepalive 0` says no (from 1.29.7 on)."""
        return self.version >= (1, 29, 7)

    @property
    def other_temp_paths(self) -> tuple[str, ...]:
        """Modules whose folders nginx makes at start, though nothing here uses them."""
        return tuple(n for n in _OTHER_TEMP_PATHS if not self._without(f"http_{n}"))

    @property
    def lacks(self) -> tuple[str, ...]:
        """What a newer nginx, or one with every module, would do better; a sentence each."""
        told = []
        if not self.keepalive_min_timeout:
            told.append(
                f"nginx {self.text} has no keepalive_min_timeout (1.27.4 has): a reload closes "
                "clients' idle connections, and a request sent just then is stale"
            )
        if not self.keepalive_time:
            told.append(f"nginx {self.text} has no keepalive_time (1.19.10 has)")
        missing = [str(b) for b, module in _MODULES.items() if self._lacks_balance(module)]
        if missing:
            told.append(f"nginx {self.text} was built without balance {', '.join(missing)}")
        return tuple(told)

    def check(self, split: Split) -> None:
        """Raise SplitError, naming the key, for what this nginx cannot do."""
        for name, pool in split.pools.items():
            module = _MODULES.get(pool.balance)
            if module and self._lacks_balance(module):
                told = f"this nginx {self.text} was built without it"
                raise SplitError(f"pools.{name}.balance: {pool.balance}: {told}")

    def _lacks_balance(self, module: str) -> bool:
        return self._without(f"http_upstream_{module}")

    def _without(self, module: str) -> bool:
        return f"--without-{module}_module" in self.arguments


@cache
def features(binary: str) -> Features:
    """Ask the binary; raises OSError if it does not run, ValueError if it is no nginx."""
    told = subprocess.run([binary, "-V"], capture_output=True, text=True, timeout=10, check=False)
    version = re.search(r"nginx version: \S+?/(\d+(?:\.\d+)*)", told.stderr)
    if not version:
        raise ValueError(f"{binary} -V did not tell a version of nginx")
    return Features(version_of(version[1]), told.stderr)


def version_of(text: str) -> tuple[int, ...]:
    """`1.22.1` as numbers; raises ValueError."""
    return tuple(map(int, text.split(".")))
