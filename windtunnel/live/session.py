"""A scenario on stores under `locust -f`: its arguments, its tests and its page."""

from __future__ import annotations

import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

import gevent
from locust import stats
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.web import WebUI

from windtunnel.errors import ExitCode
from windtunnel.live import arguments, form
from windtunnel.live.admission import REFUSALS, admit
from windtunnel.live.api import LiveApi
from windtunnel.live.arguments import Defaults
from windtunnel.live.load_controller import LoadController
from windtunnel.live.local import LocalRole
from windtunnel.live.master import MasterRole
from windtunnel.live.page import Page
from windtunnel.live.recording_session import RecordingSession
from windtunnel.live.role import Role
from windtunnel.live.worker import WorkerRole
from windtunnel.workload.stores import ServerDownError
from windtunnel.workload.user import StoreUser


def port_conflict(options: Namespace) -> str | None:
    """Return why a port of these options cannot be listened on, in one line, or None."""
    for host, port, option in _listeners(options):
        address = "" if host == "*" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            reason = str(error.strerror or error).partition(" (while")[0]
            return f"cannot listen at {host}:{port}: {reason}: choose another port ({option})"
    return None


def _listeners(options: Namespace) -> Iterator[tuple[str, int, str]]:
    """Yield host, port and option of everything that Locust will listen on."""
    if options.worker or options.show_task_ratio or options.show_task_ratio_json:
        return
    if options.headful or not options.headless:
        yield options.web_host or "*", options.web_port, "--web-port"
    if options.master or options.processes:
        option = "--master-bind-port, and --master-port for its workers"
        yield options.master_bind_host, options.master_bind_port, option


class Session:
    """Ties the users of one scenario, a class for each of its streams, to Locust's events."""

    def __init__(self, user_classes: Sequence[type[StoreUser]], defaults: Defaults) -> None:
        self._user_classes = user_classes
        self._defaults = defaults
        self._environment: Environment | None = None
        self._recording = RecordingSession()
        self._role: Role | None = None
        self._are_ports_checked = False

    def listen(self, events: Events) -> None:
        """Take part in whatever Locust does with the scenario."""
        events.init_command_line_parser.add_listener(self.on_parser)
        events.init.add_listener(self.on_init)
        events.test_start.add_listener(self.on_start)
        events.test_stopping.add_listener(self.on_stopping)
        events.quit.add_listener(self.on_quit)

    def on_parser(self, parser: LocustArgumentParser, **_: Any) -> None:
        """Add the arguments; end the process with one line if no server answers."""
        try:
            stores = arguments.discover_stores(sys.argv[1:])
        except ServerDownError as error:
            if self._environment is None:
                _exit(str(error))
            stores = []
        target = arguments.parse_address(sys.argv[1:]).target
        arguments.add_arguments(parser, stores, target, self._defaults)
        self._check_ports(parser)

    def on_init(self, environment: Environment, runner: Runner, **_: Any) -> None:
        """Choose the role of this process, and add the page to Locust's web UI."""
        self._environment = environment
        stats.bucket_response_time = form.round_time  # type: ignore[assignment]
        self._role = self._choose_role(environment, runner)
        gevent.signal_handler(signal.SIGINT, _interrupt, self._role.interrupt_delay_s)
        if environment.web_ui is not None:
            self._add_to_web_ui(environment, environment.web_ui)
        elif not isinstance(runner, WorkerRunner):
            _check_headless_test(environment)
        self._recording.listen(environment)

    def on_start(self, **_: Any) -> None:
        """Start a test."""
        if self._role is not None:
            self._role.start()

    def on_stopping(self, environment: Environment, **_: Any) -> None:
        """Send no more, and give what is in flight the time that users get."""
        if self._role is not None:
            self._role.stop(environment.stop_timeout or 0.0)

    def on_quit(self, exit_code: int, **_: Any) -> None:
        """End with the exit code that was set as the test was stopped; Locust had its by then."""
        code = self._environment.process_exit_code if self._environment is not None else None
        if code is not None and code != exit_code:
            sys.exit(code)

    def _check_ports(self, parser: LocustArgumentParser) -> None:
        """End the process with one line if a port is taken; Locust forks, and has a traceback."""
        if self._are_ports_checked or arguments.needs_no_server(sys.argv[1:]):
            return
        self._are_ports_checked = True  # Locust makes parsers later on too
        reason = port_conflict(parser.parse_known_args(sys.argv[1:])[0])
        if reason is not None:
            _exit(reason)

    def _choose_role(self, environment: Environment, runner: Runner) -> Role:
        if isinstance(runner, WorkerRunner):
            return WorkerRole(self._user_classes, environment, self._recording, runner)
        role = MasterRole if isinstance(runner, MasterRunner) else LocalRole
        options = environment.parsed_options
        assert options is not None
        return role(self._user_classes, environment, self._recording, runner, options)

    def _add_to_web_ui(self, environment: Environment, web_ui: WebUI) -> None:
        form.attach(environment, web_ui)
        LiveApi(environment, self._recording).attach(web_ui)
        Page(environment, web_ui, self._recording.window, self._controller).attach()

    def _controller(self) -> LoadController | None:
        return None if self._role is None else self._role.controller


def _exit(reason: str) -> None:
    """End the process with one line that says why."""
    print(reason, file=sys.stderr)
    sys.exit(ExitCode.SETUP)


def _interrupt(delay_s: float) -> None:
    """End by Ctrl-C through the main greenlet; Python would interrupt a user, with a traceback."""
    gevent.sleep(delay_s)
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def _check_headless_test(environment: Environment) -> None:
    """End the process with one line if a headless test cannot start."""
    options = environment.parsed_options
    if options is None or not options.headless:
        return
    try:
        admit(options, options.num_users)
    except REFUSALS as error:
        _exit(str(error))
