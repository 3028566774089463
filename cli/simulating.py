"""``slowlight sim``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from .lines import line
from .params import one_name_from
from .syncing import exit_code, show_exchange
from .verbs import VerbGroup

if TYPE_CHECKING:
    from .shell import Shell

LARGEST_SEED: Final = 2**64 - 1

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def _conversation(command: CommandT) -> CommandT:
    """Add the options that say which conversation, by which people."""
    rows = click.option(
        "--rows",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A .csv.gz of id, t_unix_s, author, parent, size_bytes; else the one that ships.",
    )
    seed = click.option(
        "--seed",
        type=click.IntRange(0, LARGEST_SEED),
        default=1,
        show_default=True,
        help="Other seeds make other people.",
    )
    return rows(seed(command))


@click.group(
    "sim",
    cls=VerbGroup,
    examples=(
        "slowlight sim people | slowlight follow -",
        "slowlight sim replay slowlight:...",
    ),
)
def sim_command() -> None:
    """Let a real conversation come to a node, as if its people were there.

    The conversation that ships is 2,000 messages by 520 people of a discussion group of 1999; only
    its authors, dates, answers and sizes are real, the words are those of a novel.
    """


@sim_command.command(
    "people",
    examples=("slowlight sim people | slowlight follow -", "slowlight sim people --seed 2 --json"),
)
@_conversation
@click.pass_obj
def people(shell: Shell, rows: Path | None, seed: int) -> None:
    """List the people of the conversation, one identity on each line."""
    from ..simulations.courier import load

    ids = [identity.hex() for identity in load(rows, seed=seed, names=False).people]
    if shell.as_json:
        import msgspec

        shell.screen.show_json(msgspec.json.encode({"schema": 1, "people": ids}))
    else:
        shell.screen.show(line(identity) for identity in ids)


@sim_command.command(
    "replay",
    examples=("slowlight sim replay slowlight:...", "slowlight invite | slowlight sim replay -"),
)
@click.argument("invite")
@_conversation
@click.option("--names", is_flag=True, help="The people publish profiles: author 0, author 1, ...")
@click.pass_obj
def replay(shell: Shell, invite: str, rows: Path | None, seed: int, names: bool) -> int:
    """Bring the conversation to the node that made an invite, as a peer of it would.

    INVITE is used up; - reads it from standard input. The node takes what it follows: see
    "slowlight sim people".
    """
    from ..node.clock import system_clock
    from ..simulations.courier import bring, load

    invite = one_name_from(invite)
    config = shell.settings().config
    conversation = load(rows, seed=seed, names=names)
    result = show_exchange(
        shell,
        lambda on_event: bring(
            conversation,
            invite,
            clock=system_clock,
            random_bytes=os.urandom,
            config=config,
            on_event=on_event,
        ),
    )
    if result.in_sync and not result.total.entries_out:
        shell.advise("It took nothing: it follows none of these people, or has all they wrote.")
    return exit_code(result)
