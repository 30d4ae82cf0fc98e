"""The three ways to wait for an engine's operation: on the loop, in a thread, natively.

blocking = `drive` on the loop's thread; threads = `drive` in an executor; async = `adrive`.
"""

from server.api.enums import Mode
from server.modes.base import Times, Waiting, adrive, drive, translated
from server.modes.blocking import Blocking
from server.modes.native import Async
from server.modes.threads import Threads

__all__ = ["WAYS", "Times", "Waiting", "adrive", "drive", "translated"]

WAYS: dict[Mode, type[Waiting]] = {
    Mode.BLOCKING: Blocking,
    Mode.THREADS: Threads,
    Mode.ASYNC: Async,
}
