"""``slowlight status``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, flow, line, table
from .quantities import ago, count, duration, size
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.db_operations import DbClassView
    from ..node.delivery_operations import FreshView, WaitingView
    from ..node.peer_operations import LinkView, PeerView, StatusResult
    from .shell import Shell

MAX_TOP: Final = 500


@click.command(
    "status",
    cls=Verb,
    examples=("slowlight status", "slowlight status --top 100 --json"),
)
@click.option(
    "--top",
    metavar="N",
    type=click.IntRange(0, MAX_TOP),
    default=10,
    show_default=True,
    help="Name so many of whom you follow, the stalest first.",
)
@click.pass_obj
def status_command(shell: Shell, top: int) -> None:
    """See whether everything is in sync: links, what waits for whom, how fresh everybody is.

    Somebody is fresh as of the moment when one of their own devices last had nothing that was
    missing here; what comes only by others may always be behind.
    """
    from ..node.peer_operations import PEERS, STATUS, PeersRequest, StatusRequest

    with shell.node("status") as node:
        status = node.call(STATUS, StatusRequest(top=top))
        peers = () if shell.as_json else node.call(PEERS, PeersRequest()).peers
    shell.answer(
        status,
        _status(status, peers, shell.screen.width, shell.now_ms(), shell.command("forks")),
    )
    if not status.running:
        shell.advise(f"Next: {shell.command('run')}")
    elif not peers and not shell.as_json:
        shell.advise(f"Next: {shell.command('invite')}")


def _status(
    status: StatusResult, peers: Sequence[PeerView], width: int, now_ms: int, forks: str
) -> Iterator[Line]:
    """Yield the whole screen; ``forks`` is the command that lists forked logs."""
    yield line(_verdict(status, peers))
    waiting = {one.device: one for one in status.waiting}
    for peer in peers:
        link = next((link for link in status.links if link.device == peer.device), None)
        waits = waiting.pop(peer.device, None)
        yield from flow([*_peer(peer, link, now_ms), *_waits(waits)], width, indent=2)
    known = {peer.device for peer in peers}
    for link in status.links:
        if link.device not in known:
            waits = waiting.pop(link.device, None)
            yield from flow([*_link(link), *_waits(waits)], width, indent=2)
    for waits in waiting.values():
        who = Span(waits.person.label, Style.NAME)
        yield from flow([who, Span("not connected"), *_waits(waits)], width, indent=2)
    if status.freshness:
        yield EMPTY
        yield line(Span("Whom you follow, the stalest first", Style.STRONG))
        for fresh in status.freshness:
            yield from flow(_fresh(fresh, now_ms), width, indent=2)
        more = status.follows - len(status.freshness)
        if more > 0:
            yield line(Span(f"and {more:,} more: --top {status.follows}", Style.FAINT), indent=2)
    yield EMPTY
    yield from table(_facts(status, now_ms, forks), width, indent=0)


def _verdict(status: StatusResult, peers: Sequence[PeerView]) -> Span:
    """Answer the question that everybody asks."""
    if not peers and not status.links:
        return Span("Not in sync with anybody: there are no peers yet.", Style.STRONG)
    if not status.running:
        return Span("Not in sync: the node is not running.", Style.ODD)
    in_sync = sum(link.in_sync for link in status.links)
    asked = max(len(peers), len(status.links))
    if in_sync == asked:
        return Span(f"In sync with all: {count(in_sync, 'peer')}.", Style.GOOD)
    if in_sync:
        return Span(f"In sync with {in_sync:,} of {count(asked, 'peer')}.", Style.ODD)
    if status.links:
        return Span("Not in sync yet: exchanging.", Style.ODD)
    return Span("Not in sync: no peer is connected.", Style.ODD)


def _peer(peer: PeerView, link: LinkView | None, now_ms: int) -> Iterator[Span]:
    if link is not None:
        yield from _link(link)
        return
    yield Span(peer.person.label, Style.NAME)
    yield Span("not connected")
    last = ago(peer.last_contact_ms, now_ms) if peer.last_contact_ms else "never"
    yield Span(f"last contact {last}")


def _link(link: LinkView) -> Iterator[Span]:
    yield Span(link.peer.label, Style.NAME)
    yield Span("in sync", Style.GOOD) if link.in_sync else Span("exchanging", Style.ODD)
    if link.counts.wanted:
        yield Span(f"{count(link.counts.wanted, 'entry', 'entries')} still to come", Style.ODD)
    yield Span(f"came {link.counts.entries_in:,}, went {link.counts.entries_out:,}")
    yield Span(f"dialled {link.address}" if link.direction == "out" else "it called")


def _waits(waits: WaitingView | None) -> Iterator[Span]:
    if waits is not None and waits.entries:
        verb = "waits" if waits.entries == 1 else "wait"
        yield Span(f"{count(waits.entries, 'entry', 'entries')} {verb}", Style.ODD)


def _fresh(fresh: FreshView, now_ms: int) -> Iterator[Span]:
    """Say until when nothing of a person is missing here, as far as can be known."""
    yield Span(fresh.person.label, Style.NAME)
    if fresh.as_of_ms:
        yield Span(f"as of {ago(fresh.as_of_ms, now_ms)}")
    else:
        yield Span("only by others" if fresh.newest_ms else "nothing here yet", Style.ODD)
    if fresh.newest_ms:
        yield Span(f"newest post {ago(fresh.newest_ms, now_ms)}")
    if fresh.missing:
        yield Span(f"{count(fresh.missing, 'entry', 'entries')} missing", Style.ODD)


_CLASSES: Final = {
    "self": "you",
    "followed": "followed",
    "two_hops": "whom those follow",
    "stranger": "strangers",
}


def _storage(classes: Sequence[DbClassView]) -> str:
    held = [
        f"{_CLASSES[one.distance]} {size(one.payload_bytes)}"
        f" in {count(one.entries, 'entry', 'entries')}"
        for one in classes
        if one.entries
    ]
    return "; ".join(held)


def _facts(status: StatusResult, now_ms: int, forks: str) -> Iterator[tuple[str, str]]:
    yield "you are", status.person.label
    if status.running:
        since = duration(now_ms - status.started_ms)
        yield "node", f"running for {since}, process {status.pid}, version {status.version}"
        yield "listening", " ".join(status.listening) or "nowhere"
    else:
        yield "node", f"not running, version {status.version}"
    if status.network:
        yield "network", status.network
    yield "to read", f"{count(status.unread, 'new post')}"
    following = count(status.follows, "person", "people")
    yield (
        "here",
        (
            f"{count(status.posts, 'post')} in {count(status.logs, 'log')} of"
            f" {count(status.identities, 'person', 'people')}; you follow {following}"
        ),
    )
    if status.search_behind:
        yield "search", f"{count(status.search_behind, 'post')} still to be indexed"
    if status.forks:
        yield "forks", _forks(status, forks)
    if status.purge_due:
        yield "deleted", "texts are still being taken off this disk; a running node does it"
    if status.storage:
        yield "texts", _storage(status.storage)
    yield "home", f"{status.home}, {size(status.file_bytes)}"


def _forks(status: StatusResult, command: str) -> str:
    """Name those first about which something can be done here."""
    own, others = status.own_forks, status.forks - status.own_forks
    if not own:
        return f"{count(others, 'log')}, nothing for you to do: {command}"
    beside = f", {others:,} of others or closed devices" if others else ""
    return f"{count(own, 'log')} of yours{beside}: {command}"
