"""A scenario on stores under `locust -f`: from what was chosen to users that know their records.

The process that starts a test (alone, or as master) recreates the populations. A worker is sent
the ids of its own part ahead of the order to spawn users, on the same socket, so they are there.
"""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import gevent
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner, Runner, WorkerRunner

from bench import arguments, population
from bench.arguments import Defaults
from bench.client import Client, Target
from bench.contract import Operation
from bench.crowd import Crowd, Terms
from bench.deadlines import Deadlines
from bench.discovery import ServerDownError, discover
from bench.mixes import MIXES
from bench.plan import Load, Offer, UnknownStoreError, select, unfit
from bench.users import ClosedUser

MESSAGE: Final = "crowd"
RESET_TIMEOUT: Final = 150.0
DELETING_SECONDS: Final = 10.0
"""For how long `delete` alone is provided for; after that each delete takes a create."""

ENVIRONMENT_NOT_RIGHT: Final = 3

log = logging.getLogger("windtunnel")

Parts = Mapping[str, tuple[int, list[str]]]
"""By store: where a part of its population begins, and the ids of that part."""


class RefusedError(Exception):
    """A test that cannot be started; the message is one line."""


class Session:
    """Ties the users of one scenario to Locust's events."""

    def __init__(self, user_class: type[ClosedUser], defaults: Defaults) -> None:
        self._user_class = user_class
        self._defaults = defaults
        self._environment: Environment | None = None

    def listen(self, events: Events) -> None:
        """Take part in whatever Locust does with the scenario."""
        events.init_command_line_parser.add_listener(self.on_parser)
        events.init.add_listener(self.on_init)
        events.test_start.add_listener(self.on_start)

    def on_parser(self, parser: LocustArgumentParser, **_: Any) -> None:
        """Add the arguments, and end the process with one line if no server is there."""
        try:
            stores = arguments.offers(sys.argv[1:])
        except ServerDownError as error:
            if self._environment is None:
                print(error, file=sys.stderr)
                sys.exit(ENVIRONMENT_NOT_RIGHT)
            stores = []
        arguments.add(parser, stores, self._defaults)

    def on_init(self, environment: Environment, runner: Runner, **_: Any) -> None:
        """Remember the environment; a worker listens for its part of the records."""
        self._environment = environment
        if isinstance(runner, WorkerRunner):
            runner.register_message(MESSAGE, self._on_message)

    def on_start(self, environment: Environment, **_: Any) -> None:
        """Recreate the populations and divide them."""
        runner, options = environment.runner, environment.parsed_options
        if options is None or runner is None or isinstance(runner, WorkerRunner):
            return
        try:
            terms, ids = prepare(options, runner.target_user_count)
        except (RefusedError, ServerDownError, UnknownStoreError, population.ResetError) as error:
            self._abandon(environment, str(error))
        if isinstance(runner, MasterRunner):
            self._send(runner, terms, ids)
        else:
            whole = {store: (0, named) for store, named in ids.items()}
            self._user_class.crowd = gather(terms, whole, runner.target_user_count)

    def _send(self, runner: MasterRunner, terms: Terms, ids: Mapping[str, list[str]]) -> None:
        clients = runner.clients.ready + runner.clients.running + runner.clients.spawning
        users = -(-runner.target_user_count // len(clients))
        for rank, client in enumerate(clients):
            parts = {store: part(named, rank, len(clients)) for store, named in ids.items()}
            data = {"terms": asdict(terms), "parts": parts, "users": users, "rank": rank}
            runner.send_message(MESSAGE, data, client.id)

    def _on_message(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002
        told = msg.data
        terms = Terms(**told["terms"])
        self._user_class.crowd = gather(terms, told["parts"], told["users"], told["rank"])

    def _abandon(self, environment: Environment, line: str) -> None:
        runner, options = environment.runner, environment.parsed_options
        assert runner is not None
        log.error(line)
        runner.log_exception("local", line, "")
        if options is not None and options.headless:
            environment.process_exit_code = ENVIRONMENT_NOT_RIGHT
            gevent.spawn(runner.quit)
        raise gevent.GreenletExit


def part(ids: Sequence[str], rank: int, parts: int) -> tuple[int, list[str]]:
    """Return where part `rank` of `parts` begins, and its ids."""
    begin, end = len(ids) * rank // parts, len(ids) * (rank + 1) // parts
    return begin, list(ids[begin:end])


def gather(terms: Terms, parts: Parts, users: int, rank: int = 0) -> Crowd:
    """Return the crowd of a process that owns these parts of the populations."""
    free = {
        store: population.records(terms.seed, terms.population, ids, start)
        for store, (start, ids) in parts.items()
    }
    return Crowd(terms, free, users, rank)


def prepare(options: Namespace, users: int) -> tuple[Terms, dict[str, list[str]]]:
    """Recreate the population of every chosen store; return the terms, and the ids by store.

    Raises RefusedError, ServerDownError, UnknownStoreError, ResetError.
    """
    url = arguments.url_of(options.target, options.host)
    if options.mix not in MIXES:
        raise RefusedError(f"there is no mix {options.mix!r}: choose one of {', '.join(MIXES)}")
    mix = MIXES[options.mix]
    _, offers = discover(url)
    client = _client(url)
    stores = chosen(offers, options.stores, options.mix, through_nginx=_is_nginx(client))
    size = population.size_for(mix, options.population, users, DELETING_SECONDS)
    ids = {}
    for store in stores:
        log.info("recreating %s records in %s", size, store.id)
        ids[store.id] = population.recreate(client, store.id, options.seed, size)
        if Operation.SUMMARY in mix:
            population.seed_summary(client, store.id, options.summary_size)
    client.close()
    return Terms(url, options.mix, options.seed, size, options.summary_size), ids


def chosen(
    offers: Sequence[Offer], globs: Sequence[str], mix: str, *, through_nginx: bool
) -> list[Offer]:
    """Return the stores that `globs` select and that can be loaded so; the others are logged.

    Raises RefusedError if none is left, UnknownStoreError for a glob that matches nothing.
    """
    if not globs:
        raise RefusedError("no store is chosen: choose one or more (--stores 'sqlite/*')")
    able: list[Offer] = []
    left_out: dict[str, list[str]] = {}
    for offer in select(offers, globs):
        reason = hindrance(offer, mix, through_nginx=through_nginx)
        if reason is None:
            able.append(offer)
        else:
            left_out.setdefault(reason, []).append(offer.id)
    lines = [f"{', '.join(ids)}: {reason}" for reason, ids in left_out.items()]
    if not able:
        raise RefusedError("; ".join(lines))
    for line in lines:
        log.warning("left out: %s", line)
    return able


def hindrance(offer: Offer, mix: str, *, through_nginx: bool) -> str | None:
    """Why a store cannot be loaded with `mix`, or None."""
    if offer.status != "up":
        return offer.detail or offer.status
    if offer.local and through_nginx:
        return "it lives in one process, so load that one (--target direct)"
    return unfit(offer, Load(mix, users=1, processes=1))


def _client(url: str) -> Client:
    try:
        return Client(Target(url), Deadlines(RESET_TIMEOUT))
    except (OSError, ValueError) as error:
        raise RefusedError(f"no target: {error}") from error


def _is_nginx(client: Client) -> bool:
    return client.request("GET", "/ping").headers.get("server", "").startswith("nginx")
