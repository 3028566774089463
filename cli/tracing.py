"""``slowlight trace``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from .cells import cut
from .lines import EMPTY, LEAST_PROSE_CELLS, Line, Span, Style, at_right, flow, line, prose, table
from .params import complete_entry
from .quantities import ago, count, date
from .safe import safe_line
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.delivery_operations import HolderView, TraceResult
    from ..node.operation import EntryView
    from .shell import Shell

_HAVE: Final = ("wrote", "brought", "answered", "confirmed")


@click.command(
    "trace",
    cls=Verb,
    examples=("slowlight trace k3v9-7qpm-x2da", "slowlight trace k3v9 --json"),
)
@click.argument("entry", metavar="ID", shell_complete=complete_entry)
@click.pass_obj
def trace_command(shell: Shell, entry: str) -> None:
    """See who has an entry: who wrote it, how it came, who has it, and who cannot have it yet.

    Nothing is asked of the network, and nothing is claimed that this node does not know: somebody
    has an entry who wrote it, handed it over, answered it, or confirmed to lack nothing. ID is an
    id as shown, the beginning of one, or all 64 hexadecimal digits.
    """
    from ..node.delivery_operations import TRACE, TraceRequest

    with shell.node("trace") as node:
        result = node.call(TRACE, TraceRequest(id=entry))
    shell.answer(result, _trace(result, shell.screen.width, shell.now_ms()), paged=True)
    if any(one.why == "no_contact_since" for one in result.holders):
        shell.advise(f"Next: {shell.command('sync')}")


def _trace(result: TraceResult, width: int, now_ms: int) -> Iterator[Line]:
    entry = result.entry
    own = " (you)" if entry.author.own else ""
    head = flow([Span(f"{entry.author.label}{own}", Style.NAME), Span(_kind(entry))], width)
    yield from at_right(head, Span(entry.short_id, Style.FAINT), width)
    said = _beginning(entry)
    if said:
        yield line(cut(safe_line(said), max(width - 2, LEAST_PROSE_CELLS)), indent=2)
    yield EMPTY
    yield from table(_facts(result), width, indent=0)
    have = [one for one in result.holders if one.knowledge in _HAVE]
    others = [one for one in result.holders if one.knowledge not in _HAVE]
    yield EMPTY
    yield from _group("Known to have it", have, entry, width, now_ms)
    if not have:
        yield line("nobody but this node", indent=2)
    if others:
        yield EMPTY
        yield from _group("Not known to have it", others, entry, width, now_ms)
    if result.more:
        more = count(result.more, "follower")
        yield line(f"and {more} more with whom this node has no link", indent=2)


def _group(
    title: str, holders: Sequence[HolderView], entry: EntryView, width: int, now_ms: int
) -> Iterator[Line]:
    yield line(Span(title, Style.STRONG))
    for one in holders:
        own = " (you)" if one.person.own else ""
        yield from flow(
            [Span(f"{one.person.label}{own}", Style.NAME), *_name(one)], width, indent=2
        )
        yield from prose(_words(one, entry, now_ms), width, indent=4)


def _name(one: HolderView) -> Iterator[Span]:
    """Tell apart the devices of one person."""
    if one.name and one.name not in (one.person.name, one.person.petname):
        yield Span(one.name)


def _facts(result: TraceResult) -> Iterator[tuple[str, str]]:
    entry = result.entry
    yield "wrote", f"{date(entry.claimed_ms)}, as the author says"
    if entry.via == "own":
        yield "came", "written here"
    else:
        by = result.brought_by
        yield (
            "came",
            f"{date(entry.received_ms)}, by {by.label if by else 'a way not known any more'}",
        )
    yield "log", f"entry {entry.seq:,} of channel {entry.channel}"
    if entry.gone:
        yield "text", f"not here: {entry.gone}"


def _kind(entry: EntryView) -> str:
    content: dict[str, object] = entry.content or {}
    return str(content.get("kind", "entry"))


def _beginning(entry: EntryView) -> str:
    """Return how what was said begins; of what stands behind a warning only that."""
    content: dict[str, object] = entry.content or {}
    warning, text = content.get("warning"), content.get("text")
    return f"Warning: {warning}" if warning else text if isinstance(text, str) else ""


def _words(one: HolderView, entry: EntryView, now_ms: int) -> str:
    """Say what is known, and no more."""
    since = ago(one.since_ms, now_ms)
    match one.knowledge:
        case "wrote":
            return "wrote it"
        case "brought":
            return f"brought it here, {since}"
        case "answered":
            return f"answered it; the answer came {since}"
        case "confirmed":
            return f"has it, confirmed {since}"
        case "sent":
            return f"was sent it, not confirmed; {_waits(one, now_ms)}"
        case "waiting":
            return _waits(one, now_ms)
        case "not_wanted":
            whom = "you" if entry.author.own else entry.author.label
            return f"does not follow {whom}, as far as is known"
        case "unknown":
            return _unknown(one, entry)


def _waits(one: HolderView, now_ms: int) -> str:
    met = f"last met {ago(one.last_contact_ms, now_ms)}" if one.last_contact_ms else "not met yet"
    if one.why == "exchanging":
        return "a link is open, and the exchange goes on"
    if one.why == "calls_us":
        return f"gets it when it calls, for no address of it is known; {met}"
    return f"gets it at the next contact; {met}"


def _unknown(one: HolderView, entry: EntryView) -> str:
    whom = "you" if entry.author.own else entry.author.label
    return {
        "never_met": "never met, so nobody knows what it wants or has",
        "no_link": f"follows {whom}, but this node has no link to it; others may carry it there",
        "partial": "keeps only a part of this log: its newest entries, or no texts",
        "blocked": f"is not sent it from here: you block {whom}",
        "void": "is not sent it: the entry does not count (slowlight show)",
        "fork": "nothing is known: the log forks here, and this is one of its branches",
    }.get(one.why, "nothing is known")
