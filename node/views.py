"""What the node holds, as the structs that are shown."""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol.content import Content, Post, Profile, content_to_builtins, decode_content
from ..protocol.content import split_payload as content_bytes
from ..protocol.hashing import short_id
from ..store.base import HeldEntry, Identity, NodeStore, Peer, TimelinePost
from .clock import rfc3339
from .names import label
from .operations import EntryView, LinkField, PeerView, Person, PostView, ProfileView

_NO_POST = Post(text="")


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
        content = content_of(held)
        said = content if isinstance(content, Post) else None
        shown = said or _NO_POST
        root = shown.root or shown.reply_to
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
            reply_to=shown.reply_to.hex() if shown.reply_to else None,
            root=root.hex() if root else None,
            expire_ms=entry.expire_ms,
            attachments=len(shown.attachments),
        )

    def entry(self, held: HeldEntry) -> EntryView:
        """Return one entry with everything that was signed."""
        entry = held.entry
        content = content_of(held)
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
        )

    def peer(self, peer: Peer, *, connected: bool, following: bool) -> PeerView:
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
        )
