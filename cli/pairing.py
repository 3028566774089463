"""``slowlight pair``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .lines import Span, Style, line
from .params import DurationRange
from .quantities import duration
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.client import Client
    from ..node.pair_operations import PairResult
    from .shell import Shell


@click.command("pair", cls=Verb, examples=("slowlight pair", "slowlight pair --for 5m"))
@click.option("--name", default="", help="What the other person sees; else your profile's name.")
@click.option(
    "--for",
    "for_ms",
    metavar="DURATION",
    type=DurationRange("1s", "10m"),
    default="2m",
    show_default=True,
    help="How long to wait.",
)
@click.option("--no-follow", is_flag=True, help="Only connect the nodes.")
@click.pass_obj
def pair_command(shell: Shell, name: str, for_ms: int, no_follow: bool) -> None:
    """Meet somebody in the same room: both of you type this, on the same network.

    Both screens then show four words. If they are the same, nobody stands in between: say so, and
    you follow each other. Your node must be running.
    """
    from ..node.pair_operations import PAIR_ANSWER, PairAnswerRequest

    with shell.node("pair") as node:
        found = _find(shell, node, name, for_ms)
        who = found.name or found.short_id
        shell.screen.tell(line("Waiting until they have compared the words, too."))
        result = node.call(PAIR_ANSWER, PairAnswerRequest(same=True))
        if result.paired and not no_follow:
            from ..node.people_operations import FOLLOW, FollowRequest

            node.call(FOLLOW, FollowRequest(who=(result.identity,)))
    told = Span(who, Style.NAME)
    if result.paired:
        shell.answer(result, [line("Paired with ", told, f"  {result.short_id}")])
        shell.advise(f"Next: {shell.command('read')}")
    else:
        shell.answer(result, [line("Not paired: ", told, " said that the words differ.")])


def _find(shell: Shell, node: Client, name: str, for_ms: int) -> PairResult:
    """Return the one who is meant, whose words the person has compared."""
    from ..node.errors import Code, ServiceError
    from ..node.pair_operations import (
        MAX_WITHOUT,
        PAIR,
        PAIR_ANSWER,
        PairAnswerRequest,
        PairRequest,
    )

    without: tuple[str, ...] = ()
    while len(without) < MAX_WITHOUT:
        shell.screen.tell(
            line(
                f"Waiting {duration(for_ms)} for somebody on this network who types, too: ",
                Span("slowlight pair", Style.NAME),
            )
        )
        found = node.call(PAIR, PairRequest(name=name, for_ms=for_ms, without=without))
        who = Span(found.name or "Somebody without a name", Style.NAME)
        shell.screen.tell(
            line("Found ", who, f"  {found.short_id}"),
            line(),
            line(Span("   ".join(found.words), Style.GOOD), indent=4),
            line(),
        )
        if click.confirm("Does the other screen show the same four words?", err=True):
            return found
        node.call(PAIR_ANSWER, PairAnswerRequest(same=False))
        shell.screen.tell(line("Not paired. Whoever that was is left out from here on."))
        without = (*without, found.device)
    raise ServiceError(
        Code.INTEGRITY,
        f"{MAX_WITHOUT} others answered with different words",
        "leave this network, or use an invite: slowlight invite",
    )
