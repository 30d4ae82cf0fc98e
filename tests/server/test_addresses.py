"""Every form of an address is understood as it was meant, or refused; no password is printed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.addresses import AddressError, host_port, read_folder, without_password
from server.api.enums import Durability
from server.engines._memcached import URL_FORM as MEMCACHED
from server.engines._mongo import URL_FORM as MONGO
from server.engines._mysql import URL_FORM as MYSQL
from server.engines._postgres import URL_FORM as POSTGRES
from server.engines.elasticsearch import URL_FORM as ELASTICSEARCH
from server.engines.redis import URL_FORM as REDIS
from server.engines.rethinkdb import URL_FORM as RETHINKDB
from server.settings import Settings
from server.stores import Stores
from tests.databases import ENGINES, engine_services
from tests.server.conftest import serving

FORMS = {
    "elasticsearch": ELASTICSEARCH,
    "memcached": MEMCACHED,
    "mongo": MONGO,
    "mysql": MYSQL,
    "postgres": POSTGRES,
    "redis": REDIS,
    "rethinkdb": RETHINKDB,
}
WITH_ACCOUNT = {name: form for name, form in FORMS.items() if form.has_account}

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
HOSTS = st.one_of(
    NAMES,
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
    st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number))),
)
PORTS = st.integers(1, 65535)
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)


@given(name=st.sampled_from(sorted(FORMS)), host=HOSTS, port=PORTS)
def test_an_address_without_a_scheme_is_that_host_and_port(name: str, host: str, port: int) -> None:
    for text in (host_port(host, port), f" {host_port(host, port)}\n"):
        url = FORMS[name].read(text)
        assert (url.host, url.port) == (host, port)
        assert url.scheme == next(iter(FORMS[name].schemes.values()))


@given(
    name=st.sampled_from(sorted(WITH_ACCOUNT)),
    host=HOSTS,
    port=PORTS,
    username=SECRETS,
    password=SECRETS,
)
def test_accounts_are_read_as_written_and_passed_on_encoded(
    name: str, host: str, port: int, username: str, password: str
) -> None:
    form = FORMS[name]
    account = f"{quote(username, safe='')}:{quote(password, safe='')}"
    url = form.read(f"{next(iter(form.schemes))}://{account}@{host_port(host, port)}")
    assert (url.username, url.password, url.host, url.port) == (username, password, host, port)
    assert form.read(url.text()) == url
    assert form.read(str(url)).password == "***"


@given(host=HOSTS, port=PORTS, username=SECRETS, password=SECRETS)
def test_the_drivers_read_what_we_have_read(
    host: str, port: int, username: str, password: str
) -> None:
    account = f"{quote(username, safe='')}:{quote(password, safe='')}@{host_port(host, port)}"
    expected = (username, password, host, str(port))
    conninfo = pytest.importorskip("psycopg.conninfo")
    facts = conninfo.conninfo_to_dict(POSTGRES.normalize(f"{account}/d"))
    assert tuple(facts[key] for key in ("user", "password", "host", "port")) == expected
    redis_connection = pytest.importorskip("redis.connection")
    facts = redis_connection.parse_url(REDIS.normalize(f"valkey://{account}/3"))
    assert tuple(str(facts[key]) for key in ("username", "password", "host", "port")) == expected
    assert facts["db"] == 3
    uri_parser = pytest.importorskip("pymongo.uri_parser")
    facts = uri_parser.parse_uri(MONGO.normalize(f"{account}/d?tls=false"))
    assert (facts["username"], facts["password"]) == expected[:2]
    assert facts["nodelist"] == [(host.lower(), port)]
    client_utils = pytest.importorskip("elastic_transport.client_utils")
    node = client_utils.url_to_node_config(ELASTICSEARCH.normalize(account))
    assert (node.host, node.port) == (host, port)
    authorization = client_utils.basic_auth_to_header((username, password))
    assert node.headers["authorization"] == authorization


@given(
    name=st.sampled_from(sorted(FORMS)),
    text=st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(["redis", "h", ":", "/", "?", "#", "@", "[", "]", "%", "=", "1", "//"])
        ).map("".join),
    ),
)
@example("redis", "valkey://")
@example("postgres", "[::1")
@example("mongo", "a:1,")
@example("redis", "redis://h/abc")
@example("redis", "redis://h/%ff")
@example("postgres", "postgresql:///d")
@example("postgres", "postgresql://u:12/3@h/d")
@example("postgres", "h/d?sslmode")
def test_whatever_else_is_refused_with_a_reason(name: str, text: str) -> None:
    form = FORMS[name]
    with contextlib.suppress(AddressError):
        url = form.read(text)
        assert url.hosts
        assert FORMS[name].read(url.text()) == url


@given(
    name=st.sampled_from(sorted(FORMS)),
    host=st.sampled_from(["h", "h:abc", "[::1", "::1", "h:99999", "", "h/%ff", "h?x=y", "h/a/b"]),
    raw=st.sampled_from([f"{lead}hunter2xyz{end}" for lead in ("", "/", "a?") for end in "a/#@"]),
    scheme=st.sampled_from(["", "redis://", "mysql+pymysql://", "x:hunter2xyz://"]),
)
def test_no_error_and_no_printed_address_has_the_password(
    name: str, host: str, raw: str, scheme: str
) -> None:
    text = f"{scheme}me:{raw}@{host}"
    assert "hunter2xyz" not in without_password(f"me:{raw}@{host}")
    try:
        shown = str(FORMS[name].read(text))
    except AddressError as error:
        shown = str(error)
    assert "hunter2xyz" not in shown


REFUSED = {
    "POSTGRES": "postgresql+psycopg2://u:hunter2xyz@h/d",
    "POSTGRES_SAFE": "postgresql://h/d?charset=utf8",
    "POSTGRES_FAST": "postgresql://u:12/3hunter2xyz@h",
    "MYSQL": "h/d?charset=latin1",
    "MEMCACHED": "127.0.0.1:abc",
    "REDIS": "valkey://",
    "REDIS_SAFE": "redis://h/abc",
    "MONGO": "mongodb://h/?w=0",
    "ELASTICSEARCH": "http://127.0.0.1",
    "RETHINKDB": "::1",
    "SQLITE": "sqlite:",
    "POSTGRE": "postgresql://h",
    "REDIS_SAVE": "redis://h",
}


@pytest.mark.parametrize("key", REFUSED)
def test_the_variable_at_fault_is_named(key: str) -> None:
    settings = Settings(addresses={key: REFUSED[key]})
    with pytest.raises(AddressError) as caught:
        Stores(ENGINES.values(), settings)
    assert str(caught.value).startswith(f"WINDTUNNEL_{key}_URL: ")
    assert "hunter2xyz" not in str(caught.value)


def test_a_server_does_not_start_and_loads_nothing() -> None:
    variable = {"WINDTUNNEL_MEMCACHED_URL": "memcached://me:hunter2xyz@h"}
    with pytest.raises(AssertionError) as caught, serving(**variable):
        pass
    assert "server: WINDTUNNEL_MEMCACHED_URL: it has a user" in str(caught.value)
    assert "hunter2xyz" not in str(caught.value)


def test_reading_addresses_imports_no_driver() -> None:
    program = (
        "import sys; from server.settings import Settings; from server.stores import Stores;"
        "from server.engines import discover;"
        "Stores(discover().values(), Settings(addresses={'REDIS': 'h:1'}));"
        "print(*sorted(m.partition('.')[0] for m in sys.modules))"
    )
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    drivers = {"redis", "pymongo", "asyncpg", "psycopg", "psycopg2", "pymysql", "elasticsearch"}
    assert not drivers & set(modules)


def test_every_own_address_is_understood() -> None:
    for service in engine_services().values():
        for address in service.addresses.values():
            assert service.read_address(address) == service.read_address(
                service.read_address(address)
            )
            if service.name in FORMS:
                assert FORMS[service.name].read(address).port


FOLDERS: Mapping[str, str | None] = {
    "sqlite:////x/y": "/x/y",
    "sqlite:///x": "x",
    " /x/y\n": "/x/y",
    "data/with#hash": "data/with#hash",
    "sqlite:///a%20b": "a b",
    "sqlite://x": None,
    "sqlite:///": None,
    "sqlite:///:memory:": None,
    "sqlite+aiosqlite:///x": None,
    "file:///x": None,
}


@pytest.mark.parametrize("text", FOLDERS)
def test_folders(text: str) -> None:
    folder = FOLDERS[text]
    if folder is None:
        with pytest.raises(AddressError):
            read_folder(text)
    else:
        assert read_folder(text) == folder
        store = Stores(ENGINES.values(), Settings(addresses={"SQLITE": text}))
        assert store[f"sqlite/async/{Durability.FAST}"].address == folder


def test_a_server_on_ipv6_prints_an_address_that_can_be_used() -> None:
    assert Settings(host="::1", port=10001).url == "http://[::1]:10001"
