"""The part of JSON Schema 2020-12 that the description of the API uses, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
KEYWORDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "$ref": str,
    "additionalProperties": (bool, dict),
    "anyOf": list,
    "default": (str, int, bool, list, dict, type(None)),
    "description": str,
    "enum": list,
    "items": (dict, bool),
    "maxItems": int,
    "maxLength": int,
    "maximum": int,
    "minItems": int,
    "minLength": int,
    "minimum": int,
    "pattern": str,
    "prefixItems": list,
    "properties": dict,
    "required": list,
    "title": str,
    "type": (str, list),
}
"""What may stand in a schema, and of which type it is; another keyword is a complaint."""


def complaints(described: Any, at: str) -> list[str]:
    """Return what is wrong with a schema itself."""
    if isinstance(described, bool):
        return []
    if not isinstance(described, dict):
        return [f"{at}: no schema"]
    schema = cast(dict[str, Any], described)
    found = [
        f"{at}: {keyword}"
        for keyword, value in schema.items()
        if keyword not in KEYWORDS or not isinstance(value, KEYWORDS[keyword])
    ]
    types = schema.get("type", [])
    found += [f"{at}: type {each}" for each in _listed(types) if each not in _TYPES]
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            found += complaints(schema[keyword], f"{at}.{keyword}")
    for keyword in ("anyOf", "prefixItems"):
        for number, each in enumerate(schema.get(keyword, ())):
            found += complaints(each, f"{at}.{keyword}[{number}]")
    for name, each in schema.get("properties", {}).items():
        found += complaints(each, f"{at}.{name}")
    lacking = set(schema.get("required", ())) - set(schema.get("properties", ()))
    return found + [f"{at}: requires {each}, which it does not describe" for each in lacking]


def references(value: Any) -> list[str]:
    """Return every reference in a document."""
    if isinstance(value, dict):
        held = cast(dict[str, Any], value)
        own: list[str] = [held["$ref"]] if isinstance(held.get("$ref"), str) else []
        return own + [found for each in held.values() for found in references(each)]
    if isinstance(value, list):
        return [found for each in listed_values(value) for found in references(each)]
    return []


def resolved(document: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference into the same document names; raises KeyError."""
    start, *names = reference.split("/")
    assert start == "#", reference
    found: Any = document
    for name in names:
        found = found[name]
    return found


def misfits(document: Mapping[str, Any], schema: Any, value: Any, at: str = "$") -> list[str]:
    """Return where a value is not as a schema of a document says."""
    if isinstance(schema, bool):
        return [] if schema else [f"{at}: nothing fits"]
    if "$ref" in schema:
        return misfits(document, resolved(document, schema["$ref"]), value, at)
    found = _plain_misfits(schema, value, at)
    if "anyOf" in schema and all(misfits(document, each, value, at) for each in schema["anyOf"]):
        found.append(f"{at}: fits none of several")
    if isinstance(value, dict):
        held = cast(dict[str, Any], value)
        properties = schema.get("properties", {})
        found += [f"{at}: lacks {each}" for each in schema.get("required", ()) if each not in held]
        for name, each in held.items():
            rule = properties.get(name, schema.get("additionalProperties", not properties))
            found += misfits(document, rule, each, f"{at}.{name}")
    if isinstance(value, list):
        for number, each in enumerate(listed_values(value)):
            found += misfits(document, schema.get("items", True), each, f"{at}[{number}]")
    return found


def listed_values(value: Any) -> list[Any]:
    """Return a list as one of anything."""
    return list(value)


def _plain_misfits(schema: Mapping[str, Any], value: Any, at: str) -> list[str]:
    found: list[str] = []
    types = _listed(schema.get("type", []))
    if types and not any(_TYPES[each](value) for each in types):
        found.append(f"{at}: {value!r} is no {schema['type']}")
    if isinstance(value, str) and re.search(schema.get("pattern", ""), value) is None:
        found.append(f"{at}: {value!r} does not match")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str | list):
        kind = "Length" if isinstance(value, str) else "Items"
        length = len(cast(list[Any], value))
        if not schema.get(f"min{kind}", 0) <= length <= schema.get(f"max{kind}", length):
            found.append(f"{at}: of {length}")
    if _TYPES["integer"](value) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        found.append(f"{at}: {value} is out of range")
    return found


def _listed(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types
