"""The description of the API for programs: OpenAPI 3.1, made of the table of operations."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final

import msgspec

from .. import __version__
from .event_views import EVENTS
from .operation import SCHEMA, ErrorResult, Operation
from .operations import OPERATIONS
from .peer_operations import SYNC, StreamLine

VERSION: Final = "3.1.0"
_REF: Final = "#/components/schemas/{name}"
_ABOUT: Final = f"""\
Every operation is one POST with a JSON object, and answers with one. "schema" is {SCHEMA}: it rises
when a field is taken away or changes its meaning, not when one is added. Ids are whole and in
lower-case hexadecimal; each has a short form beside it for people, which is never an authority.
Times are Unix milliseconds (..._ms) and RFC 3339 in UTC beside them. Texts from peers stand as they
came: whoever shows them makes them safe.

The API listens on a Unix socket in the home of a node, api.sock, which only its owner can open."""
DESCRIBED_ERRORS: Final = {
    "400": "the request is wrong: no JSON, an unknown field, a value that is not allowed",
    "404": "nothing to do, or not found",
    "409": "the home is in use or locked, something was altered, or a budget is spent",
    "500": "a mistake of the node, or its database failed",
    "502": "no peer could be reached",
}


@cache
def description() -> bytes:
    """Return the description of this version, as JSON."""
    return msgspec.json.encode(described())


def described() -> dict[str, Any]:
    """Return the description of this version."""
    types: set[type] = {
        each for operation in OPERATIONS.values() for each in (operation.request, operation.result)
    } | {ErrorResult, StreamLine, *EVENTS.values()}
    ordered = sorted(types, key=lambda each: each.__name__)
    refs, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    named: dict[type, Any] = dict(zip(ordered, refs, strict=True))
    return {
        "openapi": VERSION,
        "info": {"title": "Slowlight", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "http://localhost", "description": "on the Unix socket api.sock"}],
        "paths": {
            **{f"/v1/{name}": {"post": _post(each, named)} for name, each in OPERATIONS.items()},
            "/v1/events": {"get": _events(named)},
            "/v1/openapi.json": {"get": _self()},
        },
        "components": {"schemas": _with_notes(schemas), "responses": _refusals(named)},
    }


def _post(operation: Operation[Any, Any], named: Mapping[type, Any]) -> dict[str, Any]:
    """Describe one operation."""
    is_stream = operation.name == SYNC.name
    answer: dict[str, Any] = {"application/json": {"schema": named[operation.result]}}
    if is_stream:
        answer = {"application/jsonl": {"schema": named[StreamLine]}}
    about = _words(operation.request)
    return {
        "operationId": operation.name,
        "summary": about.split(". ")[0].split("\n")[0].rstrip("."),
        "description": about,
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": named[operation.request]}},
        },
        "responses": {
            "200": {
                "description": "one line for each step, then the result or the error"
                if is_stream
                else _words(operation.result),
                "content": answer,
            },
            **{status: {"$ref": f"#/components/responses/{status}"} for status in DESCRIBED_ERRORS},
        },
    }


def _events(named: Mapping[type, Any]) -> dict[str, Any]:
    """Describe the event stream."""
    lines = [
        f"{name}: {_words(each).removeprefix(f'``{name}``: ')}" for name, each in EVENTS.items()
    ]
    return {
        "operationId": "events",
        "summary": "What happens in the node, as server-sent events",
        "description": "Each event has a name, and JSON as its data:\n\n" + "\n".join(lines),
        "parameters": [
            _number("Last-Event-ID", "header", "Go on behind this event; wins over `after`."),
            _number("after", "query", "The same, for programs that set no headers."),
        ],
        "responses": {
            "200": {
                "description": "events until one side hangs up",
                "content": {
                    "text/event-stream": {
                        "schema": {"type": "string"},
                        "x-event-data": {name: named[each] for name, each in EVENTS.items()},
                    }
                },
            },
            "400": {"$ref": "#/components/responses/400"},
            "409": {"$ref": "#/components/responses/409"},
        },
    }


def _number(name: str, place: str, about: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": False,
        "description": about,
        "schema": {"type": "integer", "minimum": 0},
    }


def _self() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "This description",
        "responses": {
            "200": {
                "description": "OpenAPI 3.1",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        },
    }


def _refusals(named: Mapping[type, Any]) -> dict[str, Any]:
    return {
        status: {
            "description": about,
            "content": {"application/json": {"schema": named[ErrorResult]}},
        }
        for status, about in DESCRIBED_ERRORS.items()
    }


def _words(described_type: type) -> str:
    """Return what a type says of itself, without the line ends of its source."""
    return " ".join((inspect.getdoc(described_type) or "").split())


def _with_notes(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Add to each field what stands below it in the source."""
    types = {each.__name__: each for each in _all_structs()}
    noted: dict[str, Any] = {}
    for name, schema in schemas.items():
        notes: Mapping[str, str] = _notes(types[name]) if name in types else {}
        properties = {
            field: _with_note(each, notes.get(field, ""))
            for field, each in schema.get("properties", {}).items()
        }
        noted[name] = {**schema, "properties": properties} if properties else dict(schema)
    return noted


def _with_note(schema: Mapping[str, Any], note: str) -> dict[str, Any]:
    return {**schema, "description": note} if note and "description" not in schema else dict(schema)


def _all_structs() -> set[type]:
    """Return all structs that the API may name."""
    found: set[type] = set()
    waiting: list[type] = [msgspec.Struct]
    while waiting:
        below: list[type] = waiting.pop().__subclasses__()
        for each in below:
            if each not in found and each.__module__.startswith(__package__ or ""):
                found.add(each)
                waiting.append(each)
    return found


@cache
def _notes(struct: type) -> Mapping[str, str]:
    """Return the string that stands below each field of a struct, if its source is here."""
    try:
        source = textwrap.dedent(inspect.getsource(struct))
    except (OSError, TypeError):
        return {}
    body = ast.parse(source).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    notes: dict[str, str] = {}
    for field, below in pairwise(statements):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            notes[field.target.id] = " ".join(below.value.value.split())
    return notes
