"""Reads the tables of ``docs/protocol/content.md``, so that tests hold the page to its word."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tests.source_tree import ROOT

PAGE: Final = ROOT / "docs" / "protocol" / "content.md"
# Both ends of the integers that the page calls by a name.
RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "uint": (0, 2**63 - 1),
    "time": (0, 2**62 - 1),
    "channel": (0, 2**32 - 1),
    "seq": (0, 2**32 - 17),
}
_HEADING: Final = re.compile(r"### (?:(\d+) )?(\w+)")
_PART: Final = re.compile(r".* a part `(\w+)`:")
_TABLE_HEAD: Final = "| Field | Type | Default | Meaning |"
_ROW: Final = re.compile(r"\| (\w+) \| ([^|]+?) \| ([^|]*?) ?\| ")


@dataclass(frozen=True)
class SpecField:
    """One row of a table."""

    name: str
    type: str  # as the page writes it: "[text <= 64] <= 32"
    default: str  # as the page writes it: "nil"; empty: there must be a value


@dataclass(frozen=True, eq=False)
class Layout:
    """One table: a kind of content if it has a number, else a part of one."""

    name: str
    number: int | None
    fields: list[SpecField]


@cache
def layouts() -> Sequence[Layout]:
    """Every table of fields, in the order of the page."""
    found: list[Layout] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := _HEADING.match(line):
            found.append(Layout(match[2], int(match[1]) if match[1] else None, []))
        elif match := _PART.match(line):
            found.append(Layout(match[1], None, []))
        elif found and line != _TABLE_HEAD and (match := _ROW.match(line)):
            found[-1].fields.append(SpecField(*match.groups()))
    return found


def kinds() -> Mapping[str, Layout]:
    """The layouts of kinds, by name."""
    return {layout.name: layout for layout in layouts() if layout.number is not None}


def parts() -> Mapping[str, Layout]:
    """The layouts of parts, by name."""
    return {layout.name: layout for layout in layouts() if layout.number is None}


def named(layout: Layout, row: Sequence[Any]) -> dict[str, Any]:
    """What the page says that a row (without kind) means, as JSON shows it."""
    values = [*row[: len(layout.fields)], *(default(spec) for spec in layout.fields[len(row) :])]
    return {
        spec.name: _shown(spec.type, value)
        for spec, value in zip(layout.fields, values, strict=True)
    }


def default(spec: SpecField) -> Any:
    """The value of a field that is missing, before it is shown as JSON."""
    return json.loads(spec.default.replace("nil", "null"))


def inner_type(type_name: str) -> str:
    """What an array of the page holds: ``text <= 64`` for ``[text <= 64] <= 32``."""
    return type_name[1 : type_name.index("]")]


def numbers_in(type_name: str) -> list[int]:
    """The numbers that a type of the page is written with; both ends of an integer's range."""
    if type_name in RANGES:
        return list(RANGES[type_name])
    return [int(number.replace(",", "")) for number in re.findall(r"-?\d[\d,]*", type_name)]


def _shown(type_name: str, value: Any) -> Any:
    type_name = type_name.removesuffix(" or nil")
    if isinstance(value, bytes):
        return value.hex()
    if type_name.startswith("["):
        return [_shown(inner_type(type_name), item) for item in value]
    if type_name == "post" and value is not None:
        return named(kinds()["post"], value[1:])
    if type_name in parts() and value is not None:
        return named(parts()[type_name], value)
    return value
