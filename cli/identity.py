"""``slowlight init``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .lines import Line, Span, Style, line, table
from .verbs import Verb
from .words import recovery, words_in

if TYPE_CHECKING:
    from ..node.home_results import InitResult
    from .shell import Shell


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
@words_in
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
        shell.screen.show(recovery(words, shell.screen.width))
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
