"""Reads the committed vectors of ``tests/vectors``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, cast

import pytest

from tests.source_tree import ROOT

FOLDER: Final = ROOT / "tests" / "vectors"


@cache
def vector_file(name: str) -> dict[str, Any]:
    """One file, as it stands."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    return content


def vectors(name: str, **fields: str) -> pytest.MarkDecorator:
    """A decorator: run a test for each case of a file that has these fields."""
    chosen = list(cases(name, **fields))
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])


def cases(name: str, **fields: str) -> Iterator[dict[str, Any]]:
    """The cases of a file that have these fields."""
    for case in vector_file(name)["cases"]:
        if fields.items() <= case.items():
            yield case


def in_hex(value: object) -> Any:
    """A decoded value as the files show it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [in_hex(item) for item in cast("Sequence[object]", value)]
    return value
