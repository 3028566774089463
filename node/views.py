"""What the node holds, as the structs that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from ..protocol.content import (
    Content,
    Delete,
    Edit,
    Post,
    Profile,
    content_to_builtins,
    decode_content,
)
from ..protocol.content import split_payload as content_bytes
from ..protocol.fork import ForkProof, Place, place_in
from ..protocol.hashing import short_id
from ..protocol.standing import Void
from ..store.base import HeldEntry, Identity, LogKey, NodeStore, Peer, TimelinePost
from ..store.marks import Mark, MarkKind
from .clock import rfc3339
from .names import label
from .operation import EntryView, ForkPlace, Person, PostView
from .peer_clocks import ClockNote
from .peer_operations import ClockView, PeerView
from .people_operations import LinkField, ProfileView
from .post_operations import VersionView

_NO_POST = Post(text="")
_VOID: Final[dict[Void, Literal["stranger", "forgotten", "ended", "off branch"]]] = {
    Void.STRANGER: "stranger",
    Void.FORGOTTEN: "forgotten",
    Void.ENDED: "ended",
    Void.OFF_BRANCH: "off branch",
}
_GONE: Final[Mapping[MarkKind, Literal["", "deleted", "expired", "evicted"]]] = {
    MarkKind.ORDERED: "",
    MarkKind.EVICTED: "evicted",
    MarkKind.EXPIRED: "expired",
    MarkKind.DELETED: "deleted",
}


def content_of(held: HeldEntry) -> Content | None:
    """Return what an entry says; None if its payload is gone or means nothing here."""
    if held.entry.payload is None:
        return None
    return decode_content(content_bytes(held.entry.payload), held.log.channel)


def profile_view(profile: Profile) -> ProfileView:
    """Return a profile as it is shown."""
    return ProfileView(
        name=profile.name,
        bio=profile.bio,
        languages=profile.languages,
        place=profile.place.path if profile.place else "",
        links=tuple(LinkField(url=link.url, title=link.title) for link in profile.links),
        tags=profile.tags,
        automated=profile.automated,
    )


class Views:
    """Makes the structs of one answer, and looks up each person once."""

    def __init__(self, store: NodeStore, own_identity: bytes) -> None:
        self._store = store
        self._own = own_identity
        self._people: dict[bytes, Person] = {}
        self._forks: dict[LogKey, ForkProof | None] = {}

    def person(self, identity: bytes) -> Person:
        """Return an identity as this reader knows it, be it only by its id."""
        known = self._people.get(identity)
        if known is None:
            known = self._people[identity] = self._look_up(identity)
        return known

    def _look_up(self, identity: bytes) -> Person:
        found = self._store.identity(identity) or Identity(identity, b"", "", "")
        return Person(
            identity=identity.hex(),
            short_id=short_id(identity),
            petname=found.petname,
            name=found.name,
            label=label(found),
            own=identity == self._own,
        )

    def posts(self, posts: Iterable[TimelinePost]) -> tuple[PostView, ...]:
        """Return posts in the order given."""
        return tuple(self.post(post) for post in posts)

    def post(self, post: TimelinePost) -> PostView:
        """Return one post."""
        held, entry = post.held, post.held.entry
        first = content_of(held)
        version = None if post.version is None else content_of(post.version)
        edit = version if isinstance(version, Edit) else None
        edited_ms = post.version.entry.t_ms if post.version and edit else 0
        said = edit.post if edit else first if isinstance(first, Post) else None
        shown = said or _NO_POST
        place = first if isinstance(first, Post) else _NO_POST
        root = place.root or place.reply_to
        return PostView(
            id=entry.id.hex(),
            short_id=short_id(entry.id),
            author=self.person(held.identity),
            device=held.log.device.hex(),
            seq=entry.seq,
            n=post.n,
            claimed=rfc3339(entry.t_ms),
            claimed_ms=entry.t_ms,
            received=rfc3339(held.received_ms),
            received_ms=held.received_ms,
            order_ms=post.order_ms,
            via=held.via,
            text=None if said is None else said.text,
            title=shown.title,
            language=shown.language,
            warning=shown.warning,
            tags=shown.tags,
            mentions=tuple(self.person(identity) for identity in shown.mentions),
            place=shown.place.path if shown.place else "",
            media_type=shown.media_type,
            reply_to=place.reply_to.hex() if place.reply_to else None,
            root=root.hex() if root else None,
            expire_ms=entry.expire_ms,
            attachments=len(shown.attachments),
            edited=rfc3339(edited_ms),
            edited_ms=edited_ms,
            edit_note=edit.note if edit else "",
            parent_deleted=place.reply_to is not None and self.is_deleted(place.reply_to),
            fork=self.fork_place(held),
        )

    def versions(self, entry_id: bytes) -> tuple[VersionView, ...]:
        """Return the versions of a post that are here, the one that is shown last."""
        found: list[VersionView] = []
        for held in self._store.versions(entry_id):
            content = content_of(held)
            said = content.post if isinstance(content, Edit) else content
            if isinstance(said, Post):
                found.append(
                    VersionView(
                        id=held.entry.id.hex(),
                        short_id=short_id(held.entry.id),
                        claimed=rfc3339(held.entry.t_ms),
                        claimed_ms=held.entry.t_ms,
                        title=said.title,
                        text=said.text,
                        note=content.note if isinstance(content, Edit) else "",
                    )
                )
        return tuple(found)

    def fork_place(self, held: HeldEntry) -> ForkPlace:
        """Say where an entry stands if its log is known to be forked."""
        if held.log not in self._forks:
            self._forks[held.log] = self._store.fork(held.log)
        proof = self._forks[held.log]
        if proof is None:
            return ""
        if place_in(proof, held.entry.seq) is Place.COMMON:
            return "common"
        is_selected = held.void is None and self._store.ending(held.log) is not None
        return "selected" if is_selected else "branch"

    def is_deleted(self, entry_id: bytes) -> bool:
        """Say whether the author of an entry deleted it, as far as is known here."""
        held = self._store.entry(entry_id)
        if held is None or held.entry.payload is not None:
            return False
        mark = self._mark(held)
        return mark is not None and mark.kind is MarkKind.DELETED

    def _mark(self, held: HeldEntry) -> Mark | None:
        return self._store.mark_of(held.log, held.entry.seq)

    def entry(self, held: HeldEntry) -> EntryView:
        """Return one entry with everything that was signed."""
        entry = held.entry
        content = content_of(held)
        mark = self._mark(held) if entry.payload is None else None
        order = self._store.entry(mark.ordered_by) if mark and mark.ordered_by else None
        ordered = None if order is None else content_of(order)
        deleted_ms = 0 if order is None else order.entry.t_ms
        return EntryView(
            id=entry.id.hex(),
            short_id=short_id(entry.id),
            author=self.person(held.identity),
            device=held.log.device.hex(),
            channel=held.log.channel,
            seq=entry.seq,
            prev=held.prev.hex(),
            claimed=rfc3339(entry.t_ms),
            claimed_ms=entry.t_ms,
            t_quality=entry.t_quality,
            lamport=entry.lamport,
            seen=tuple(cited.hex() for cited in entry.seen),
            expire_ms=entry.expire_ms,
            size_bytes=entry.size,
            payload_hash=entry.payload_hash.hex(),
            signature=None if held.signature is None else held.signature.hex(),
            received=rfc3339(held.received_ms),
            received_ms=held.received_ms,
            via=held.via,
            content=None if content is None else content_to_builtins(content),
            gone="" if mark is None else _GONE[mark.kind],
            deleted_by=mark.ordered_by.hex() if mark and mark.ordered_by else None,
            deleted=rfc3339(deleted_ms),
            deleted_ms=deleted_ms,
            reason=ordered.reason if isinstance(ordered, Delete) else "",
            void="" if held.void is None else _VOID[held.void.why],
            voided_by=held.void.record.hex() if held.void and held.void.record else None,
            fork=self.fork_place(held),
        )

    def peer(
        self, peer: Peer, *, connected: bool, following: bool, clock: ClockNote | None
    ) -> PeerView:
        """Return one peer."""
        return PeerView(
            person=self.person(peer.identity),
            device=peer.device.hex(),
            box_public=peer.box_public.hex(),
            addresses=peer.addresses,
            name=peer.name,
            last_contact=rfc3339(peer.last_contact_ms),
            last_contact_ms=peer.last_contact_ms,
            connected=connected,
            following=following,
            clock=clock
            and ClockView(
                ahead_ms=clock.ahead_ms,
                error_ms=clock.error_ms,
                noted=rfc3339(clock.noted_ms),
                noted_ms=clock.noted_ms,
            ),
        )
