"""Decodes request bodies: to drafts and changes, or a Problem that names the field at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from server.errors import BadRequest, Invalid, Problem

T = TypeVar("T")
Decode = Callable[[bytes], T]

_TOO_FINE = re.compile(rb"\d:\d\d\.\d{7}")
"""Seconds with a seventh decimal: the decoder would cut them off silently."""

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_QUOTED = re.compile(r"`([^`]*)`")
_NAMES_FIELD = re.compile(r"^(Object |`)")


def decode_body(body: bytes, decode: Decode[T]) -> T:
    """Decode `body` with `decode`.

    Raises BadRequest where it is not JSON, Invalid where a field is wrong. A number that JSON
    does not know (NaN, Infinity) and text that is not Unicode are wrong fields, not bad JSON.
    """
    if _TOO_FINE.search(body):
        _refuse_finer_times(body)
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, error) from None


def invalid_field(error: msgspec.ValidationError) -> Invalid:
    """Return the decoder's error as a Problem that names the field, as in `tags[3]`."""
    text = str(error)
    match = _PATH.search(text)
    path = match[1] if match else ""
    message = text[: match.start()] if match else text
    if _NAMES_FIELD.match(message) and (quote := _QUOTED.search(message)):
        name = quote[1] if "`object`" not in message else ""
        path = f"{path}.{name}".strip(".")
    return Invalid(f"{path}: {message}" if path else message, path or None)


def _malformed(body: bytes, error: Exception) -> Problem:
    for field, value in _values_json_forbids(body):
        return Invalid(f"{field}: {value}", field or None)
    if not body:
        return BadRequest("the body is empty; it should be JSON")
    return BadRequest(f"the body is not JSON: {error}")


class _NotANumber:
    """Stands where a document has NaN or Infinity."""

    def __init__(self, text: str) -> None:
        self.text = text


def _values_json_forbids(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield field and reason for each value that Python's parser accepts and JSON does not."""
    try:
        text = body.decode("utf-8", "surrogateescape")
        document = json.loads(text, parse_constant=_NotANumber, strict=False)
    except (ValueError, RecursionError):
        return
    for field, value in _walk(document, ""):
        if isinstance(value, _NotANumber):
            yield field, f"{value.text} is not a number that JSON knows"
        elif isinstance(value, str) and not _is_unicode(value):
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


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_finer_times(body: bytes) -> None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for field, value in _walk(document, ""):
        if field.endswith("when") and isinstance(value, str) and _TOO_FINE.search(value.encode()):
            raise Invalid(f"{field}: `when` is finer than a millisecond", field)
