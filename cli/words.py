"""The 24 words, as they are shown and typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, line, prose
from .params import STDIN, read_stdin

if TYPE_CHECKING:
    from .shell import Shell

WORD_COUNT: Final = 24
LANGUAGES: Final = ("english", "french")
WORDS_A_LINE: Final = 4
WORD_CELLS: Final = 14

words_in = click.option(
    "--words-in",
    "language",
    type=click.Choice(LANGUAGES),
    default="english",
    show_default=True,
    help="List that the 24 words are taken from.",
)


def typed_words(shell: Shell, source: str | None) -> str:
    """Return the words that the person types, or that standard input holds.

    Numbers before them are left out, so that they can be copied as they are shown.

    Args:
        source: ``-`` for standard input, None to ask; nothing else, because whatever stands
            in an argument can be read by other users of the machine.

    Raises:
        click.UsageError: there is nobody to ask, or the words stand in an argument.
    """
    if source == STDIN:
        return " ".join(_without_numbers(read_stdin()))
    if source is not None:
        raise click.UsageError(
            "words in arguments can be read by others on this machine; give - and standard input"
        )
    if not shell.screen.talks_to_person:
        raise click.UsageError("there is nobody to ask; give - to read standard input")
    typed: list[str] = []
    while len(typed) < WORD_COUNT:
        answer = click.prompt(f"Word {len(typed) + 1}, or more of them", err=True)
        typed += _without_numbers(str(answer))
    return " ".join(typed)


def _without_numbers(text: str) -> list[str]:
    return [word for word in text.split() if not word.rstrip(".:)").isdecimal()]


def recovery(words: Sequence[str], width: int) -> Iterator[Line]:
    """Show words with what they are good for."""
    yield EMPTY
    yield from prose(
        "These 24 words give you your identity back when this machine is lost. Whoever has them"
        " is you: write them on paper, show them to nobody.",
        width,
    )
    yield EMPTY
    columns = max(min(WORDS_A_LINE, (width - 2) // WORD_CELLS), 1)
    for first in range(0, len(words), columns):
        row = words[first : first + columns]
        numbered = (f"{first + at:>2} {word}" for at, word in enumerate(row, start=1))
        cells = "".join(one.ljust(WORD_CELLS) for one in numbered).rstrip()
        yield line(Span(cells, Style.STRONG), indent=2)
    yield EMPTY
