"""A line of text as a QR code on the terminal, for a camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .lines import Line, line

MARGIN_MODULES: Final = 4
"""The quiet zone around the code (ISO/IEC 18004, section 9.1)."""
_UPPER, _LOWER, _BOTH, _NEITHER = "▀", "▄", "█", " "


def qr_lines(text: str) -> list[Line]:
    """Return the code, two modules on top of each other in every cell.

    Light modules are drawn and dark ones left out, for terminals with a dark background; most
    cameras read the reverse as well.

    Raises:
        ServiceError: the package that makes it is not there, or the text is too long.
    """
    modules = _modules(text)
    width = len(modules[0]) + 2 * MARGIN_MODULES
    light = [False] * width
    rows = [[True] * width] * MARGIN_MODULES
    side = [True] * MARGIN_MODULES
    rows = [*rows, *([*side, *(not dark for dark in row), *side] for row in modules), *rows]
    if len(rows) % 2:
        rows.append(light)
    return [
        line("".join(map(_cell, upper, lower)))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]


def _cell(upper: bool, lower: bool) -> str:
    return (_BOTH if lower else _UPPER) if upper else (_LOWER if lower else _NEITHER)


def _modules(text: str) -> Sequence[Sequence[int]]:
    from ..node.errors import Code, ServiceError

    try:
        import segno
    except ImportError:
        raise ServiceError(
            Code.INVALID,
            "a QR code needs the package segno, which is not installed",
            "pip install 'slowlight[qr]'",
        ) from None
    try:
        return segno.make_qr(text, error="l", boost_error=False).matrix
    except segno.DataOverflowError:
        raise ServiceError(
            Code.INVALID, "this invite is too long for a QR code", "hand over the line itself"
        ) from None
