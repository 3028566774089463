"""``slowlight forks``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, line, prose, table
from .params import complete_who
from .quantities import count
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.people_operations import ForkBranchView, ForksResult, ForkView
    from .shell import Shell

NEW_HOME: Final = "slowlight --home NEWDIR"
NOTHING: Final = 3
"""Exit code: there is none."""
_CHANNELS: Final = {0: "profile and follows", 1: "posts", 2: "private", 3: "groups"}


@click.command(
    "forks",
    cls=Verb,
    examples=("slowlight forks", "slowlight forks ada --json"),
)
@click.argument("who", default="", shell_complete=complete_who)
@click.pass_obj
def forks_command(shell: Shell, who: str) -> int:
    """List the devices that signed two entries with one number; without WHO, of all.

    A home that was copied or put back and went on twice does that, or a liar. What stands below
    the number is valid; of both branches each entry can be read with "slowlight show". Ends with
    exit code 3 if there is none.
    """
    from ..node.people_operations import FORKS, ForksRequest

    with shell.node("forks") as node:
        result = node.call(FORKS, ForksRequest(who=who))
    shell.answer(result, _forks(result, shell.screen.width), paged=True)
    for advice in dict.fromkeys(_advice(shell, result)):
        shell.advise(advice)
    return 0 if result.forks else NOTHING


def _advice(shell: Shell, result: ForksResult) -> Iterator[str]:
    for fork in result.forks:
        if not fork.person.own or fork.closed:
            continue
        close = f"key revoke {fork.device_short_id}"
        if fork.this:
            yield f"Next: {NEW_HOME} key add-device"
            yield f"Then, once that one is in sync: {NEW_HOME} {close}"
        else:
            yield f"Next: {shell.command(close)}"


def _forks(result: ForksResult, width: int) -> Iterator[Line]:
    if not result.forks:
        yield line("No log is known to be forked.")
    for number, fork in enumerate(result.forks):
        if number:
            yield EMPTY
        yield line(Span(fork.person.label, Style.NAME), " (you)" if fork.person.own else "")
        yield from table(_facts(fork), width)
        yield from prose(_meaning(fork), width, indent=2)


def _facts(fork: ForkView) -> Iterator[tuple[str, str]]:
    named = f"{fork.device_short_id}  {fork.device_label}".rstrip()
    yield "device", f"{named} (this one)" if fork.this else named
    yield "log", f"channel {fork.channel}, {_CHANNELS.get(fork.channel, 'not known here')}"
    yield "forked", f"from entry {fork.frozen_from:,} on"
    for name, branch in zip(("one", "other"), fork.branches, strict=True):
        yield name, _branch(branch)
    if fork.kept:
        yield "kept", f"{count(fork.kept, 'entry', 'entries')} beside the timeline"


def _branch(branch: ForkBranchView) -> str:
    if not branch.held:
        return f"{branch.id} (not here)"
    return f"{branch.id} (void)" if branch.void else branch.id


def _meaning(fork: ForkView) -> str:
    if fork.closed:
        return "The device is closed: nothing is left to be done."
    if not fork.person.own:
        return "Only its owner can go on, with another device; what is below the fork is valid."
    if fork.this:
        return "Go on with another device: make one in a new home, then close this one."
    return "Close this device; what it wrote below the fork stays yours."
