"""The description of the API: well-formed, complete, and what the node really answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from slowlight.node.event_views import EVENTS
from slowlight.node.openapi import described, description
from slowlight.node.operations import OPERATIONS
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.service import Service
from tests.json_schema import complaints, misfits, references, resolved
from tests.nodes import RecordedLinks, make_home, raw_answer, served, service_of
from tests.people import Person
from tests.stores import take

DOCUMENT: Final = json.loads(description())
METHODS: Final = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of everything that can be asked."""
    for path, item in DOCUMENT["paths"].items():
        for method, each in item.items():
            yield path, method, each


def test_it_is_openapi_3_1() -> None:
    """The fixed fields of the specification, sections 4.8.1 to 4.8.16."""
    assert DOCUMENT.keys() == {"openapi", "info", "servers", "paths", "components"}
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"].keys() == {"title", "version", "description"}
    for path, method, each in operations():
        assert path.startswith("/")
        assert method in METHODS
        assert each.keys() <= {
            "operationId",
            "summary",
            "description",
            "parameters",
            "requestBody",
            "responses",
        }
        assert each["responses"]
        for status, answer in each["responses"].items():
            assert status == "default" or (status.isdecimal() and len(status) == 3)
            assert "$ref" in answer or answer["description"]
        for parameter in each.get("parameters", ()):
            assert parameter.keys() >= {"name", "in", "schema"}
            assert parameter["in"] in ("query", "header", "path", "cookie")


def test_every_operation_has_a_name_of_its_own() -> None:
    """Programs that are made of the description call it so."""
    names = [each["operationId"] for _, _, each in operations()]
    assert len(names) == len(set(names))


def test_everything_that_can_be_asked_is_described() -> None:
    """And nothing else."""
    own = {f"/v1/{name}" for name in OPERATIONS}
    assert set(DOCUMENT["paths"]) == own | {"/v1/events", "/v1/openapi.json"}
    for _, _, each in operations():
        assert each["summary"]


def test_every_schema_is_one() -> None:
    """Of JSON Schema 2020-12, with the keywords that we know."""
    schemas = DOCUMENT["components"]["schemas"]
    assert [each for name, schema in schemas.items() for each in complaints(schema, name)] == []


def test_every_reference_leads_somewhere_and_everything_is_led_to() -> None:
    """What nobody names is a leftover."""
    named = set(references(DOCUMENT))
    for reference in named:
        assert resolved(DOCUMENT, reference)
    components = {
        f"#/components/{kind}/{name}"
        for kind, each in DOCUMENT["components"].items()
        for name in each
    }
    assert components - named == set()


def test_fields_say_what_they_mean() -> None:
    """In the words that stand below them in the source."""
    fields = DOCUMENT["components"]["schemas"]["HolderView"]["properties"]
    assert "not of which of its devices" in fields["device"]["description"]
    assert DOCUMENT["components"]["schemas"]["TraceRequest"]["description"] == "Where is an entry?"


def test_it_is_the_same_each_time() -> None:
    """Whoever compares two versions sees only what has changed."""
    assert msgspec.json.encode(described()) == description()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Ada's node, which holds posts of Bob, who answers her."""
    made = make_home(tmp_path / "ada", 1, "Ada")
    made_service = service_of(made, RecordedLinks())
    bob = Person(2)
    bob.profile("Bob")
    bob.posts(3)
    runs = [run for channel in bob.logs for run in bob.runs(channel)]
    take(made.store, bob.verified_ident(), *runs, received_ms=bob.now_ms + 1)
    made_service.call(FOLLOW, FollowRequest(who=(bob.identity.hex(),)))
    return made_service


def ask(path: Path, name: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Return status and answer of one operation."""
    data = json.dumps(body).encode()
    head = f"POST /v1/{name} HTTP/1.0\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    answer = raw_answer(path, head.encode() + data)
    return int(answer.split()[1]), json.loads(answer.partition(b"\r\n\r\n")[2].splitlines()[-1])


ASKED: Final[dict[str, dict[str, Any]]] = {
    "status": {"top": 5},
    "post": {"text": "Light.", "tags": ["mars"], "expire_ms": 86_400_000},
    "read": {"scope": "all"},
    "search": {"query": "light"},
    "follows": {},
    "profile": {},
    "peers": {},
    "invite": {},
    "db_stats": {},
    "forks": {},
    "devices": {},
    "blocks": {},
}


def test_what_comes_is_as_described(service: Service, tmp_path: Path) -> None:
    """Requests, answers and refusals of a real node fit their schemas."""
    with served(service, tmp_path / "s"):
        for name, body in ASKED.items():
            described_so = DOCUMENT["paths"][f"/v1/{name}"]["post"]
            asked = described_so["requestBody"]["content"]["application/json"]["schema"]
            told = described_so["responses"]["200"]["content"]["application/json"]["schema"]
            assert misfits(DOCUMENT, asked, body) == [], name
            status, answer = ask(tmp_path / "s", name, body)
            assert status == 200, (name, answer)
            assert misfits(DOCUMENT, told, answer) == [], name
        post = ask(tmp_path / "s", "read", {"scope": "all"})[1]["posts"][0]
        for name in ("show", "trace", "thread"):
            told = DOCUMENT["paths"][f"/v1/{name}"]["post"]["responses"]["200"]
            schema = told["content"]["application/json"]["schema"]
            assert misfits(DOCUMENT, schema, ask(tmp_path / "s", name, {"id": post["id"]})[1]) == []
        status, refusal = ask(tmp_path / "s", "show", {"id": "zzzz"})
        error = DOCUMENT["components"]["responses"][str(status)]
        assert misfits(DOCUMENT, error["content"]["application/json"]["schema"], refusal) == []
        status, last_line = ask(tmp_path / "s", "sync", {})
        lines = DOCUMENT["paths"]["/v1/sync"]["post"]["responses"]["200"]["content"]
        assert misfits(DOCUMENT, lines["application/jsonl"]["schema"], last_line) == []


def test_what_is_not_as_described_is_found() -> None:
    """The judge of these tests sees wrong types, values, ranges, and fields too few or too many."""
    asked = {"$ref": "#/components/schemas/ReadRequest"}
    assert misfits(DOCUMENT, asked, {"scope": "all", "limit": 50}) == []
    several: list[dict[str, Any]] = [{"scope": "some"}, {"limit": 0}, {"limit": 501}]
    for wrong in [*several, {"limit": "5"}, {"lmit": 5}]:
        assert misfits(DOCUMENT, asked, wrong) != [], wrong
    assert misfits(DOCUMENT, {"$ref": "#/components/schemas/TraceRequest"}, {}) != []
    assert complaints({"type": "objekt", "propreties": {}}, "x") != []


def test_a_node_serves_its_description(service: Service, tmp_path: Path) -> None:
    """As JSON, to whoever asks for it by GET."""
    with served(service, tmp_path / "s"):
        answer = raw_answer(tmp_path / "s", b"GET /v1/openapi.json HTTP/1.0\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"200" in head.splitlines()[0]
    assert b"content-type: application/json" in head.lower()
    assert body == description()


def test_every_event_is_described() -> None:
    """With what its data holds."""
    answer = DOCUMENT["paths"]["/v1/events"]["get"]["responses"]["200"]
    told = answer["content"]["text/event-stream"]["x-event-data"]
    assert told.keys() == EVENTS.keys()
