"""What does the slow part cost under gunicorn, and who waits for it, beside Tornado?

Users request summaries, or another mix, on the routes of the slow pool, and check every response.
`windtunnel run wsgi` measures Tornado's slow pool (blocking, in threads, async) and gunicorn with
its `sync`, `gthread` and `tornado` workers in the same rounds. `locust -f locustfiles/wsgi.py
--host URL` loads one server; deploy/gunicorn.conf.py says how to start gunicorn by hand.
"""

from locust import events

from windtunnel import Defaults, RecordUser, Session

STORES = ("postgres-psycopg/*/fast",)
MIX = "summary"
RATE = 40.0
POISSON = True
DURATION = 9.0
POPULATION = 1_000
SUMMARY_SIZE = 20_000
SEED = 1


class WsgiUser(RecordUser):
    """Does one operation of the mix after the other, where the slow part is served."""

    slow = True


Session([WsgiUser], Defaults(MIX, POPULATION, SUMMARY_SIZE, SEED)).listen(events)
