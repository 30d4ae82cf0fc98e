"""The three modes, how a call to a database is waited for: on the loop, in a thread, natively.

blocking = `drive` on the loop's thread; threads = `drive` in an executor; async = `adrive`.
"""

from server.api.enums import Mode
from server.stores.modes.async_ import AsyncExecutor
from server.stores.modes.base import (
    CallTimes,
    OperationExecutor,
    adrive,
    drive,
    translate_error,
)
from server.stores.modes.blocking import BlockingExecutor
from server.stores.modes.threads import ThreadExecutor

__all__ = ["EXECUTORS", "CallTimes", "OperationExecutor", "adrive", "drive", "translate_error"]

EXECUTORS: dict[Mode, type[OperationExecutor]] = {
    Mode.BLOCKING: BlockingExecutor,
    Mode.THREADS: ThreadExecutor,
    Mode.ASYNC: AsyncExecutor,
}
