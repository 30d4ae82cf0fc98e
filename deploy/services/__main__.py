"""`python -m deploy.services up [NAME...]`: databases in the foreground, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from deploy.services import Workspace, obtain_all, prepare_all, services
from deploy.services.child_processes import run_all


def main(arguments: list[str]) -> int:
    """Start the named services (none: all) on the default ports; returns 2 for wrong usage."""
    names = arguments[1:] or list(services())
    unknown = set(names) - set(services())
    if arguments[:1] != ["up"] or unknown:
        print(f"usage: python -m deploy.services up [{'|'.join(services())}]...", file=sys.stderr)
        return 2
    workspace = Workspace(Path(".run"))
    programs, missing = obtain_all(workspace, names, print)
    instances, unprepared = prepare_all(workspace, programs)
    for name, reason in {**missing, **unprepared}.items():
        print(f"{name}: missing: {reason}")
    try:
        with run_all(instances, workspace.log):
            print("ready:", *(f"{i.name}:{i.port}" for i in instances), flush=True)
            signal.pause()
    except (ChildProcessError, TimeoutError) as error:
        print(f"{error}: see {workspace.log}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
