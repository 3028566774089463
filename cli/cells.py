"""How much room text takes on a terminal, counted in cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"

_WIDE: Final = frozenset({"F", "W"})
_ZERO: Final = frozenset({"Cf", "Me", "Mn"})
_CHUNKS: Final = re.compile(r" +|[^ ]+")


def cell_count(text: str) -> int:
    """Return how many cells a safe line takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def cut(text: str, width: int) -> str:
    """Return a safe line shortened to ``width`` cells; an ellipsis stands for what is cut."""
    if cell_count(text) <= width:
        return text
    return _beginning(text, width - 1) + ELLIPSIS


def wrap(text: str, width: int) -> list[str]:
    """Return a safe line as lines of at most ``width`` cells, broken at spaces where possible.

    Args:
        text: without line feeds; spaces at its beginning are kept.
        width: at least 2, the widest character.
    """
    lines: list[str] = []
    line, taken = "", 0
    for piece in _pieces(text, width):
        wide = cell_count(piece)
        if taken + wide > width:
            lines.append(line.rstrip())
            line, taken = "", 0
            if piece.isspace():
                continue
        line, taken = line + piece, taken + wide
    lines.append(line.rstrip())
    return lines


def _pieces(text: str, width: int) -> Iterator[str]:
    """Cut a line where it may be broken: at spaces, between wide characters, inside giants."""
    for chunk in _CHUNKS.findall(text):
        if chunk.isascii() and len(chunk) <= width:
            yield chunk
        else:
            yield from _parts(chunk, width)


def _parts(word: str, width: int) -> Iterator[str]:
    part, taken = "", 0
    for character in word:
        cells = _cells_of(character)
        if part and cells and (taken + cells > width or cells == 2):
            yield part
            part, taken = "", 0
        part, taken = part + character, taken + cells
    yield part


def _beginning(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return text[:index]
    return text


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
