"""Operations about other nodes: which ones to dial, and who may call."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..protocol.invite import (
    MAX_NAME_BYTES,
    TOKEN_BYTES,
    Invite,
    InvitedNode,
    hash_token,
    write_invite,
)
from ..store.base import NodeStore, Peer
from .addresses import own_hosts, parse_address, reachable
from .author import Author
from .clock import RandomBytes, WallClock, rfc3339
from .errors import Code, ServiceError
from .links import Links
from .names import check_own_line, find_who
from .peer_clocks import forget_clock, kept_clock
from .peer_operations import (
    AddPeerRequest,
    AddPeerResult,
    InviteRequest,
    InviteResult,
    PeersRequest,
    PeersResult,
    PeerView,
    RemovePeerRequest,
    RemovePeerResult,
)
from .views import Views

_DEVICE: Final = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Reach:
    """How others reach this node, as far as it is configured."""

    listen: Sequence[str] = ()
    advertise: Sequence[str] = ()
    hosts: Callable[[], Sequence[str]] = own_hosts


class Peering:
    """Peers and invites."""

    def __init__(
        self,
        store: NodeStore,
        author: Author,
        links: Links,
        reach: Reach,
        *,
        clock: WallClock,
        random_bytes: RandomBytes,
    ) -> None:
        self._store = store
        self._author = author
        self._links = links
        self._reach = reach
        self._clock = clock
        self._random_bytes = random_bytes

    def peers(self, _request: PeersRequest) -> PeersResult:
        """Return the nodes that this one dials or knows."""
        return PeersResult(peers=self._peer_views(self._store.peers()))

    def add_peer(self, request: AddPeerRequest) -> AddPeerResult:
        """Add or change the nodes of an identity."""
        for address in request.addresses:
            parse_address(address)
        meant = find_who(self._store, request.who)
        if meant.invite is not None:
            named = self._invited(meant.invite)
        else:
            named = self._known(meant.identity)
        added, changed = self._put(named, request.addresses, request.name)
        return AddPeerResult(peers=self._peer_views(added), changed=changed)

    def add_invited(self, invite: Invite) -> None:
        """Add the nodes that an invite names."""
        self._put(self._invited(invite), (), "")

    def remove_peer(self, request: RemovePeerRequest) -> RemovePeerResult:
        """Forget nodes: one by its device, or all of an identity."""
        peers = self._store.peers()
        if _DEVICE.fullmatch(request.who):
            wanted = bytes.fromhex(request.who)
            gone = [peer for peer in peers if wanted in (peer.device, peer.identity)]
        else:
            identity = find_who(self._store, request.who).identity
            gone = [peer for peer in peers if peer.identity == identity]
        if not gone:
            raise ServiceError(
                Code.NOT_FOUND, f"{request.who!r} is no peer of this node", "slowlight peer list"
            )
        views = self._peer_views(gone)
        for peer in gone:
            self._store.remove_peer(peer.device)
            forget_token(self._store, peer.device)
            forget_clock(self._store, peer.device)
        self._links.interest_changed()
        return RemovePeerResult(peers=views)

    def invite(self, request: InviteRequest) -> InviteResult:
        """Make an invite with a token that works once."""
        for address in request.addresses:
            parse_address(address)
        addresses = tuple(request.addresses or self._addresses())
        identity = self._author.identity
        own = next(
            device
            for device in self._store.devices(identity)
            if device.device == self._author.device
        )
        token = self._random_bytes(TOKEN_BYTES)
        invite = Invite(
            identity=identity,
            nodes=(InvitedNode(own.device, own.box_public, addresses),),
            token=token,
            name=self._name(request.name),
        )
        expires_ms = self._clock() + request.valid_ms
        self._store.add_invite(hash_token(token), expires_ms)
        return InviteResult(
            uri=write_invite(invite),
            identity=identity.hex(),
            addresses=addresses,
            name=invite.name,
            expires=rfc3339(expires_ms),
            expires_ms=expires_ms,
        )

    def _name(self, asked: str) -> str:
        if len(asked.encode()) > MAX_NAME_BYTES:
            raise ServiceError(
                Code.INVALID, f"a name of more than {MAX_NAME_BYTES} bytes", "shorten it"
            )
        check_own_line("name", asked)
        known = self._store.identity(self._author.identity)
        return asked or (known.name if known else "")

    def _addresses(self) -> Sequence[str]:
        if self._reach.advertise:
            return self._reach.advertise
        found = reachable(self._links.listening or self._reach.listen, self._reach.hosts())
        if not found:
            raise ServiceError(
                Code.INVALID,
                "this node has no fixed address to put into an invite",
                "start it first (slowlight run), or give one: slowlight invite --address HOST:PORT",
            )
        return found

    def _invited(self, invite: Invite) -> list[Peer]:
        """Return the nodes of an invite, and keep its token for the first call."""
        if self._author.device in {node.device for node in invite.nodes}:
            raise ServiceError(
                Code.INVALID, "this invite leads to this very node", "hand it to someone else"
            )
        for node in invite.nodes:
            self._store.put_setting(_token_setting(node.device), invite.token.hex())
        return [
            Peer(
                identity=invite.identity,
                device=node.device,
                box_public=node.box_public,
                addresses=node.addresses,
                name=invite.name,
                last_contact_ms=0,
            )
            for node in invite.nodes
        ]

    def _known(self, identity: bytes) -> list[Peer]:
        """Return the nodes of an identity that are certified here, or that an invite named."""
        known = {peer.device: peer for peer in self._store.peers() if peer.identity == identity}
        known |= {
            device.device: Peer(identity, device.device, device.box_public, (), device.label, 0)
            for device in self._store.devices(identity)
            if device.device != self._author.device
        }
        if not known:
            raise ServiceError(
                Code.NOT_FOUND,
                "no node of this identity is known here",
                "ask for an invite: they type slowlight invite",
            )
        return list(known.values())

    def _put(
        self, named: Sequence[Peer], addresses: tuple[str, ...], name: str
    ) -> tuple[list[Peer], bool]:
        """Add or change peers; return them, and whether anything is new."""
        before = {peer.device: peer for peer in self._store.peers()}
        added: list[Peer] = []
        for peer in named:
            known = before.get(peer.device, peer)
            added.append(
                replace(
                    known,
                    box_public=peer.box_public,
                    addresses=addresses or peer.addresses or known.addresses,
                    name=name or known.name or peer.name,
                )
            )
        new = [peer for peer in added if before.get(peer.device) != peer]
        for peer in new:
            self._store.put_peer(peer)
        if new:
            self._links.interest_changed()
        return added, bool(new)

    def _peer_views(self, peers: Sequence[Peer]) -> tuple[PeerView, ...]:
        identity = self._author.identity
        views = Views(self._store, identity)
        followed = {follow.identity for follow in self._store.follows(identity)}
        live = {link.device: link.clock for link in self._links.live()}
        return tuple(
            views.peer(
                peer,
                connected=peer.device in live,
                following=peer.identity in followed,
                clock=live.get(peer.device) or kept_clock(self._store, peer.device),
            )
            for peer in peers
        )


def token_for(store: NodeStore, device: bytes) -> bytes:
    """Return the token to show when dialling a node for the first time; empty: none."""
    return bytes.fromhex(store.setting(_token_setting(device)))


def forget_token(store: NodeStore, device: bytes) -> None:
    """Forget a token that was used, or whose node was removed."""
    if store.setting(_token_setting(device)):
        store.put_setting(_token_setting(device), "")


def _token_setting(device: bytes) -> str:
    return f"token.{device.hex()}"
