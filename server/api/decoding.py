"""Request bodies: from bytes to drafts and changes, or a Problem that names the field at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from server.errors import BadRequest, Invalid, Problem

T = TypeVar("T")
Decode = Callable[[bytes], T]

TOO_FINE = re.compile(rb"\d:\d\d\.\d{7}")
"""Seconds with a seventh decimal: the decoder would cut them off in silence."""

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_QUOTED = re.compile(r"`([^`]*)`")
_NAMES_FIELD = re.compile(r"^(Object |`)")


def decoded(body: bytes, decode: Decode[T]) -> T:
    """Return what `decode` makes of `body`.

    Raises BadRequest where it is no JSON, Invalid where a field is wrong. A number that JSON
    does not know (NaN, Infinity) and text that is no Unicode are wrong fields, not bad JSON.
    """
    if TOO_FINE.search(body):
        _refuse_finer_dates(body)
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, error) from None


def invalid(error: msgspec.ValidationError) -> Invalid:
    """Return the decoder's complaint as a Problem with the field, as in `tags[3]`."""
    text = str(error)
    found = _PATH.search(text)
    path = found[1] if found else ""
    message = text[: found.start()] if found else text
    if _NAMES_FIELD.match(message) and (quoted := _QUOTED.search(message)):
        name = quoted[1] if "`object`" not in message else ""
        path = f"{path}.{name}".strip(".")
    return Invalid(f"{path}: {message}" if path else message, path or None)


def _malformed(body: bytes, error: Exception) -> Problem:
    for field, value in _odd_values(body):
        return Invalid(f"{field}: {value}", field or None)
    if not body:
        return BadRequest("the body is empty; it should be JSON")
    return BadRequest(f"the body is not JSON: {error}")


class _NoNumber:
    """Stands where a document has NaN or Infinity."""

    def __init__(self, text: str) -> None:
        self.text = text


def _odd_values(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield field and complaint for what Python's lenient parser takes and JSON does not."""
    try:
        text = body.decode("utf-8", "surrogateescape")
        document = json.loads(text, parse_constant=_NoNumber, strict=False)
    except (ValueError, RecursionError):
        return
    for field, value in _walk(document, ""):
        if isinstance(value, _NoNumber):
            yield field, f"{value.text} is not a number that JSON knows"
        elif isinstance(value, str) and not _encodes(value):
            yield field, "holds half of a surrogate pair, or bytes that are not UTF-8"
        elif isinstance(value, str) and re.search(r"[\x00-\x1f]", value):
            yield field, "holds a control character that is not escaped"


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
    else:
        yield path, value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_finer_dates(body: bytes) -> None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for field, value in _walk(document, ""):
        if field.endswith("when") and isinstance(value, str) and TOO_FINE.search(value.encode()):
            raise Invalid(f"{field}: `when` is finer than a millisecond", field)
