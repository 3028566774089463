"""Content of channel 1: what people write, and what they say about what others wrote."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from .content_fields import (
    MAX_IDS,
    Attachment,
    Attachments,
    Channel,
    Id,
    Kind,
    Language,
    Line,
    LongText,
    MediaType,
    Paragraph,
    Part,
    Place,
    Seq,
    Tags,
    TimeMs,
    Uint,
    Word,
)


class Post(Part, frozen=True, tag=Kind.POST.value):
    """A short post, an article, an answer. How long it lives stands in the entry's header."""

    text: LongText
    reply_to: Id | None = None
    """Id of the entry that it answers."""
    root: Id | None = None
    """Id of the entry that began the thread; None where ``reply_to`` itself began it."""
    language: Language = ""
    mentions: Annotated[tuple[Id, ...], Meta(max_length=64)] = ()
    """Identities addressed; an answer names the author of what it answers first."""
    tags: Tags = ()
    title: Line = ""
    warning: Line = ""
    """What to be warned of before reading; empty: nothing."""
    place: Place | None = None
    """Where it was written."""
    attachments: Attachments = ()
    media_type: MediaType = ""
    """How the text is written; empty: plain text. ``text/markdown`` is the other in use."""


class Boost(Part, frozen=True, tag=Kind.BOOST.value):
    """Someone else's entry handed on; the signed original travels beside it."""

    original: Id
    author: Id
    """Identity of the original's author."""
    comment: LongText = ""
    language: Language = ""
    device: Id | None = None
    """Device that wrote the original: with ``seq``, what to ask a peer for."""
    seq: Seq = 0
    """Sequence number of the original in channel 1 of ``device``."""


class React(Part, frozen=True, tag=Kind.REACT.value):
    """A sign put to an entry, or taken away again."""

    target: Id
    symbol: Word
    """An emoji or a word."""
    remove: bool = False


class Edit(Part, frozen=True, tag=Kind.EDIT.value):
    """A new version of an own post; of several, the latest counts."""

    target: Id
    """Id of the entry with the first version, also where that was edited before."""
    post: Post
    note: Line = ""
    """What changed."""


class EntryRange(Part, frozen=True):
    """Entries ``first..last`` of one log, both included; empty if ``last`` is lower."""

    channel: Channel
    first: Seq
    last: Seq
    device: Id | None = None
    """A device of the same identity; None: the one that writes this."""


class Delete(Part, frozen=True, tag=Kind.DELETE.value):
    """Payloads of own entries are to be dropped, by whoever holds them."""

    ranges: Annotated[tuple[EntryRange, ...], Meta(max_length=MAX_IDS)]
    reason: Line = ""


class Label(Part, frozen=True, tag=Kind.LABEL.value):
    """A mark that readers may subscribe to: a warning, a rating, a checked fact."""

    target: Id
    """An entry, identity or attachment root, as ``target_kind`` says."""
    name: Word
    value: Word = ""
    note: Paragraph = ""
    language: Language = ""
    until_ms: TimeMs = 0
    """0: without end."""
    target_kind: Uint = 0
    """0 entry, 1 identity, 2 attachment; a label of another kind is ignored."""


class Collection(Part, frozen=True, tag=Kind.COLLECTION.value):
    """Entries in an order that someone chose, to be read from the beginning."""

    title: Line
    description: Paragraph = ""
    entries: Annotated[tuple[Id, ...], Meta(max_length=512)] = ()
    """512 ids take half a payload; an entry may itself be a collection."""
    language: Language = ""
    tags: Tags = ()
    replaces: Id | None = None
    """Id of the entry with the first version, if this is a later one."""
    cover: Attachment | None = None


PublicContent: TypeAlias = Post | Boost | React | Edit | Delete | Label | Collection
