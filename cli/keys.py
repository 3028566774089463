"""``slowlight key``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .devices import accept_, devices_, forget_words_, revoke_, rotate_
from .joining import add_device_, new_device, of_a_new_device
from .lines import Line, Span, Style, line
from .verbs import VerbGroup
from .words import WORD_COUNT, recovery, typed_words, words_in

if TYPE_CHECKING:
    from ..node.home_results import KeyVerifyResult
    from ..node.people_operations import PeriodsResult
    from .shell import Shell


@click.group(
    "key",
    cls=VerbGroup,
    examples=("slowlight key verify", "slowlight key restore - < words.txt"),
)
def key_command() -> None:
    """Look after the keys, and the words that give the identity back."""


@key_command.command(
    "words", examples=("slowlight key words", "slowlight key words --words-in french")
)
@words_in
@click.pass_obj
def words_(shell: Shell, language: str) -> None:
    """Show the 24 words of the identity.

    Whoever has them is you: write them on paper.
    """
    from ..node.beginning import key_words

    result = key_words(shell.home, language)
    shell.answer(result, recovery(result.words, shell.screen.width))


@key_command.command("verify", examples=("slowlight key verify", "slowlight key verify - < words"))
@click.argument("source", metavar="[-]", required=False)
@click.pass_obj
def verify_(shell: Shell, source: str | None) -> None:
    """Find out whether you still have the 24 words.

    A few of them are asked for, chosen by chance; with - all 24 are read from standard input.
    English and French are both understood.
    """
    from ..node.clock import system_clock
    from ..node.drill import verify_words

    typed = _drilled(shell) if source is None else _all_words(typed_words(shell, source))
    result = verify_words(shell.home, typed, clock=system_clock)
    shell.answer(result, _verified(result))


def _drilled(shell: Shell) -> dict[int, str]:
    from ..node.drill import positions_to_ask

    if not shell.screen.talks_to_person:
        raise click.UsageError("there is nobody to ask; give - and standard input")
    shell.home.require()
    return {
        position: str(click.prompt(f"Word {position}", err=True)).strip()
        for position in positions_to_ask(os.urandom)
    }


def _all_words(typed: str) -> dict[int, str]:
    words = typed.split()
    if len(words) != WORD_COUNT:
        raise click.UsageError(f"{len(words):,} words where {WORD_COUNT} are needed")
    return dict(enumerate(words, start=1))


def _verified(result: KeyVerifyResult) -> Iterator[Line]:
    right = "All 24 words" if len(result.positions) == WORD_COUNT else "These words"
    yield line(Span(f"{right} are right.", Style.GOOD))


@key_command.command(
    "passphrase",
    examples=(
        "slowlight key passphrase",
        "slowlight key passphrase --remove",
        "slowlight key passphrase --new-passphrase-file secret.txt",
    ),
)
@click.option("--remove", is_flag=True, help="Keep the keys without a passphrase again.")
@click.option(
    "--new-passphrase-file",
    metavar="FILE",
    help="Read the new passphrase here instead of asking; fd:3 is an open descriptor.",
)
@click.pass_obj
def passphrase_(shell: Shell, remove: bool, new_passphrase_file: str | None) -> None:
    """Set, change or remove the passphrase that locks the keys on this machine.

    Whoever copies the disk then has nothing without it. The node asks for it when it starts, and
    so does every command that needs the keys while no node runs. It is typed, or read from a file
    that --passphrase-file or SLOWLIGHT_PASSPHRASE_FILE names. Nobody can give a lost passphrase
    back; the 24 words begin anew without it.
    """
    from ..node.errors import Code, ServiceError
    from ..node.home_results import KeyPassphraseResult
    from .passphrase import new_passphrase

    if remove and new_passphrase_file is not None:
        raise click.UsageError("give either --remove or --new-passphrase-file")
    home = shell.home
    home.require()
    with home.lock("slowlight key passphrase"):
        changed = home.keys.have_passphrase
        if remove and not changed:
            raise ServiceError(Code.NOTHING_TO_DO, "the keys of this home have no passphrase")
        home = home.having_asked()
        if remove:
            home.keys.remove_passphrase()
        else:
            home.keys.set_passphrase(new_passphrase(new_passphrase_file), os.urandom)
    done = "removed" if remove else "changed" if changed else "set"
    result = KeyPassphraseResult(home=str(home.path), passphrase=not remove)
    shell.answer(result, [line(f"The passphrase is {done}.")])
    if not remove:
        shell.advise("It is not written anywhere: without it only the 24 words help.")


@key_command.command(
    "restore",
    examples=("slowlight key restore", "slowlight key restore - --dry-run < words.txt"),
)
@click.argument("source", metavar="[-]", required=False)
@of_a_new_device
@click.option(
    "--epoch",
    metavar="NUMBER",
    type=int,
    default=0,
    help="The number written beside the words at the last rotation.",
)
@click.pass_obj
def restore_(shell: Shell, /, source: str | None, **fields: Any) -> None:
    """Get an identity back from its 24 words, in a home without one.

    The words are asked for, or read from standard input with -. They give the identity back, not
    the machine that is lost: this one becomes a new device of the same identity, with logs of its
    own. What was written before comes back from those who hold it, at the first sync with one of
    them. Nothing can be contradicted this way, even if the lost machine turns up again.

    If the root key was rotated since, a number stands beside the words: give it with --epoch. The
    rotations come from friends; then the node readmits this device by itself.
    """
    result = new_device(shell, source, fields)
    if result.created and not result.dry_run:
        shell.advise(
            f"Next: ask somebody who follows you for an invite, then"
            f" {shell.command('peer add INVITE')} and {shell.command('sync')}"
        )


@key_command.command(
    "periods", examples=("slowlight key periods", "slowlight key periods --publish")
)
@click.option("--publish", is_flag=True, help="Publish what is missing now, not when it is due.")
@click.pass_obj
def periods_(shell: Shell, publish: bool) -> None:
    """Show the keys to which private messages are sealed, one for each month.

    A running node publishes them ahead, and erases the secret of each when no message to it can
    be on its way any more: after its month, twice the longest delay (private.longest_delay_days)
    and some grace. What was sealed to an erased key can never be read again, by nobody.
    """
    from ..node.people_operations import PERIODS, PeriodsRequest

    with shell.node("key periods") as node:
        result = node.call(PERIODS, PeriodsRequest(publish=publish))
    shell.answer(result, _periods(result))
    if not result.periods:
        shell.advise(f"Next: {shell.command('run')}, or {shell.command('key periods --publish')}")


def _periods(result: PeriodsResult) -> Iterator[Line]:
    if not result.periods:
        yield line("No key is published yet; a message to you would use the key of this device.")
        return
    if result.published:
        yield line(Span(f"Published {result.published:,} keys.", Style.GOOD))
    for month in result.periods:
        state = "ready" if month.published else "erased" if not month.secret else "not published"
        yield line(
            Span(month.from_time[:7], Style.STRONG),
            f"  {state:<13} ",
            Span(f"erased by {month.erased[:10]}" if month.secret else "", Style.FAINT),
        )


for _command in (devices_, revoke_, accept_, rotate_, forget_words_, add_device_):
    key_command.add_command(_command)
