"""Lines for a terminal: pieces of text, each in a style.

What is put into a line may come from anyone; it is made safe here, where a line becomes
characters, so that no command can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from .cells import cell_count, cut, wrap
from .safe import isolated, safe_line, safe_text

SEPARATOR: Final = " \N{MIDDLE DOT} "
LEAST_PROSE_CELLS: Final = 16
"""Narrower than this, a column of text cannot be read: it runs over the edge instead."""


class Style(Enum):
    """What a piece of text is; each value is the terminal's number for how it looks.

    A style never says what the words beside it do not say.
    """

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    NAME = "36"
    GOOD = "32"
    ODD = "33"
    BAD = "31"


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    style: Style = Style.PLAIN


Line: TypeAlias = tuple[Span, ...]
EMPTY: Final[Line] = ()


def line(*pieces: Span | str, indent: int = 0) -> Line:
    """Return one line that is not wrapped."""
    spans = tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces)
    return (Span(" " * indent), *spans) if indent else spans


def prose(text: str, width: int, *, indent: int = 0, style: Style = Style.PLAIN) -> list[Line]:
    """Return running text, wrapped; its own line ends stay.

    Args:
        width: of the terminal, in cells, the indentation included.
    """
    room = max(width - indent, LEAST_PROSE_CELLS)
    return [
        line(Span(part, style), indent=indent) if part else EMPTY
        for paragraph in safe_text(text).split("\n")
        for part in wrap(paragraph, room)
    ]


def flow(items: Iterable[Span], width: int, *, indent: int = 0) -> list[Line]:
    """Return items one after the other, a dot between them, on as many lines as they need."""
    room = max(width - indent, LEAST_PROSE_CELLS)
    lines: list[list[Span]] = []
    taken = room
    for item in items:
        shown = Span(cut(safe_line(item.text), room), item.style)
        cells = cell_count(shown.text)
        if taken + len(SEPARATOR) + cells > room:
            lines.append([shown])
            taken = cells
        else:
            lines[-1] += [Span(SEPARATOR, Style.FAINT), shown]
            taken += len(SEPARATOR) + cells
    return [line(*spans, indent=indent) for spans in lines]


def at_right(lines: Sequence[Line], end: Span, width: int) -> list[Line]:
    """Return lines with ``end`` at the right edge of the last one, or on a line of its own."""
    *before, last = lines
    free = width - line_cells(last) - cell_count(end.text)
    if free >= 2:
        return [*before, (*last, Span(" " * free), end)]
    own = line(end, indent=max(width - cell_count(end.text), 0))
    return [*lines, own]


def table(rows: Iterable[tuple[str, str]], width: int, *, indent: int = 2) -> list[Line]:
    """Return names and what they mean, in two columns.

    The second is wrapped, but an id or a path stays whole, so that it can be copied.
    """
    held = list(rows)
    column = indent + max((len(name) for name, _ in held), default=0) + 2
    lines: list[Line] = []
    for name, meaning in held:
        label = Span(" " * indent + name.ljust(column - indent), Style.FAINT)
        if " " not in meaning:
            lines.append(line(label, meaning))
            continue
        first, *rest = prose(meaning, width, indent=column)
        lines += [(label, *first[1:]), *rest]
    return lines


def line_cells(spans: Line) -> int:
    """Return how many cells a line takes."""
    return sum(cell_count(safe_line(span.text)) for span in spans)


def written(spans: Line, *, colour: bool) -> str:
    """Return a line as it goes to the terminal, safe and without its end."""
    return "".join(_written(span, colour=colour) for span in spans)


def _written(span: Span, *, colour: bool) -> str:
    text = isolated(safe_line(span.text))
    if not colour or span.style is Style.PLAIN or not text:
        return text
    return f"\x1b[{span.style.value}m{text}\x1b[0m"
