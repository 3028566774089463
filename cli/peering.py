"""``slowlight peer`` and ``slowlight invite``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from .lines import Line, Span, Style, flow, line, prose
from .params import DurationRange, complete_who, one_name_from
from .quantities import ago, date, duration
from .verbs import Verb, VerbGroup

if TYPE_CHECKING:
    from ..node.peer_operations import InviteResult, PeerView
    from .shell import Shell

SAME_CLOCK_MS: Final = 2_000
"""Clocks that differ by less, besides the error of measuring, count as the same."""

_address = click.option(
    "--address",
    "addresses",
    metavar="HOST:PORT",
    multiple=True,
    help="Where it is reached; may be repeated.",
)


@click.group(
    "peer",
    cls=VerbGroup,
    examples=("slowlight peer add slowlight:...", "slowlight peer list"),
)
def peer_command() -> None:
    """Add, list and remove the nodes that this one talks to."""


@peer_command.command(
    "add",
    examples=(
        "slowlight peer add slowlight:...",
        "slowlight peer add ada --address 192.0.2.7:4242",
    ),
)
@click.argument("who", shell_complete=complete_who)
@_address
@click.option("--name", default="", help="Your name for this node.")
@click.pass_obj
def add(shell: Shell, who: str, addresses: tuple[str, ...], name: str) -> None:
    """Add a node to talk to.

    WHO is an invite, or someone known here whose address you give; - reads it from standard input.
    """
    from ..node.peer_operations import ADD_PEER, AddPeerRequest

    with shell.node("peer add") as node:
        request = AddPeerRequest(who=one_name_from(who), addresses=addresses, name=name)
        result = node.call(ADD_PEER, request)
    done = "Added" if result.changed else "Already known:"
    lines = (
        one
        for peer in result.peers
        for one in _peer(peer, shell.screen.width, shell.now_ms(), before=f"{done} ")
    )
    shell.answer(result, lines)
    unfollowed = next((one for one in result.peers if not (one.following or one.person.own)), None)
    if unfollowed is not None:
        shell.advise(f"Next: {shell.command(f'follow {unfollowed.person.short_id}')}")
    else:
        shell.advise(f"Next: {shell.command('sync')}")


@peer_command.command("list", examples=("slowlight peer list", "slowlight peer list --json"))
@click.pass_obj
def list_(shell: Shell) -> None:
    """List the nodes that this one knows."""
    from ..node.peer_operations import PEERS, PeersRequest

    with shell.node("peer list") as node:
        result = node.call(PEERS, PeersRequest())
    shell.answer(result, _peers(result.peers, shell.screen.width, shell.now_ms()), paged=True)
    if not result.peers:
        shell.advise(f"Next: ask someone for an invite, then {shell.command('peer add INVITE')}")


@peer_command.command(
    "remove", examples=("slowlight peer remove ada", "slowlight peer remove k3v9-7qpm-x2da")
)
@click.argument("who", shell_complete=complete_who)
@click.pass_obj
def remove(shell: Shell, who: str) -> None:
    """Forget a node.

    It is not dialled any more, and may call only if you follow it. WHO is a person or a device
    id.
    """
    from ..node.peer_operations import REMOVE_PEER, RemovePeerRequest

    with shell.node("peer remove") as node:
        result = node.call(REMOVE_PEER, RemovePeerRequest(who=who))
    shell.answer(result, [line("Removed ", _label(peer)) for peer in result.peers])


def _peers(peers: Sequence[PeerView], width: int, now_ms: int) -> Iterator[Line]:
    if not peers:
        yield line("No peers yet.")
    for peer in peers:
        yield from _peer(peer, width, now_ms)


def _peer(peer: PeerView, width: int, now_ms: int, *, before: str = "") -> Iterator[Line]:
    yield line(before, _label(peer), f"  {peer.name}" if peer.name else "")
    last = ago(peer.last_contact_ms, now_ms) if peer.last_contact_ms else "never"
    facts = [
        Span("connected", Style.GOOD) if peer.connected else Span(f"last contact {last}"),
        Span("followed" if peer.following else "not followed"),
        Span(" ".join(peer.addresses) or "it dials us"),
        *_clock(peer),
    ]
    yield from flow(facts, width, indent=2)


def _clock(peer: PeerView) -> Iterator[Span]:
    """Say how far its clock is from ours, where that is more than the measuring itself."""
    clock = peer.clock
    if clock is None:
        return
    off_ms = abs(clock.ahead_ms)
    if off_ms <= clock.error_ms + SAME_CLOCK_MS:
        yield Span("its clock agrees")
    else:
        side = "ahead of ours" if clock.ahead_ms > 0 else "behind ours"
        yield Span(f"its clock is {duration(off_ms)} {side}", Style.ODD)


def _label(peer: PeerView) -> Span:
    return Span(peer.person.label, Style.NAME)


@click.command(
    "invite",
    cls=Verb,
    examples=(
        "slowlight invite",
        "slowlight invite --address station.example:4242 --valid 30d",
        "slowlight invite --qr",
    ),
)
@_address
@click.option("--name", default="", help="Name suggested for this node.")
@click.option(
    "--valid",
    "valid_ms",
    metavar="DURATION",
    type=DurationRange("1s", "366d"),
    default="7d",
    show_default=True,
    help="How long it may be used.",
)
@click.option("--qr", is_flag=True, help="Show it as a QR code, too, for a camera.")
@click.pass_obj
def invite_command(
    shell: Shell, addresses: tuple[str, ...], name: str, valid_ms: int, qr: bool
) -> None:
    """Make an invite: one line with which one new node may connect to this one, once.

    Hand it over like a key. It carries this node's identity and keys, where it is reached, and a
    token that works one time.
    """
    from ..node.peer_operations import INVITE, InviteRequest

    with shell.node("invite") as node:
        result = node.call(INVITE, InviteRequest(addresses=addresses, name=name, valid_ms=valid_ms))
    shell.answer(result, [line(result.uri)])
    if qr:
        from .qr import qr_lines

        shell.screen.tell(*qr_lines(result.uri.upper()))  # capitals make a smaller code
    if not shell.as_json:
        shell.screen.tell(*_how_to_use(result, shell.screen.width))


def _how_to_use(result: InviteResult, width: int) -> Iterator[Line]:
    yield from prose(
        f"It works once, until {date(result.expires_ms)}, at {' '.join(result.addresses)}. Hand it"
        " over like a key. On the other computer, type:",
        width,
        style=Style.FAINT,
    )
    yield line(Span("slowlight follow INVITE", Style.FAINT), indent=2)
