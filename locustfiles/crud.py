"""Which store is fastest, for each operation, under a handler that does nothing else?

Users create, read, update, edit, delete and find records that they own, and check every response.
`locust -f locustfiles/crud.py` opens the web UI on http://127.0.0.1:8089; `windtunnel run crud`
measures one store at a time.
"""

from locust import events

from windtunnel import Defaults, RecordUser, Session

MIX = "balanced"
POPULATION = 1_000
SUMMARY_SIZE = 20_000
SEED = 1


class CrudUser(RecordUser):
    """Does one operation of the mix after the other."""


Session([CrudUser], Defaults(MIX, POPULATION, SUMMARY_SIZE, SEED)).listen(events)
