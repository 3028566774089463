"""``slowlight sync``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, flow, line, prose
from .params import DurationRange, complete_who
from .quantities import count, precise_duration, size
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.client import OnEvent
    from ..node.peer_operations import SyncCounts, SyncEvent, SyncOutcome, SyncResult
    from .screen import Screen
    from .shell import Shell

PLAIN_LINE_S: Final = 5.0
"""Least time between two lines of progress where there is no terminal."""
UNREACHABLE: Final = 5
"""Exit code: nobody was reached."""

_OUTCOMES: Final = {
    "in_sync": Span("in sync", Style.GOOD),
    "unreachable": Span("could not be reached", Style.BAD),
    "refused": Span("refused", Style.BAD),
    "failed": Span("broke off", Style.BAD),
    "timeout": Span("ran out of time", Style.ODD),
}


@click.command(
    "sync",
    cls=Verb,
    examples=("slowlight sync", "slowlight sync ada --timeout 30s"),
)
@click.argument("who", nargs=-1, shell_complete=complete_who)
@click.option(
    "--timeout",
    "timeout_ms",
    metavar="DURATION",
    type=DurationRange("1s", "30d"),
    default="10m",
    show_default=True,
    help="Longest time for all; what came until then is kept.",
)
@click.pass_obj
def sync_command(shell: Shell, who: tuple[str, ...], timeout_ms: int) -> int:
    """Exchange posts with your peers now, and get a receipt: what came, what went.

    Without WHO with all peers that have an address. Ends with exit code 5 if nobody was reached.
    """
    from ..node.peer_operations import SYNC, SyncRequest

    request = SyncRequest(who=who, timeout_ms=timeout_ms)
    with shell.node("sync") as node:
        result = show_exchange(shell, lambda on_event: node.call(SYNC, request, on_event))
    if result.total.entries_in:
        shell.advise(f"Next: {shell.command('read')}")
    return exit_code(result)


def show_exchange(shell: Shell, exchange: Callable[[OnEvent], SyncResult]) -> SyncResult:
    """Carry out an exchange, and show how it goes and its receipt."""
    progress = _JsonLines(shell.screen) if shell.as_json else _Progress(shell.screen)
    try:
        result = exchange(progress.tell)
    finally:
        progress.end()
    shell.answer(result, _receipt(result, shell.screen.width))
    return result


def exit_code(result: SyncResult) -> int:
    """Return the exit code of a command that exchanged."""
    return 0 if result.in_sync else UNREACHABLE


class _JsonLines:
    """Progress for programs: one line for each step, on standard output."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def tell(self, event: SyncEvent) -> None:
        """Write one step."""
        import msgspec

        from ..node.operation import SCHEMA

        self._screen.show_json(msgspec.json.encode({"schema": SCHEMA, "event": event}))

    def end(self) -> None:
        """Nothing is left on the screen."""


class _Progress:
    """Progress for people, on standard error: one line that changes, or a line now and then."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._told_s = float("-inf")
        self._states: dict[str, str] = {}

    def tell(self, event: SyncEvent) -> None:
        """Show one step."""
        text = _step(event)
        if self._screen.shows_progress:
            self._screen.replace_last(text)
            return
        now_s = time.monotonic()
        new_state = self._states.get(event.device) != event.state
        if new_state or now_s - self._told_s >= PLAIN_LINE_S:
            self._screen.tell(line(text))
            self._told_s = now_s
        self._states[event.device] = event.state

    def end(self) -> None:
        """Leave the screen to the receipt."""
        if self._screen.shows_progress:
            self._screen.clear_last()


def _step(event: SyncEvent) -> str:
    counts = event.counts
    words = [f"{event.peer.label}: {event.state}"]
    if counts.entries_in or counts.wanted:
        words.append(f"{counts.entries_in:,} of {counts.entries_in + counts.wanted:,} came")
    if counts.entries_out:
        words.append(f"{counts.entries_out:,} went")
    if event.note:
        words.append(event.note)
    return ", ".join(words)


def _receipt(result: SyncResult, width: int) -> Iterator[Line]:
    for outcome in result.outcomes:
        yield from _outcome(outcome, width)
    if len(result.outcomes) > 1:
        yield EMPTY
        in_sync = f"In sync with {result.in_sync:,} of {count(len(result.outcomes), 'peer')}"
        yield line(Span(in_sync, Style.STRONG))
        yield from flow(_amounts(result.total, result.took_ms), width, indent=2)


def _outcome(outcome: SyncOutcome, width: int) -> Iterator[Line]:
    head = [Span(outcome.peer.label, Style.NAME), _OUTCOMES[outcome.outcome]]
    if outcome.address:
        head.append(Span(outcome.address))
    yield from flow(head, width)
    if outcome.reason:
        yield from prose(outcome.reason, width, indent=2)
    if outcome.counts.wire_bytes_in or outcome.counts.wire_bytes_out:
        yield from flow(_amounts(outcome.counts, outcome.took_ms), width, indent=2)


def _amounts(counts: SyncCounts, took_ms: int) -> Iterator[Span]:
    yield Span(f"came {_amount(counts.entries_in, counts.payload_bytes_in)}")
    yield Span(f"went {_amount(counts.entries_out, counts.payload_bytes_out)}")
    wire = f"{size(counts.wire_bytes_in)} in, {size(counts.wire_bytes_out)} out"
    yield Span(f"on the wire {wire}", Style.FAINT)
    yield Span(f"waited {precise_duration(took_ms)}", Style.FAINT)
    if counts.wanted:
        yield Span(f"still missing {count(counts.wanted, 'entry', 'entries')}", Style.ODD)


def _amount(entries: int, payload_bytes: int) -> str:
    return f"{count(entries, 'entry', 'entries')} ({size(payload_bytes)})" if entries else "nothing"
