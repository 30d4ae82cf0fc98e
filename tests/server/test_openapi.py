"""The OpenAPI document is valid, and what is really answered is what it says."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from server.handlers.base import Handler
from server.handlers.records import RecordHandler, RecordsHandler, SummaryHandler
from server.routes import PLAIN
from tests.server.conftest import DRAFT, MEMORY, Server, ServerResponse

RECORDS = "/{engine}/{mode}/{durability}/records"


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return server.call("GET", "/openapi.json").json


def test_it_is_valid(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document, cls=OpenAPIV31SpecValidator)


def test_it_has_the_engines_of_the_server(server: Server, document: Any) -> None:
    stores = server.call("GET", "/stores").json["stores"]
    engines = document["components"]["parameters"]["engine"]["schema"]["enum"]
    assert set(engines) == {store["engine"] for store in stores}


def schema(document: Any, path: str, verb: str, answer: ServerResponse) -> Validator:
    """Return what the document says of an answer, with its references resolvable."""
    response = document["paths"][path][verb]["responses"][str(answer.status)]
    if "$ref" in response:
        response = document["components"]["responses"][str(answer.status)]
    content = response["content"][answer.headers["Content-Type"]]
    return Draft202012Validator(
        {"$ref": content["schema"]["$ref"], "components": document["components"]}
    )


def check(document: Any, path: str, verb: str, answer: ServerResponse) -> None:
    for header in ("X-Request-Id", "X-Process", "X-Pool", "Server-Timing"):
        assert answer.headers[header]
    validator = schema(document, path, verb, answer)
    assert not list(validator.iter_errors(answer.json))


@pytest.mark.parametrize("lead", ["", "/slow"])
def test_the_answers_of_a_store_match(server: Server, document: Any, lead: str) -> None:
    record_path, summary = f"{RECORDS}/{{id}}", RECORDS.replace("records", "summary")
    creation = server.call("POST", f"{lead}{MEMORY}/records", DRAFT)
    place = creation.headers["Location"]
    requests: list[tuple[str, str, str, Any, int]] = [
        (RECORDS, "get", f"{lead}{MEMORY}/records", None, 200),
        (RECORDS, "get", f"{lead}{MEMORY}/records?limit=x", None, 422),
        (RECORDS, "post", f"{lead}{MEMORY}/records", {}, 422),
        (RECORDS, "post", f"{lead}{MEMORY}/records", b"{", 400),
        (RECORDS, "post", f"{lead}{MEMORY}/records", b" " * (3 << 20), 413),
        (record_path, "get", place, None, 200),
        (record_path, "get", f"{place[:-1]}", None, 400),
        (record_path, "put", place, DRAFT, 200),
        (record_path, "patch", place, {"duration": 2}, 200),
        (record_path, "delete", f"{lead}{MEMORY}/records/{'0' * 24}", None, 404),
        (summary, "put", f"{lead}{MEMORY}/summary", {"size": 60}, 200),
        (summary, "get", f"{lead}{MEMORY}/summary", None, 200),
        (summary, "get", f"{lead}/line/async/volatile/summary", None, 501),
        (record_path, "get", f"{lead}/line/async/volatile/records/{'0' * 24}", None, 503),
        (RECORDS, "put", f"{lead}{MEMORY}/records", [DRAFT, DRAFT], 200),
    ]
    check(document, lead + RECORDS, "post", creation)
    for path, verb, url, body, status in requests:
        answer = server.call(verb.upper(), url, body)
        assert answer.status == status, answer.body
        check(document, lead + path, verb, answer)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/stores", "/loop"])
def test_the_answers_about_the_server_match(server: Server, document: Any, path: str) -> None:
    check(document, path, "get", server.call("GET", path))


@pytest.mark.parametrize("lead", ["", "/slow"])
def test_the_answers_of_sleep_match(server: Server, document: Any, lead: str) -> None:
    for query, status in (("?ms=1&mode=async", 200), ("?ms=0", 422)):
        answer = server.call("GET", f"{lead}/sleep{query}")
        assert answer.status == status
        check(document, f"{lead}/sleep", "get", answer)


def test_what_the_document_refuses_is_refused(server: Server, document: Any) -> None:
    """The schema of a draft and the server agree on what is wrong."""
    validator = Draft202012Validator(
        {"$ref": "#/components/schemas/Draft", "components": document["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    assert validator.is_valid(DRAFT)
    for change in ({"topic": 1}, {"tags": "a"}, {"topic": "x" * 10_001}, {"x": 1}, {"tags": [1]}):
        draft = {**DRAFT, **change}
        assert not validator.is_valid(draft)
        assert server.call("POST", f"{MEMORY}/records", draft).status == 422


@pytest.mark.parametrize("lead", ["", "/slow"])
def test_it_has_every_route_with_its_verbs(document: Any, lead: str) -> None:
    routes: dict[str, type[Handler]] = {
        **({} if lead else PLAIN),
        lead + RECORDS: RecordsHandler,
        f"{lead}{RECORDS}/{{id}}": RecordHandler,
        lead + RECORDS.replace("records", "summary"): SummaryHandler,
    }
    for path, handler in routes.items():
        verbs = {verb.upper() for verb in document["paths"][path]} - {"PARAMETERS"}
        assert verbs == set(handler.allowed_methods()) - {"HEAD"}  # a HEAD for each GET
