"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import re
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType

from server.api.record import encode
from server.errors import Problem


class ProblemDetails(Struct, gc=False):
    """RFC 9457: what went wrong, and in which part of the request."""

    type: str
    title: str
    status: int
    detail: str
    field: str | UnsetType = UNSET


def problem_details(error: Problem, status: int) -> bytes:
    """Return the JSON of an error."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__)
    if type(error) is Problem:
        name = HTTPStatus(status).phrase
    return encode(
        ProblemDetails(
            type=f"urn:windtunnel:problem:{name.lower().replace(' ', '-')}",
            title=name.capitalize(),
            status=status,
            detail=error.detail,
            field=UNSET if error.field is None else error.field,
        )
    )
