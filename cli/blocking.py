"""``slowlight block``, ``unblock`` and ``blocks``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import click

from .lines import Line, Span, Style, line
from .params import complete_who, in_parts, names_from
from .people import WHO_HELP
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.blocking_operations import BlockOutcome, BlocksResult
    from .shell import Shell


@click.command(
    "block",
    cls=Verb,
    examples=("slowlight block mallory", "slowlight block mallory --reason advertising"),
    help=(
        "Block people: nothing that they write is fetched, kept or passed on from now on, and their"
        " nodes are not let in. What is here of them stays. Everybody can read that you block them,"
        f" and why if you say so.\n\n{WHO_HELP}"
    ),
)
@click.argument("who", nargs=-1, required=True, shell_complete=complete_who)
@click.option("--reason", metavar="TEXT", default="", help="Why, for everybody to read.")
@click.pass_obj
def block_command(shell: Shell, who: Sequence[str], reason: str) -> None:
    """Block people."""
    from ..node.blocking_operations import BLOCK, BlockRequest, BlockResult
    from ..node.operation import MAX_WHO

    with shell.node("block") as node:
        parts = [
            node.call(BLOCK, BlockRequest(who=part, reason=reason)).outcomes
            for part in in_parts(names_from(who), MAX_WHO)
        ]
    result = BlockResult(outcomes=tuple(chain.from_iterable(parts)))
    shell.answer(result, _outcomes(result.outcomes, "Blocked", "Already blocked:"))


@click.command(
    "unblock",
    cls=Verb,
    examples=("slowlight unblock mallory", "slowlight unblock - < pardoned.txt"),
    help=f"Take blocks back.\n\n{WHO_HELP}",
)
@click.argument("who", nargs=-1, required=True, shell_complete=complete_who)
@click.pass_obj
def unblock_command(shell: Shell, who: Sequence[str]) -> None:
    """Take blocks back."""
    from ..node.blocking_operations import UNBLOCK, BlockResult, UnblockRequest
    from ..node.operation import MAX_WHO

    with shell.node("unblock") as node:
        parts = [
            node.call(UNBLOCK, UnblockRequest(who=part)).outcomes
            for part in in_parts(names_from(who), MAX_WHO)
        ]
    result = BlockResult(outcomes=tuple(chain.from_iterable(parts)))
    shell.answer(result, _outcomes(result.outcomes, "No longer blocked:", "Not blocked before:"))


@click.command("blocks", cls=Verb, examples=("slowlight blocks", "slowlight blocks --json"))
@click.pass_obj
def blocks_command(shell: Shell) -> None:
    """List whom you block."""
    from ..node.blocking_operations import BLOCKS, BlocksRequest

    with shell.node("blocks") as node:
        result = node.call(BLOCKS, BlocksRequest())
    shell.answer(result, _blocks(result), paged=True)


def _outcomes(outcomes: Sequence[BlockOutcome], changed: str, unchanged: str) -> Iterator[Line]:
    for outcome in outcomes:
        done = changed if outcome.changed else unchanged
        yield line(f"{done} ", Span(outcome.person.label, Style.NAME))


def _blocks(result: BlocksResult) -> Iterator[Line]:
    if not result.blocks:
        yield line("Nobody is blocked.")
    for each in result.blocks:
        reason = (Span(f"  {each.reason}", Style.FAINT),) if each.reason else ()
        yield line(Span(each.person.label, Style.NAME), *reason)
