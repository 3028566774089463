"""``slowlight status``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from .lines import EMPTY, Line, Span, Style, flow, line, table
from .quantities import ago, count, duration, size
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.peer_operations import LinkView, PeerView, StatusResult
    from .shell import Shell


@click.command(
    "status",
    cls=Verb,
    examples=("slowlight status", "slowlight status --json"),
)
@click.pass_obj
def status_command(shell: Shell) -> None:
    """See on one screen whether everything is in sync."""
    from ..node.peer_operations import PEERS, STATUS, PeersRequest, StatusRequest

    with shell.node("status") as node:
        status = node.call(STATUS, StatusRequest())
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
    for peer in peers:
        link = next((link for link in status.links if link.device == peer.device), None)
        yield from flow(_peer(peer, link, now_ms), width, indent=2)
    known = {peer.device for peer in peers}
    for link in status.links:
        if link.device not in known:
            yield from flow(_link(link), width, indent=2)
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
    yield "home", f"{status.home}, {size(status.file_bytes)}"


def _forks(status: StatusResult, command: str) -> str:
    """Name those first about which something can be done here."""
    own, others = status.own_forks, status.forks - status.own_forks
    if not own:
        return f"{count(others, 'log')}, nothing for you to do: {command}"
    beside = f", {others:,} of others or closed devices" if others else ""
    return f"{count(own, 'log')} of yours{beside}: {command}"
