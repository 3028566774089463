"""``slowlight init`` and ``slowlight key``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, line, prose, table
from .verbs import Verb, VerbGroup

if TYPE_CHECKING:
    from ..node.operations import InitResult
    from .shell import Shell

WORDS_A_LINE: Final = 4
WORD_CELLS: Final = 14

_words_language = click.option(
    "--words-in",
    "language",
    type=click.Choice(["english", "french"]),
    default="english",
    show_default=True,
    help="List that the 24 words are taken from.",
)


@click.command(
    "init",
    cls=Verb,
    examples=(
        "slowlight init --name ada",
        "slowlight init --home ./bob --name bob --words-in french",
    ),
)
@click.option("--name", default="", help="Your name, as others will see it.")
@click.option(
    "--place", metavar="PATH", default="", help="Where you begin: sol/earth/france/toulouse."
)
@click.option("--label", default="", help="Name of this device, which everyone can read.")
@click.option("--show-words", is_flag=True, help="Show the 24 words also without a terminal.")
@_words_language
@click.pass_obj
def init_command(
    shell: Shell, name: str, place: str, label: str, show_words: bool, language: str
) -> None:
    """Begin: make an identity and its home.

    The identity lives on this machine alone. 24 words give it back on another one: they are shown
    once here, and by "slowlight key words". Doing it twice changes nothing.
    """
    from ..node.beginning import begin, key_words
    from ..node.clock import system_clock

    result = begin(
        shell.home,
        name=name,
        label=label,
        place=place,
        clock=system_clock,
        random_bytes=os.urandom,
    )
    shell.answer(result, _begun(result, shell.screen.width))
    if result.created and not shell.as_json and (show_words or shell.screen.talks_to_person):
        words = key_words(shell.home, language).words
        shell.screen.show(_recovery(words, shell.screen.width))
    elif result.created:
        shell.advise(f"Write down your 24 words: {shell.command('key words')}")
    shell.advise(f'Next: {shell.command("post")} "First light"')


def _begun(result: InitResult, width: int) -> Iterator[Line]:
    if not result.created:
        yield line("This home has an identity already; nothing was changed.")
    else:
        yield line(
            Span(f"Hello{f', {result.person.name}' if result.person.name else ''}.", Style.STRONG)
        )
    yield from table([("you are", result.person.label), ("home", result.home)], width)


@click.group(
    "key",
    cls=VerbGroup,
    examples=("slowlight key words", "slowlight key words --words-in french"),
)
def key_command() -> None:
    """Look after the words that give the identity back."""


@key_command.command(
    "words", examples=("slowlight key words", "slowlight key words --words-in french")
)
@_words_language
@click.pass_obj
def words_(shell: Shell, language: str) -> None:
    """Show the 24 words of the identity.

    Whoever has them is you: write them on paper.
    """
    from ..node.beginning import key_words

    result = key_words(shell.home, language)
    shell.answer(result, _recovery(result.words, shell.screen.width))


def _recovery(words: Sequence[str], width: int) -> Iterator[Line]:
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
