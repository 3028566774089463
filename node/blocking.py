"""Blocking people: nothing of theirs is stored or passed on from then on."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.content import Block, Withdraw
from ..protocol.content_fields import MAX_IDS
from ..protocol.entry import CHANNEL_IDENTITY
from ..store.base import NodeStore
from .author import Author
from .blocking_operations import (
    BlockOutcome,
    BlockRequest,
    BlockResult,
    BlocksRequest,
    BlocksResult,
    BlockView,
    UnblockRequest,
)
from .blocks import Standing, work_out_blocks
from .clock import WallClock
from .errors import Code, ServiceError
from .links import Links
from .names import find_who
from .views import Views


class Blocking:
    """The operations about blocks."""

    def __init__(self, store: NodeStore, author: Author, links: Links, *, clock: WallClock) -> None:
        self._store = store
        self._author = author
        self._links = links
        self._clock = clock

    def block(self, request: BlockRequest) -> BlockResult:
        """Block people: all in one commit, and nobody twice."""
        meant = [find_who(self._store, who).identity for who in request.who]
        if self._author.identity in meant:
            raise ServiceError(Code.INVALID, "a node cannot block itself", "name someone else")
        before = self._standing()
        new = [identity for identity in dict.fromkeys(meant) if identity not in before]
        if new:
            contents = [Block(identity=identity, reason=request.reason) for identity in new]
            self._write(contents)
        return self._outcomes(meant, new)

    def unblock(self, request: UnblockRequest) -> BlockResult:
        """Take blocks back: one withdrawal for all."""
        meant = [find_who(self._store, who).identity for who in request.who]
        before = self._standing()
        gone = [identity for identity in dict.fromkeys(meant) if identity in before]
        named = [bytes.fromhex(each) for identity in gone for each in before[identity].entries]
        if named:
            starts = range(0, len(named), MAX_IDS)
            self._write([Withdraw(entries=tuple(named[at : at + MAX_IDS])) for at in starts])
        return self._outcomes(meant, gone)

    def blocks(self, _request: BlocksRequest) -> BlocksResult:
        """Return whom this node blocks."""
        views = Views(self._store, self._author.identity)
        standing = self._standing()
        return BlocksResult(
            blocks=tuple(
                BlockView(person=views.person(identity), reason=standing[identity].reason)
                for identity in sorted(standing)
            )
        )

    def _standing(self) -> dict[bytes, Standing]:
        return work_out_blocks(self._store, self._author.identity, self._clock())

    def _write(self, contents: Sequence[Block | Withdraw]) -> None:
        self._author.write(CHANNEL_IDENTITY, list(contents))
        self._standing()
        self._links.interest_changed()

    def _outcomes(self, meant: Sequence[bytes], changed: Sequence[bytes]) -> BlockResult:
        views = Views(self._store, self._author.identity)
        return BlockResult(
            outcomes=tuple(
                BlockOutcome(person=views.person(identity), changed=identity in changed)
                for identity in meant
            )
        )
