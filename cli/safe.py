"""Text from anywhere, made safe for a terminal.

A post may hold every code point there is. What would steer the terminal, turn the direction of
the line, hide, or paint over other lines is shown as the replacement character; so whoever reads
sees that something was there.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MARK: Final = "\N{REPLACEMENT CHARACTER}"
MAX_STACKED_MARKS: Final = 6
"""Combining marks kept on one character; more would reach into the lines above and below."""

_NEVER_SHOWN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_COMBINING: Final = frozenset({"Mn", "Me"})
_LINE_BREAKS: Final = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_SPACES: Final = re.compile(r"\s")
_JOINERS: Final = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
_FIRST_JOINING_SCRIPT: Final = "\u0600"
"""Arabic. Scripts before it need no joiners: there a joiner only makes two names look alike."""
_INVISIBLE_LETTERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATE: Final = "\N{FIRST STRONG ISOLATE}"
_END_OF_ISOLATE: Final = "\N{POP DIRECTIONAL ISOLATE}"
_UNPRINTABLE_IN_JSON: Final = re.compile("[^ -~]")


def safe_text(text: str) -> str:
    """Return text whose only character beyond graphic ones is the line feed."""
    return "\n".join(_safe(line) for line in _LINE_BREAKS.split(text))


def safe_line(text: str) -> str:
    """Return text on one line; where a line ended there is a space."""
    return _safe(_LINE_BREAKS.sub(" ", text))


def isolated(line: str) -> str:
    """Return a safe line that leaves the direction of what stands around it alone."""
    if line.isascii() or not any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in line):
        return line
    return f"{_ISOLATE}{line}{_END_OF_ISOLATE}"


def safe_json(json: str) -> str:
    """Return the same JSON value without unprintable characters: they are escaped, not lost."""
    return _UNPRINTABLE_IN_JSON.sub(_escaped_unless_printable, json)


def _safe(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line
    shown: list[str] = []
    stacked = 0
    for character in _SPACES.sub(" ", line):
        stacked = stacked + 1 if unicodedata.category(character) in _COMBINING else 0
        if stacked > MAX_STACKED_MARKS:
            continue
        shown.append(character if _may_follow(character, shown) else MARK)
    return "".join(shown)


def _may_follow(character: str, shown: list[str]) -> bool:
    if character in _JOINERS:
        return bool(shown) and shown[-1] >= _FIRST_JOINING_SCRIPT and shown[-1] not in _JOINERS
    return (
        unicodedata.category(character) not in _NEVER_SHOWN and character not in _INVISIBLE_LETTERS
    )


def _escaped_unless_printable(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
