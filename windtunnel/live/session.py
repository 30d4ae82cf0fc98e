"""A scenario on stores under `locust -f`: from what was chosen to users that know their records.

The process that starts a test (alone, or as master) recreates the populations. A worker is sent
the ids of its own part ahead of the order to spawn users, on the same socket, so they are there.
"""

from __future__ import annotations

import inspect
import logging
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event
from locust import stats
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import Events
from locust.runners import (
    STATE_SPAWNING,
    STATE_STOPPED,
    MasterRunner,
    Runner,
    WorkerRunner,
)

from windtunnel.errors import ExitCode
from windtunnel.live import arguments, form, page, run_writer
from windtunnel.live.admission import REFUSALS, admit
from windtunnel.live.api import LiveApi
from windtunnel.live.arguments import Defaults
from windtunnel.live.load_controller import LoadController
from windtunnel.live.load_executor import LoadExecutor
from windtunnel.live.load_profile import LoadProfile, rates
from windtunnel.live.pausing import pause
from windtunnel.live.preparation import gather, part, prepare
from windtunnel.live.recording_session import HERE, Keeper
from windtunnel.live.run_writer import Journal
from windtunnel.live.split_control import access_log
from windtunnel.recording.results import ResultsError
from windtunnel.workload.stores import ServerDownError, StoreInfo
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserConfig, UserPool

# Whether Locust can listen where it is told to: found out before it forks, and said in a line.


def refused(options: Namespace) -> str | None:
    """Return what keeps a port of these options from being listened at, or None."""
    for host, port, option in _wanted(options):
        address = "" if host == "*" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            why = str(error.strerror or error).partition(" (while")[0]
            return f"cannot listen at {host}:{port}: {why}: choose another port ({option})"
    return None


def _wanted(options: Namespace) -> Iterator[tuple[str, int, str]]:
    if options.worker or options.show_task_ratio or options.show_task_ratio_json:
        return
    if options.headful or not options.headless:
        yield options.web_host or "*", options.web_port, "--web-port"
    if options.master or options.processes:
        told = "--master-bind-port, and --master-port for its workers"
        yield options.master_bind_host, options.master_bind_port, told


CROWD: Final = "crowd"
COURSE: Final = "course"
HALT: Final = "halt"

SPAWNS_WITHIN: Final = 10.0
WORKERS_BEHIND: Final = 7
"""Seconds until what workers record in one of them, and tell every three, is there."""

WORKERS_PATIENCE: Final = 3.0
"""Seconds in which a master that was interrupted too tells its workers to end."""

log = logging.getLogger("windtunnel")


class Session:
    """Ties the users of one scenario, a class for each of its streams, to Locust's events."""

    def __init__(self, user_classes: Sequence[type[StoreUser]], defaults: Defaults) -> None:
        self._user_classes = user_classes
        self._defaults = defaults
        self._environment: Environment | None = None
        self._pilot: LoadExecutor | None = None
        self._helm: LoadController | None = None
        self._keeper = Keeper()
        self.board: LiveApi | None = None
        self._ranks: list[str] = []
        self._spawning = Event()
        self._listens = False

    def listen(self, events: Events) -> None:
        """Take part in whatever Locust does with the scenario."""
        events.init_command_line_parser.add_listener(self.on_parser)
        events.init.add_listener(self.on_init)
        events.test_start.add_listener(self.on_start)
        events.test_stopping.add_listener(self.on_stopping)
        events.quit.add_listener(self.on_quit)

    def on_parser(self, parser: LocustArgumentParser, **_: Any) -> None:
        """Add the arguments, and end the process with one line if no server is there."""
        try:
            stores = arguments.offers(sys.argv[1:])
        except ServerDownError as error:
            if self._environment is None:
                print(error, file=sys.stderr)
                sys.exit(ExitCode.SETUP)
            stores = []
        target = arguments.address(sys.argv[1:]).target
        arguments.add(parser, stores, target, self._defaults)
        self._refuse_ports(parser)

    def _refuse_ports(self, parser: LocustArgumentParser) -> None:
        """End the process with one line if a port is taken; Locust forks, and has a traceback."""
        if self._listens or arguments.needless(sys.argv[1:]):
            return
        self._listens = True  # Locust makes parsers later on too
        line = refused(parser.parse_known_args(sys.argv[1:])[0])
        if line is not None:
            print(line, file=sys.stderr)
            sys.exit(ExitCode.SETUP)

    def on_init(self, environment: Environment, runner: Runner, **_: Any) -> None:
        """Remember the environment; a worker listens for its part of the records."""
        self._environment = environment
        stats.bucket_response_time = form.finer  # type: ignore[assignment]
        worker = isinstance(runner, WorkerRunner)
        gevent.signal_handler(signal.SIGINT, _interrupt, WORKERS_PATIENCE if worker else 0.0)
        if environment.web_ui is not None:
            form.attach(environment, environment.web_ui)
            self.board = LiveApi(environment, self._keeper)
            self.board.attach(environment.web_ui)
            page.attach(environment, environment.web_ui, self._keeper.recent, lambda: self._helm)
        elif not worker:
            _refuse_early(environment)
        if isinstance(runner, WorkerRunner):
            runner.register_message(CROWD, self._on_crowd)
            runner.register_message(COURSE, self._on_course, concurrent=True)
            runner.register_message(HALT, self._on_halt, concurrent=True)
        self._keeper.listen(environment)

    def on_start(self, environment: Environment, **_: Any) -> None:
        """Recreate the populations and divide them."""
        runner, options = environment.runner, environment.parsed_options
        if isinstance(runner, WorkerRunner):
            self._spawning.set()
        if options is None or runner is None or isinstance(runner, WorkerRunner):
            return
        pause(options, False)
        runner.update_state(STATE_SPAWNING)  # or the web UI goes back to its form meanwhile
        try:
            terms, ids, offers = prepare(options, runner.target_user_count)
        except REFUSALS as error:
            self._abandon(environment, str(error))
        members = present(runner) if isinstance(runner, MasterRunner) else [HERE]
        kept = self._journal(environment, options, runner, offers, terms.target)
        self._keeper.keep(kept, terms.target, members)
        if isinstance(runner, MasterRunner):
            self._send(runner, options, terms, ids)
            members_now, tell = partial(self._members, runner), partial(_tell, runner)
            self._helm = LoadController(options, members_now, tell, self._keeper.lose)
        else:
            open_ = bool(rates(options))
            whole = {store: (0, named) for store, named in ids.items()}
            crowd = gather(terms, whole, runner.target_user_count)
            pilot = self._begin(environment, crowd, options.max_in_flight, open_)

            def steer(_: str, its: LoadProfile) -> None:
                pilot.steer(its)

            self._helm = LoadController(options, lambda: [HERE], steer, self._keeper.lose)

    def on_stopping(self, environment: Environment, **_: Any) -> None:
        """Send no more, and give what is under way the time that users get."""
        if self._helm is not None:
            self._helm.let_go()
        runner, timeout = environment.runner, environment.stop_timeout or 0.0
        if isinstance(runner, MasterRunner):
            self._halt(runner, timeout)
        if self._pilot is not None:
            self._pilot.halt(timeout)
        self._helm = self._pilot = None
        self._keeper.close()

    def _halt(self, runner: MasterRunner, timeout: float) -> None:
        """Let the workers end; those that do not say how they ended are lost."""
        halted, members = perf_counter(), self._members(runner)
        for worker in members:
            runner.send_message(HALT, {"timeout": timeout}, worker)
        silent = self._keeper.await_last(members, timeout)
        parts = max(1, self._helm.parts if self._helm is not None else len(self._ranks))
        for worker in self._ranks:
            if worker in silent or worker not in members:
                self._keeper.lose(worker, parts, halted)

    def on_quit(self, exit_code: int, **_: Any) -> None:
        """End with the code of what went wrong as the test was stopped; Locust had its by then."""
        wanted = self._environment.process_exit_code if self._environment is not None else None
        if wanted is not None and wanted != exit_code:
            sys.exit(wanted)

    def _journal(
        self,
        environment: Environment,
        options: Namespace,
        runner: Runner,
        offers: Sequence[StoreInfo],
        url: str,
    ) -> Journal | None:
        scenario = Path(inspect.getfile(self._user_classes[0])).stem
        patience = WORKERS_BEHIND if isinstance(runner, MasterRunner) else 1

        def users() -> int:
            return runner.target_user_count

        try:
            if options.results:
                log_there = access_log(url)
                return run_writer.begin(options, scenario, offers, users, patience, log_there)
        except ResultsError as error:
            if options.headless:
                line = f"{error}: choose another folder (--results), or none (--results '')"
                self._abandon(environment, line)
            log.warning("not recorded: %s", error)
        return None

    def _begin(
        self, environment: Environment, crowd: UserPool, bound: int, open_: bool
    ) -> LoadExecutor:
        for kind in self._user_classes:
            kind.crowd = crowd
        self._pilot = LoadExecutor(self._user_classes, environment, crowd, bound, open_=open_)
        self._keeper.collect(crowd, self._pilot.load)
        return self._pilot

    def _send(
        self,
        runner: MasterRunner,
        options: Namespace,
        terms: UserConfig,
        ids: Mapping[str, list[str]],
    ) -> None:
        self._ranks = present(runner)
        workers = len(self._ranks)
        for rank, id_ in enumerate(self._ranks):
            data = {
                "terms": asdict(terms),
                "parts": {store: part(named, rank, workers) for store, named in ids.items()},
                "users": -(-runner.target_user_count // workers),
                "rank": rank,
                "bound": max(1, options.max_in_flight // workers),
                "open": bool(rates(options)),
            }
            runner.send_message(CROWD, data, id_)

    def _members(self, runner: MasterRunner) -> list[str]:
        there = set(present(runner))
        return [id_ for id_ in self._ranks if id_ in there]

    def _on_crowd(self, environment: Environment, msg: Any, **_: Any) -> None:
        told = msg.data
        terms = msgspec.convert(told["terms"], UserConfig)
        crowd = gather(terms, told["parts"], told["users"], told["rank"])
        self._spawning.clear()
        self._begin(environment, crowd, told["bound"], told["open"])

    def _on_course(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002
        self._spawning.wait(SPAWNS_WITHIN)  # Locust clears its statistics then
        if self._pilot is not None:
            self._pilot.steer(LoadProfile(**msg.data))

    def _on_halt(self, environment: Environment, msg: Any, **_: Any) -> None:
        if self._pilot is not None:
            pilot, self._pilot = self._pilot, None
            pilot.halt(msg.data["timeout"])
        if isinstance(environment.runner, WorkerRunner):
            self._keeper.send_last(environment.runner)

    def _abandon(self, environment: Environment, line: str) -> None:
        runner, options = environment.runner, environment.parsed_options
        assert runner is not None
        log.error(line)
        runner.log_exception("local", line, "")
        runner.update_state(STATE_STOPPED)
        if options is not None and options.headless:
            environment.process_exit_code = ExitCode.SETUP
            gevent.spawn(runner.quit)
        raise gevent.GreenletExit


def present(runner: MasterRunner) -> list[str]:
    """The workers that take part, by their ids."""
    clients = runner.clients
    return [client.id for client in clients.ready + clients.running + clients.spawning]


def _tell(runner: MasterRunner, worker: str, its: LoadProfile) -> None:
    runner.send_message(COURSE, asdict(its), worker)


def _interrupt(patience: float) -> None:
    """End by Ctrl-C through the main greenlet; Python would interrupt a user, with a traceback."""
    gevent.sleep(patience)
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def _refuse_early(environment: Environment) -> None:
    """End the process with one line if a headless test cannot start."""
    options = environment.parsed_options
    if options is None or not options.headless:
        return
    try:
        admit(options, options.num_users)
    except REFUSALS as error:
        print(error, file=sys.stderr)
        sys.exit(ExitCode.SETUP)
