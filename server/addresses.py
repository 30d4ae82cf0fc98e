"""Reads the addresses of databases: a URL of every form is understood, or refused with a reason.

One reader for the server and for what starts it, so that no driver guesses at what it does not
understand (a default port, a database without a number, a parameter that it drops).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

HIGHEST_PORT = 65535

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")

Parameters = Mapping[str, "frozenset[str] | None"]
"""A query's parameters, each with the values that it may have; None for any."""


class AddressError(ValueError):
    """An address that cannot be used. Its text has the reason, and never a password."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """An address in its parts, every one unquoted; each of the hosts has its port."""

    scheme: str
    hosts: tuple[tuple[str, int | None], ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The first host, an IPv6 address without brackets."""
        return self.hosts[0][0]

    @property
    def port(self) -> int:
        """The first host's port."""
        return self.hosts[0][1] or 0

    def text(self) -> str:
        """Return the URL for a driver, password and all."""
        secret = None if self.password is None else quote(self.password, safe="")
        return self._text(secret)

    def __str__(self) -> str:
        return self._text(None if self.password is None else "***")

    def _text(self, secret: str | None) -> str:
        account = "" if self.username is None else quote(self.username, safe="")
        if secret is not None:
            account += f":{secret}"
        at = f"{account}@" if account else ""
        hosts = ",".join(host_port(*host) for host in self.hosts)
        path = f"/{quote(self.path, safe='/')}" if self.path else ""
        if self.parameters:
            path = f"{path or '/'}?{urlencode(self.parameters, quote_via=quote, safe='/')}"
        return f"{self.scheme}://{at}{hosts}{path}"


def host_port(host: str, port: int | None) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


@dataclass(frozen=True, slots=True)
class UrlForm:
    """What a service's address may have.

    `schemes` maps those that are understood to what the driver is given; the first one is taken
    for an address without a scheme. Without a `default_port` the address has to name one. `path`
    is a pattern of the text behind the host; it may be left out.
    """

    schemes: Mapping[str, str]
    default_port: int | None
    path: str = ""
    has_account: bool = True
    has_many_hosts: bool = False
    parameters: Parameters = field(default_factory=dict)

    def normalize(self, text: str) -> str:
        """Return an address as every driver understands it; raises AddressError."""
        return self.read(text).text()

    def read(self, text: str) -> ServiceUrl:
        """Return the parts of an address; raises AddressError."""
        text = text.strip()
        if _CONTROL.search(text):
            raise AddressError("it has a blank or a control character: write it percent-encoded")
        scheme, rest = self._scheme(text)
        rest, hash_, _ = rest.partition("#")
        if hash_:
            raise AddressError("it has a '#': in a password write it as %23")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        account, at, hosts = authority.rpartition("@")
        username, colon, password = account.partition(":")
        if at and not self.has_account:
            raise AddressError("it has a user or password, and the service knows none")
        if "@" in path or "@" in query:  # the rest of a password, as a rule
            raise AddressError("it has an '@' behind the host; in a password write / ? # @ encoded")
        path = _unquoted(path)
        if not re.fullmatch(f"(?:{self.path})?", path):
            raise AddressError(f"what stands behind the host should be {self._path_name()}")
        return ServiceUrl(
            self.schemes[scheme],
            self._hosts(hosts, scheme.endswith("+srv")),
            _unquoted(username) or None,
            _unquoted(password) if colon else None,
            path,
            self._parameters(query),
        )

    def _scheme(self, text: str) -> tuple[str, str]:
        match = _SCHEME.match(text)
        if match is None:
            if "://" in text.partition("@")[0]:
                raise AddressError("what stands before :// is no scheme")
            return next(iter(self.schemes)), text
        scheme = match[1].lower()
        if scheme in self.schemes:
            return scheme, text[match.end() :]
        known = " or ".join(f"{scheme}://" for scheme in self.schemes)
        plus = "; the store chooses the driver" if "+" in scheme else ""
        raise AddressError(f"it should begin with {known}, not {scheme}://{plus}")

    def _path_name(self) -> str:
        if not self.path:
            return "nothing"
        return "a number" if self.path == r"\d{1,4}" else "one name"

    def _hosts(self, text: str, is_srv: bool) -> tuple[tuple[str, int | None], ...]:
        names = text.split(",")
        if len(names) > 1 and (is_srv or not self.has_many_hosts):
            raise AddressError("it should have one host")
        return tuple(self._host(name, is_srv) for name in names)

    def _host(self, text: str, is_srv: bool) -> tuple[str, int | None]:
        name, port = _split_host(text)
        if is_srv and port is not None:
            raise AddressError("a port does not go with +srv")
        if port is None and not is_srv:
            if self.default_port is None:
                raise AddressError("it has no port: write one, as in host:9200")
            return name, self.default_port
        return name, port

    def _parameters(self, query: str) -> dict[str, str]:
        try:
            pairs = parse_qsl(query, True, True, errors="strict") if query else []
        except ValueError:
            raise AddressError("its query is not name=value&...") from None
        parameters = dict(pairs)
        if len(parameters) < len(pairs):
            raise AddressError("its query has a parameter twice")
        for name, value in parameters.items():
            self._check_parameter(name, value)
        return parameters

    def _check_parameter(self, name: str, value: str) -> None:
        if name not in self.parameters:
            offer = f"only {', '.join(self.parameters)}" if self.parameters else "none"
            shown = name if _NAME.fullmatch(name) else "that name"
            raise AddressError(f"its query may not have {shown}, {offer}")
        values = self.parameters[name]
        if not value or (values is not None and value not in values):
            offer = f"one of {', '.join(sorted(values))}" if values else "not empty"
            raise AddressError(f"{name} in its query should be {offer}")


def _split_host(text: str) -> tuple[str, int | None]:
    """Return host and port; nothing of `text` is quoted in an error, it may be of a password."""
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        if not bracket or not _is_ipv6(name) or (rest and not rest.startswith(":")):
            raise AddressError("what stands in brackets should be an IPv6 address, then :port")
    else:
        name, colon, port = text.partition(":")
        rest = f"{colon}{port}"
        if ":" in port:
            raise AddressError("an IPv6 address stands in brackets, as in [::1]:5432")
        if not name:
            raise AddressError("it has no host")
        if not _NAME.fullmatch(name):
            raise AddressError(
                "its host is no name or IP address; in a password write / ? # @ percent-encoded"
            )
    return name, _port(rest[1:]) if rest else None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= HIGHEST_PORT):
        raise AddressError(
            f"its port is no number from 1 to {HIGHEST_PORT}; "
            "in a password write / ? # @ percent-encoded"
        )
    return int(text)


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address

    try:
        return IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _unquoted(text: str) -> str:
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise AddressError("it has percent-encoded bytes that are no UTF-8") from None
    if "\0" in plain:
        raise AddressError("it has a zero byte")
    return plain


def without_password(text: str) -> str:
    """Return an address of any form as it may be printed: without what may be a password."""
    scheme, separator, rest = text.strip().rpartition("://")
    account, at, rest = rest.rpartition("@")
    rest = rest.partition("?")[0]
    user = account.partition(":")[0]
    hidden = f"{user}:***@" if ":" in account else f"{user}@" if at else ""
    return f"{scheme}{separator}{hidden}{rest}"


def read_folder(text: str) -> str:
    """Return the folder of `sqlite:///folder`, `sqlite:////folder` or a plain path.

    Raises AddressError. As in SQLAlchemy, a path behind three slashes is relative.
    """
    text = text.strip()
    if text.lower().startswith("sqlite:"):
        if not text.lower().startswith("sqlite:///"):
            raise AddressError("it should be a folder, or sqlite:/// and a folder")
        text = text[len("sqlite:///") :]
        if "?" in text or "#" in text:
            raise AddressError("it has a query, and a folder has none")
        text = _unquoted(text)
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        raise AddressError("it should be a folder, or sqlite:/// and a folder")
    if not text or text == ":memory:" or "\0" in text:
        raise AddressError("it should be a folder")
    return text
