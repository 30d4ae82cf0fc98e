"""The errors that an answer can carry, each with its HTTP status.

Problem                     500
├── BadRequest              400  not what the route accepts (bad JSON, bad id)
├── Forbidden           403  another site's page asks, or under a name that is not ours
├── NotFound                404  no such record, store or route
├── MethodNotAllowed        405
├── TooLarge                413
├── WrongMediaType          415
├── Invalid                 422  understood, but a field is wrong; names the field
├── NotOffered              501  this engine cannot do that; says why
└── Unavailable             503  the database is down, refuses, or closed the connection
    ├── DeadlineExceeded    503  it did not answer in time
    └── Busy                503  every connection was in use until the deadline; Retry-After
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """An error that is answered as RFC 9457 problem details.

    `detail` is one sentence for a person; `field` names the part of the request at fault.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field

    @property
    def retry_after(self) -> int | None:
        """Seconds after which to try again, or None."""
        return None


class BadRequest(Problem):
    """The request is not what the route accepts."""

    status = HTTPStatus.BAD_REQUEST


class Forbidden(Problem):
    """The request comes from another site's page, or under a host name that is not ours."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    """There is no such record, store or route."""

    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(Problem):
    """The route exists, without that method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED


class TooLarge(Problem):
    """The body is larger than the route accepts."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class WrongMediaType(Problem):
    """The body's Content-Type is not JSON."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Invalid(Problem):
    """The body is well formed, and a field of it is wrong."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotOffered(Problem):
    """The engine cannot do the operation."""

    status = HTTPStatus.NOT_IMPLEMENTED


class Unavailable(Problem):
    """The database is down, refuses, or closed the connection."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class DeadlineExceeded(Unavailable):
    """The database did not answer in time."""


class Busy(Unavailable):
    """Every connection was in use until the deadline."""

    @property
    def retry_after(self) -> int:
        """One second: the queue is bounded by the deadline, which is of that order."""
        return 1
