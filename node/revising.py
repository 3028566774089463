"""Operations that change what was written: deletions and edits of own posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..protocol.content import Delete, Edit, EntryRange, Post
from ..protocol.content_fields import MAX_IDS
from ..protocol.deletion import is_lasting
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from ..protocol.hashing import short_id
from ..store.base import HeldEntry, LogKey, NodeStore
from ..store.marks import MarkKind
from .author import Author
from .clock import WallClock
from .errors import Code, ServiceError
from .names import check_own_line, find_entry
from .post_operations import DeletedEntry, DeleteRequest, DeleteResult, EditRequest, EditResult
from .reading import Reading
from .views import Views, content_of
from .writing import require_text

_PURGE_STEPS: Final = 4
"""Steps of a purge that a deletion does itself; the rest is done in the background."""


class Revising:
    """Takes back and rewrites what this identity wrote, on whichever of its devices."""

    def __init__(
        self, store: NodeStore, author: Author, reading: Reading, *, clock: WallClock
    ) -> None:
        self._store = store
        self._author = author
        self._reading = reading
        self._clock = clock

    def delete(self, request: DeleteRequest) -> DeleteResult:
        """Order own entries to be deleted, in as few entries as hold their names."""
        check_own_line("reason", request.reason)
        named = {held.entry.id: held for held in map(self._own_entry, request.ids)}
        gone = {entry_id: held for entry_id, held in named.items() if self._is_deleted(held)}
        wanted = [held for entry_id, held in named.items() if entry_id not in gone]
        edits = [edit for held in wanted for edit in self._store.versions(held.entry.id)[1:]]
        ranges = _ranges(self._author.device, [*wanted, *edits])
        orders = [
            Delete(tuple(ranges[start : start + MAX_IDS]), request.reason)
            for start in range(0, len(ranges), MAX_IDS)
        ]
        written: list[bytes] = []
        if orders:
            written = [entry.id for entry in self._author.write(CHANNEL_POSTS, orders)]
        is_off_disk = not purged(self._store, _PURGE_STEPS)
        return DeleteResult(
            entries=tuple(
                DeletedEntry(
                    id=entry_id.hex(),
                    short_id=short_id(entry_id),
                    already=entry_id in gone,
                )
                for entry_id in named
            ),
            ordered_by=tuple(order.hex() for order in written),
            off_disk=is_off_disk,
        )

    def edit(self, request: EditRequest) -> EditResult:
        """Write a new version of an own post; what is not given stays as it was."""
        check_own_line("note", request.note)
        held = self._own_entry(request.id)
        post = self._reading.post_of(held.entry.id)
        before = content_of((post.version or post.held) if post else held)
        first = content_of(held)
        if isinstance(before, Edit):
            before = before.post
        if post is None or not isinstance(before, Post) or not isinstance(first, Post):
            raise self._not_editable(held)
        require_text(request.text)
        changed = before.text != request.text or (
            request.title is not None and request.title != before.title
        )
        if changed:
            remaining_ms = held.entry.remaining_ms
            if held.entry.expire_ms:
                held_ms = max(0, self._clock() - held.received_ms)
                remaining_ms = max(1, held.entry.remaining_ms - held_ms)
            self._author.write(
                CHANNEL_POSTS,
                [self._edit(held, first, before, request)],
                expire_ms=remaining_ms if held.entry.expire_ms else 0,
            )
        shown = self._reading.post_of(held.entry.id)
        if shown is None:
            raise self._not_editable(held)
        return EditResult(
            post=Views(self._store, self._author.identity).post(shown), changed=changed
        )

    def _edit(self, held: HeldEntry, first: Post, before: Post, request: EditRequest) -> Edit:
        try:
            post = Post(
                text=request.text,
                reply_to=first.reply_to,
                root=first.root,
                language=before.language,
                mentions=before.mentions,
                tags=before.tags,
                title=before.title if request.title is None else request.title,
                warning=before.warning,
                place=before.place,
                attachments=before.attachments,
                media_type=before.media_type,
            )
            return Edit(target=held.entry.id, post=post, note=request.note)
        except ValueError as error:
            raise ServiceError(Code.INVALID, str(error), "shorten it") from error

    def _own_entry(self, reference: str) -> HeldEntry:
        """Return the entry that is meant, if this identity may change it."""
        held = find_entry(self._store, reference)
        short = short_id(held.entry.id)
        if held.identity != self._author.identity:
            who = Views(self._store, self._author.identity).person(held.identity).label
            raise ServiceError(
                Code.INVALID,
                f"{short} was written by {who}; only its author can change or delete it",
                "slowlight read --author yourself lists what you wrote",
            )
        payload = held.entry.payload
        lasting = payload is not None and is_lasting(held.log.channel, payload)
        if lasting or (held.log.channel == CHANNEL_IDENTITY and held.entry.seq == 0):
            raise ServiceError(
                Code.INVALID,
                f"{short} is needed to verify other entries, or orders a deletion: it stays",
            )
        return held

    def _is_deleted(self, held: HeldEntry) -> bool:
        mark = self._store.mark_of(held.log, held.entry.seq)
        return mark is not None and mark.kind is MarkKind.DELETED

    def _not_editable(self, held: HeldEntry) -> ServiceError:
        short = short_id(held.entry.id)
        if self._is_deleted(held):
            return ServiceError(Code.INVALID, f"{short} was deleted", "write it anew")
        content = content_of(held)
        if isinstance(content, Edit):
            target = short_id(content.target)
            return ServiceError(
                Code.INVALID,
                f"{short} is an edit; edit the post itself",
                f"slowlight edit {target}",
            )
        return ServiceError(
            Code.INVALID,
            f"{short} is no post whose text is here",
            f"slowlight show {short} tells what it is",
        )


def purged(store: NodeStore, steps: int) -> bool:
    """Do so many steps towards taking dropped texts off the disk; return whether any is left."""
    for _ in range(steps):
        if not store.purge():
            break
    return store.purge_due()


def _ranges(device: bytes, entries: Iterable[HeldEntry]) -> Sequence[EntryRange]:
    """Return the ranges that name these entries, neighbours joined."""
    places = sorted({(held.log, held.entry.seq) for held in entries})
    ranges: list[EntryRange] = []
    last_log: LogKey | None = None
    for log, seq in places:
        if ranges and log == last_log and ranges[-1].last == seq - 1:
            ranges[-1] = EntryRange(log.channel, ranges[-1].first, seq, ranges[-1].device)
        else:
            ranges.append(
                EntryRange(log.channel, seq, seq, None if log.device == device else log.device)
            )
        last_log = log
    return ranges
