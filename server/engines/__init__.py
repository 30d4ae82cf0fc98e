"""One file, one engine: a database through one driver, or one sync/async pair of a driver.

What an engine file needs is imported from here, in a folder of the user's own too (see
docs/adding-an-engine.md). It states facts only; drivers are imported when a store opens.
"""

from server.addresses import AddressError, UrlForm
from server.api.enums import Durability, Mode, Operation
from server.api.record import (
    Change,
    Record,
    TagSummary,
    decode,
    encode,
    from_millis,
    new_id,
    summary_rows,
    to_millis,
)
from server.engines._addresses import check_addresses, check_known_addresses
from server.engines.base import Engine, Errors, Op, Opening, Promise, Service
from server.engines.discovery import EngineError, discover
from server.errors import DeadlineExceeded, Invalid, Problem, Unavailable

__all__ = [
    "AddressError",
    "Change",
    "DeadlineExceeded",
    "Durability",
    "Engine",
    "EngineError",
    "Errors",
    "Invalid",
    "Mode",
    "Op",
    "Opening",
    "Operation",
    "Problem",
    "Promise",
    "Record",
    "Service",
    "TagSummary",
    "Unavailable",
    "UrlForm",
    "check_addresses",
    "check_known_addresses",
    "decode",
    "discover",
    "encode",
    "from_millis",
    "new_id",
    "summary_rows",
    "to_millis",
]
