"""gunicorn's settings for the slow part, beside the Tornado processes; for its `-c` option.

The kind of worker and the number of threads are given on the command line:
gunicorn -c deploy/gunicorn.conf.py --worker-class gthread --threads 10 --bind 127.0.0.1:10102
"""

from typing import Any

wsgi_app = "server.wsgi:application"

workers = 1
threads = 1
"""Each has a connection to each database; only `gthread` has more than one."""

preload_app = False
"""Connections do not survive a fork: each worker opens its own."""

keepalive = 75
"""Seconds that an idle connection is kept, nginx's default; `sync` closes each after one answer."""

backlog = 2048
worker_connections = 10_000

timeout = 150
"""Seconds after which a silent worker is killed; a population may take 120 to be created again."""

graceful_timeout = 10
"""Seconds that requests in progress have to finish, as in the Tornado processes."""

loglevel = "warning"
accesslog = None
"""A line per request costs time, and the Tornado processes write none either."""

control_socket_disable = True
"""Several gunicorns of one account would share it."""


def post_worker_init(worker: Any) -> None:
    """Tell the application its worker; the `tornado` worker gets the Tornado application."""
    worker.wsgi = worker.wsgi.for_worker(worker)
