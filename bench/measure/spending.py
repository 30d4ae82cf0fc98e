"""CPU time of groups of processes that come and go."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bench.measure import cpu


class Spending:
    """Counts each process from when it is first looked at; what one spent before it ended stays."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._names: set[str] = set()

    def look(self, groups: Mapping[str, Collection[int]]) -> None:
        """Read the clocks of these root processes and of all that descend from them."""
        self._names |= set(groups)
        roots = {f"{name} {pid}": [pid] for name, pids in groups.items() for pid in pids}
        read = cpu.read(roots)
        for name, pids in groups.items():
            for pid in pids:
                now = read[f"{name} {pid}"]
                if now is not None:
                    self._first.setdefault((name, pid), now)
                    self._last[name, pid] = max(now, self._last.get((name, pid), 0))

    def seconds(self) -> dict[str, float]:
        """CPU seconds by group, of those that were ever looked at."""
        total = dict.fromkeys(sorted(self._names), 0)
        for (name, pid), last in list(self._last.items()):  # a thread may be looking
            total[name] += last - self._first[name, pid]
        return {name: round(spent / 1e9, 6) for name, spent in total.items()}
