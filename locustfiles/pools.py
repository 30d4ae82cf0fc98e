"""What does slow blocking work do to everybody else, and what does a pool of its own change?

Fast requests are the mix of `crud`; slow ones sleep, or summarise a table, and block the process
that serves them. Each kind has a rate of its own, whatever the responses do. nginx sends slow ones
to the slow pool. `locust -f locustfiles/pools.py` keeps both rates editable while it runs;
`windtunnel run pools` measures it in rounds.
"""

from locust import events

from windtunnel import Defaults, RecordUser, Session, SlowKind, SlowUser, SlowWork

STORES = ("postgres-asyncpg/async/fast",)
MIX = "balanced"
RATES = {"fast": 100.0, "slow": 5.0}
WORK = SlowWork(SlowKind.SLEEP, ms=100)
POISSON = True
DURATION = 10.0
POPULATION = 1_000
SUMMARY_SIZE = 20_000
SEED = 1


class FastUser(RecordUser):
    """Does the operations of the mix."""

    stream = "fast"


class SlowWorkUser(SlowUser):
    """Requests slow work: half of what one process can do, at the rate above."""

    stream = "slow"


Session(
    [FastUser, SlowWorkUser], Defaults(MIX, POPULATION, SUMMARY_SIZE, SEED, RATES, WORK)
).listen(events)
