"""The options of a load, each defined once: name, type, default, bounds, choices and help.

`windtunnel run`, Locust's command line and its start form are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from windtunnel.workload.mixes import MIXES
from windtunnel.workload.slow import LONGEST_MS, SlowKind, SlowWork

Value = TypeVar("Value", int, float, str, bool)

MAX_USERS: Final = 10_000
"""Each has a connection of its own, and the ports of one address run out."""

MAX_RATE: Final = 100_000.0
"""Requests per second; more than any generator of this suite can send."""

MIN_RATE: Final = 0.1


@dataclass(frozen=True, slots=True)
class LoadOption(Generic[Value]):
    """An option of a load; a number has bounds, a text may have choices, a flag has neither."""

    name: str
    help: str
    default: Value
    bounds: tuple[Value, Value] | None = None
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """What it is called on a command line."""
        return f"--{self.name.replace('_', '-')}"

    def parse(self, text: str) -> Value:
        """Return the value that a text states; raises ValueError, one line."""
        if self.choices and text not in self.choices:
            raise ValueError(f"{text!r}: choose from {', '.join(self.choices)}")
        try:
            value = type(self.default)(text)
        except ValueError:
            raise ValueError(f"must be {self._noun}, not {text!r}") from None
        if self.bounds is not None and not self.bounds[0] <= value <= self.bounds[1]:
            raise ValueError(f"must be {self._noun}, not {text!r}")
        return value

    def parse_list(self, text: str) -> tuple[Value, ...]:
        """Return the different values of a text as `8,64`; raises ValueError, one line."""
        return tuple(dict.fromkeys(map(self.parse, text.split(","))))

    @property
    def _noun(self) -> str:
        assert self.bounds is not None
        low, high = self.bounds
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {low:.12g} to {high:.12g}"


MIX = LoadOption(
    "mix", "which operations, in what ratio: balanced, read-heavy, read, ...", "balanced",
    choices=tuple(MIXES),
)  # fmt: skip
USERS = LoadOption("users", "closed users", 8, (1, MAX_USERS))
RATE = LoadOption(
    "rate",
    "requests per second in total, sent on schedule (open load)",
    100.0,
    (MIN_RATE, MAX_RATE),
)
RATE_OR_NONE = LoadOption("rate", f"{RATE.help}; 0: closed users", 0.0, (0.0, MAX_RATE))
POISSON = LoadOption(
    "poisson", "arrivals at random (exponential) intervals; by default evenly spaced", False
)
SLOW_WORK = LoadOption(
    "slow_work",
    "slow requests: sleep blocks a process, summary asks a blocking store for its own",
    SlowWork().kind.value,
    choices=tuple(kind.value for kind in SlowKind),
)
SLEEP_MS = LoadOption("sleep_ms", "milliseconds of each sleep", SlowWork().ms, (1, LONGEST_MS))
RETRY_STALE = LoadOption(
    "retry_stale",
    "send an idempotent request once more if its connection was closed; counted",
    False,
)
COOKIES = LoadOption("cookies", "let each user keep its cookies", False)
POPULATION = LoadOption(
    "population", "records in each store at the start; they fit into one request", 1_000,
    (1, 400_000),
)  # fmt: skip
SUMMARY_SIZE = LoadOption(
    "summary_size", "rows of the table that summary aggregates", 20_000, (1, 1_000_000)
)
SEED = LoadOption(
    "seed", "seed of the data, of random arrivals and of the order", 1, (0, 2**63 - 1)
)
MAX_IN_FLIGHT = LoadOption(
    "max_in_flight", "with a rate: most requests in flight; more are skipped", 1_000, (1, 10_000)
)


def stream_rate(stream: str) -> LoadOption[float]:
    """Return the option for the rate of a stream, where a scenario has several."""
    text = f"requests per second of the {stream} stream in total, sent on schedule; 0: none"
    return LoadOption(f"{stream}_rate", text, 0.0, (0.0, MAX_RATE))
