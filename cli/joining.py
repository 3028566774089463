"""``slowlight key add-device``: with the words, or by a code that the old machine answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from .devices import root_seed, words_language
from .lines import EMPTY, Line, Span, Style, line, prose, table
from .params import STDIN, one_name_from
from .verbs import Verb
from .words import typed_words

if TYPE_CHECKING:
    from ..node.home_results import InitResult, KeyRestoreResult
    from ..node.key_operations import KeyAnswerResult, KeyRequestResult
    from .shell import Shell

_CODE: Final = "slowlight"
"""How every code begins, so that no word is taken for one."""


def of_a_new_device(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what all ways to a further device take."""
    for decorate in (
        click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing."),
        click.option(
            "--place", metavar="PATH", default="", help="Where it is: sol/earth/france/toulouse."
        ),
        click.option("--label", default="", help="Name of this device, which everyone can read."),
        words_language,
    ):
        command = decorate(command)
    return command


@click.command(
    "add-device",
    cls=Verb,
    examples=(
        "slowlight key add-device --request --label laptop",
        "slowlight key add-device slowlight-request:aebk…",
        "slowlight key add-device --answer slowlight-answer:ae4g…",
        "slowlight key add-device - --label laptop < words.txt",
    ),
)
@click.argument("sources", metavar="[CODE] [-]", nargs=-1)
@click.option("--request", is_flag=True, help="Ask: print a code for the machine with the words.")
@click.option("--answer", metavar="CODE", help="Begin: take the code that came back; - is stdin.")
@of_a_new_device
@click.pass_obj
def add_device_(
    shell: Shell, /, sources: tuple[str, ...], request: bool, answer: str | None, **fields: Any
) -> None:
    """Make a further machine a device of your identity.

    Without the words on it: type it with --request on the new machine, with the code that this
    prints on the old one, and with --answer and the second code on the new one again. The codes
    hold no secret. With the words: type it on the new machine, in a home without an identity,
    and the words are asked for, or read from standard input with -.

    Both machines are you: each writes into logs of its own, and everybody sees one person. Never
    copy a home to the second machine.
    """
    code = next((one for one in sources if one.lower().startswith(_CODE)), None)
    others = [one for one in sources if one is not code]
    if len(others) > 1 or (request + (answer is not None) + (code is not None) > 1):
        raise click.UsageError("give one of --request, --answer CODE, a request CODE, or the words")
    source = others[0] if others else None
    if request:
        _ask(shell, source, fields)
    elif answer is not None:
        _take(shell, one_name_from(answer), source)
    elif code is not None:
        _answer(shell, code, source, fields["language"])
    else:
        result = new_device(shell, source, fields)
        if result.created and not result.dry_run:
            _advise_to_meet(shell)


def _ask(shell: Shell, source: str | None, fields: dict[str, Any]) -> None:
    from ..node.joining import ask

    if source is not None or fields["dry_run"]:
        raise click.UsageError("--request goes with --label and --place alone")
    result = ask(shell.home, label=fields["label"], place=fields["place"], random_bytes=os.urandom)
    shell.answer(result, _asked(result, shell.screen.width))
    shell.advise(f"Next: {shell.command('key add-device --answer CODE')}")


def _asked(result: KeyRequestResult, width: int) -> Iterator[Line]:
    yield from prose(
        "Type this on the machine that has the words (the code holds no secret):", width
    )
    yield EMPTY
    yield line(f"slowlight key add-device {result.code}")
    yield EMPTY


def _answer(shell: Shell, code: str, source: str | None, language: str | None) -> None:
    from ..node.clock import system_clock
    from ..node.joining import answer_asking, read_asking
    from ..node.key_operations import ANSWER, AnswerRequest

    if source not in (None, STDIN):
        typed_words(shell, source)
    request = read_asking(code)
    with shell.node("key add-device") as node:
        answer = node.call(ANSWER, AnswerRequest(device=request.device.hex()))
    seed = root_seed(shell, source, language)
    result = answer_asking(answer, request, seed, system_clock())
    shell.answer(result, _answered(result, shell.screen.width))
    shell.advise(f"Then let the two meet: {shell.command('invite')} here, peer add INVITE there")


def _answered(result: KeyAnswerResult, width: int) -> Iterator[Line]:
    named = f" {result.label}" if result.label else ""
    done = "was certified before" if result.already else "is certified"
    yield from prose(f"The device{named} {done}. Type this on it:", width)
    yield EMPTY
    yield line(f"slowlight key add-device --answer {result.code}")
    yield EMPTY


def _take(shell: Shell, code: str, source: str | None) -> None:
    from ..node.clock import system_clock
    from ..node.joining import take_answer

    if source is not None:
        raise click.UsageError("--answer takes its code alone; no words are needed here")
    result = take_answer(shell.home, code, clock=system_clock, random_bytes=os.urandom)
    shell.answer(result, _joined(result, shell.screen.width))
    if result.created:
        _advise_to_meet(shell)


def _joined(result: InitResult, width: int) -> Iterator[Line]:
    if result.created:
        yield line(Span(f"This machine is {result.person.short_id} now.", Style.STRONG))
    else:
        yield line("This machine was that device already; nothing was changed.")
    yield from table([("home", result.home), ("device", result.device)], width)


def _advise_to_meet(shell: Shell) -> None:
    shell.advise(
        f"Next: slowlight invite on the first machine, then here"
        f" {shell.command('peer add INVITE')} and {shell.command('sync')}"
    )


def new_device(shell: Shell, source: str | None, fields: dict[str, Any]) -> KeyRestoreResult:
    """Make a home for the identity of typed words, or say what would be done."""
    from ..node.clock import system_clock
    from ..node.restoring import restore

    result = restore(
        shell.home,
        typed_words(shell, source),
        clock=system_clock,
        random_bytes=os.urandom,
        **fields,
    )
    width = shell.screen.width
    shell.answer(result, _planned(result, width) if result.dry_run else _made(result, width))
    return result


def _planned(result: KeyRestoreResult, width: int) -> Iterator[Line]:
    yield line(Span("Nothing was written.", Style.STRONG))
    if not result.created:
        yield from prose("This home has that identity already; nothing would be changed.", width)
        return
    yield from prose(
        f"These are the {result.language} words of {result.short_id}. Without --dry-run this"
        " would happen:",
        width,
    )
    yield EMPTY
    for step in (
        f"A home is made at {result.home}.",
        "A new device key is made there, and the first root key of the words certifies it.",
        "New logs begin; the logs of earlier devices are left as they are.",
        "At the first sync everything this identity has written is asked for.",
    ):
        yield from prose(step, width, indent=2)
    if result.epoch:
        yield from prose(
            f"The rotations up to epoch {result.epoch} come from friends too; then this device is"
            " readmitted by the root key of that epoch, which the words give.",
            width,
            indent=2,
        )


def _made(result: KeyRestoreResult, width: int) -> Iterator[Line]:
    if not result.created:
        yield line("This home has this identity already; nothing was changed.")
    else:
        yield line(Span(f"Welcome back, {result.short_id}.", Style.STRONG))
    yield from table([("home", result.home), ("device", result.device)], width)
