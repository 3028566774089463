"""``slowlight doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from .lines import Line, Span, Style, line, prose
from .quantities import count
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.home_results import CheckView, DoctorResult
    from .shell import Shell

_STATES: Final = {
    "ok": Span("ok  ", Style.GOOD),
    "note": Span("note", Style.ODD),
    "bad": Span("BAD ", Style.BAD),
}
_COLUMN: Final = 16
"""Where the words begin, behind the state and the name."""


@click.command(
    "doctor",
    cls=Verb,
    examples=("slowlight doctor", "slowlight doctor --json"),
)
@click.pass_obj
def doctor_command(shell: Shell) -> int:
    """Find out what keeps this node from its work, and what to type against it.

    Looks at home, keys, database, disk, clock, network, ports, firewall, multicast and peers, and
    changes nothing. Whether others get through a firewall cannot be seen from inside; it shows when
    they call. Ends with exit code 1 if something is bad, and with 0 where there are only notes.
    """
    from ..node.doctor import examine
    from ..node.machine import ThisMachine

    config = shell.settings().config
    result = examine(
        shell.home, config, lambda: shell.node("doctor"), ThisMachine(), clock=shell.now_ms
    )
    shell.answer(result, _checks(shell, result))
    return 1 if result.bad else 0


def _checks(shell: Shell, result: DoctorResult) -> Iterator[Line]:
    for check in result.checks:
        yield from _check(shell, check)
    if result.bad:
        yield line(Span(f"{count(result.bad, 'thing')} to mend.", Style.STRONG))


def _check(shell: Shell, check: CheckView) -> Iterator[Line]:
    head = Span(f" {check.name}".ljust(_COLUMN - len(_STATES[check.state].text)))
    if " " not in check.text:  # a path stays whole, so that it can be copied
        yield (_STATES[check.state], head, Span(check.text))
        return
    first, *rest = prose(check.text, shell.screen.width, indent=_COLUMN)
    yield (_STATES[check.state], head, *first[1:])
    yield from rest
    for fix in check.fixes:
        yield line(Span(_typed(shell, fix), Style.FAINT), indent=_COLUMN)


def _typed(shell: Shell, fix: str) -> str:
    """Return a command as it is typed for this home."""
    arguments = fix.removeprefix("slowlight ")
    if arguments == fix or arguments.startswith("--home "):
        return fix
    return shell.command(arguments)
