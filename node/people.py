"""Operations about people: whom this node follows, and what the reader calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ..protocol.content import Follow, Withdraw, decode_content, split_payload
from ..protocol.content_fields import MAX_IDS
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry
from ..protocol.roster import Depth
from ..store.base import LogKey, NodeStore
from .author import Author
from .clock import WallClock
from .errors import Code, ServiceError
from .interest import MAX_FOLLOWS
from .links import Links
from .names import Meant, check_petname, find_who
from .peering import Peering
from .people_operations import (
    FollowDepth,
    FollowOutcome,
    FollowRequest,
    FollowResult,
    FollowsRequest,
    FollowsResult,
    FollowView,
    NameRequest,
    NameResult,
    UnfollowRequest,
    UnfollowResult,
)
from .views import Views
from .walk import newest_first

_CHANNELS: Final = (CHANNEL_POSTS,)
_EVERYTHING: Final = (int(Depth.EVERYTHING), 0)
_DEPTHS: Final[Mapping[int, FollowDepth]] = {
    Depth.EVERYTHING: "everything",
    Depth.NEWEST: "newest",
    Depth.STUBS: "headers",
}


class People:
    """Following and naming."""

    def __init__(
        self,
        store: NodeStore,
        author: Author,
        peering: Peering,
        links: Links,
        *,
        clock: WallClock,
    ) -> None:
        self._store = store
        self._author = author
        self._peering = peering
        self._links = links
        self._clock = clock

    def follow(self, request: FollowRequest) -> FollowResult:
        """Follow people: all in one commit, and nobody twice."""
        meant = [self._someone_else(who) for who in request.who]
        before = {
            follow.identity: (follow.depth, follow.n)
            for follow in self._store.follows(self._author.identity)
            if set(_CHANNELS) <= set(follow.channels)
        }
        asked = _depth_of(request)
        new = _without_doubles(
            [
                one.identity
                for one in meant
                if one.identity not in before or asked not in (None, before[one.identity])
            ]
        )
        if len(before.keys() | set(new)) > MAX_FOLLOWS:
            raise ServiceError(
                Code.INVALID,
                f"a node follows at most {MAX_FOLLOWS:,} identities",
                "slowlight unfollow someone first",
            )
        if new:
            depth, n = asked or _EVERYTHING
            contents = [Follow(identity=identity, depth=depth, n=n) for identity in new]
            self._author.write(CHANNEL_IDENTITY, contents)
            self._links.interest_changed()
        for one in meant:
            if one.invite is not None:
                self._peering.add_invited(one.invite)
        return FollowResult(outcomes=self._outcomes([one.identity for one in meant], new))

    def unfollow(self, request: UnfollowRequest) -> UnfollowResult:
        """Stop following people: one withdrawal for all."""
        meant = [find_who(self._store, who).identity for who in request.who]
        before = {follow.identity for follow in self._store.follows(self._author.identity)}
        gone = _without_doubles([identity for identity in meant if identity in before])
        if gone:
            standing = self._standing_follows(set(gone))
            withdrawals = [
                Withdraw(entries=tuple(standing[at : at + MAX_IDS]))
                for at in range(0, len(standing), MAX_IDS)
            ]
            self._author.write(CHANNEL_IDENTITY, withdrawals)
            self._links.interest_changed()
        return UnfollowResult(outcomes=self._outcomes(meant, gone))

    def follows(self, request: FollowsRequest) -> FollowsResult:
        """Return whom someone follows."""
        identity = (
            find_who(self._store, request.who).identity if request.who else self._author.identity
        )
        views = self._views()
        return FollowsResult(
            person=views.person(identity),
            follows=tuple(
                FollowView(
                    person=views.person(follow.identity),
                    channels=follow.channels,
                    depth=_DEPTHS.get(follow.depth, "everything"),
                    n=follow.n,
                    held=self._store.identity(follow.identity) is not None,
                )
                for follow in self._store.follows(identity)
            ),
        )

    def name(self, request: NameRequest) -> NameResult:
        """Give someone a petname, or take it away."""
        identity = find_who(self._store, request.who).identity
        if request.petname:
            check_petname(request.petname)
        try:
            self._store.set_petname(identity, request.petname)
        except ValueError as error:
            raise ServiceError(
                Code.INVALID, f"{request.petname!r} is the name of someone else", "take another"
            ) from error
        return NameResult(person=self._views().person(identity))

    def _someone_else(self, who: str) -> Meant:
        meant = find_who(self._store, who)
        if meant.identity == self._author.identity:
            raise ServiceError(
                Code.INVALID, f"{who!r} is this node's own identity", "name someone else"
            )
        return meant

    def _outcomes(
        self, meant: Sequence[bytes], changed: Sequence[bytes]
    ) -> tuple[FollowOutcome, ...]:
        views = self._views()
        new = set(changed)
        return tuple(
            FollowOutcome(person=views.person(identity), changed=identity in new)
            for identity in meant
        )

    def _standing_follows(self, identities: set[bytes]) -> list[bytes]:
        """Return the ids of every follow of these that no withdrawal of ours has named."""
        follows: list[bytes] = []
        withdrawn: set[bytes] = set()
        for entry in self._own_entries():
            if entry.payload is None:
                continue
            match decode_content(split_payload(entry.payload), CHANNEL_IDENTITY):
                case Follow(identity=identity) if identity in identities:
                    follows.append(entry.id)
                case Withdraw(entries=named):
                    withdrawn.update(named)
                case _:
                    pass
        return [entry_id for entry_id in follows if entry_id not in withdrawn]

    def _own_entries(self) -> Iterator[Entry]:
        """Yield what is held of channel 0 of the own identity, from every device."""
        for device in self._store.devices(self._author.identity):
            key = LogKey(device.device, CHANNEL_IDENTITY)
            yield from newest_first(self._store, key, self._clock())

    def _views(self) -> Views:
        return Views(self._store, self._author.identity)


def _depth_of(request: FollowRequest) -> tuple[int, int] | None:
    """Return depth and number of entries as they stand in a follow; None: none was asked for.

    Raises:
        ServiceError: the number of entries does not fit the depth (``invalid``).
    """
    if (request.depth == "newest") != (request.n > 0):
        raise ServiceError(
            Code.INVALID,
            "the newest entries need a number above 0, and nothing else has one",
            "slowlight follow WHO --depth 50",
        )
    if not request.depth:
        return None
    found = next(number for number, name in _DEPTHS.items() if name == request.depth)
    return int(found), request.n


def _without_doubles(identities: Sequence[bytes]) -> list[bytes]:
    return list(dict.fromkeys(identities))
