"""What an operation is, and the parts that the answers of many share.

The structs of these modules are the JSON of the API and of ``--json``. Ids are whole and in
lower-case hexadecimal; each has a short form beside it for people, which is never an authority.
Each time is there twice: Unix milliseconds (``*_ms``), and RFC 3339 in UTC, empty for 0 and for
claims outside the years 1 to 9999. Texts from peers stand here as they came: whoever shows them
makes them safe.

A *who* argument names an identity by its whole id, its short id or the beginning of it, the
reader's petname, the name in its profile, ``name@short-id``, or an invite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

SCHEMA: Final = 1
"""Version of this JSON: it rises when a field is taken away or changes its meaning."""

MAX_PAGE: Final = 500
"""Posts on one page: about 15 MB of JSON at the worst, 250 KB as people write."""
MAX_DELETED: Final = 1_000
"""Entries that are deleted at once."""
MAX_WHO: Final = 1_000
"""Names in one request."""
DAY_MS: Final = 86_400_000

PageLimit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Who = Annotated[str, Meta(min_length=1, max_length=4_096)]
WhoList = Annotated[tuple[Who, ...], Meta(min_length=1, max_length=MAX_WHO)]
EntryRef = Annotated[str, Meta(min_length=1, max_length=64)]
"""An entry by its whole id (64 hexadecimal digits), its short id or the beginning of that."""
Address = Annotated[str, Meta(min_length=1, max_length=300)]
"""``host:port``; an IPv6 host stands in brackets."""
Addresses = Annotated[tuple[Address, ...], Meta(max_length=16)]
Ms = Annotated[int, Meta(ge=0, le=2**62 - 1)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked; a field that the operation does not know is refused."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer."""


class Result(View, frozen=True, kw_only=True):
    """An answer."""

    schema: Literal[1] = SCHEMA


Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, R]):
    """One operation: ``POST /v1/<name>`` in the API."""

    name: str
    request: type[Q]
    result: type[R]


ForkPlace: TypeAlias = Literal["", "common", "branch", "selected"]
"""Where an entry of a forked log stands: below the fork and valid like any other; on one of the
branches, which say different things under one number; or on the one that its author named in
ending the log, and valid. Empty: no fork of its log is known."""


class Person(View, frozen=True):
    """An identity as this reader knows it."""

    identity: str
    short_id: str
    petname: str
    """The reader's own name for it; empty if none was given."""
    name: str
    """The name in its profile: a claim; empty if there is none."""
    label: str
    """How to show it: ``ada@k3v9-7qpm-x2da``, with the petname before the claimed name."""
    own: bool
    """Whether it is this node's identity."""


class PostView(View, frozen=True):
    """One post."""

    id: str
    short_id: str
    author: Person
    device: str
    seq: int
    n: int
    """Rises with the order of arrival here, from 1; 0: kept beside its log, on another branch."""
    claimed: str
    claimed_ms: int
    """When the author says it was written."""
    received: str
    received_ms: int
    """When this node committed it, by its own clock."""
    order_ms: int
    """Where it stands in reading order: never before what it answers."""
    via: str
    """``own``, or the identity that handed it over."""
    text: str | None
    """None: the post is known, its text is not here (expired, deleted or still to come)."""
    title: str
    language: str
    warning: str
    tags: tuple[str, ...]
    mentions: tuple[Person, ...]
    place: str
    """Path of where it was written, a claim: ``sol/earth/france/toulouse``."""
    media_type: str
    """Empty: plain text."""
    reply_to: str | None
    root: str | None
    """Entry that began the thread; None: this one did."""
    expire_ms: int
    """Lifetime from writing; 0: it does not expire."""
    attachments: int
    """How many files it names."""
    edited: str = ""
    edited_ms: int = 0
    """When the author says the version shown was written; 0: as first written."""
    edit_note: str = ""
    """What changed, in the author's words."""
    parent_deleted: bool = False
    """Whether its author deleted what this answers."""
    fork: ForkPlace = ""
    """Where it stands if its log forks; see `ForksRequest`."""


class EntryView(View, frozen=True):
    """One entry of a log, as signed."""

    id: str
    short_id: str
    author: Person
    device: str
    channel: int
    seq: int
    prev: str
    claimed: str
    claimed_ms: int
    t_quality: int
    """log2 of the clock uncertainty in ms that the author claims; 63: no clock."""
    lamport: int
    seen: tuple[str, ...]
    """Foreign entries that the author had been shown."""
    expire_ms: int
    size_bytes: int
    payload_hash: str
    signature: str | None
    """None: the entry is proven by a later one."""
    received: str
    received_ms: int
    via: str
    content: Any
    """The content as JSON, its kind in ``kind``; None if it is not here or not understood."""
    gone: Literal["", "deleted", "expired", "evicted"] = ""
    """Why the payload is not here and not wanted; empty: no reason."""
    deleted_by: str | None = None
    """Entry that ordered the deletion."""
    deleted: str = ""
    deleted_ms: int = 0
    """When the author says it was ordered."""
    reason: str = ""
    """Why it was deleted, in the author's words."""
    void: Literal["", "stranger", "forgotten", "ended", "off branch"] = ""
    """Why it does not count as said by its author; empty: it does."""
    voided_by: str | None = None
    """Hash of the signed record that voids it."""
    fork: ForkPlace = ""
    """Where it stands if its log forks; see `ForksRequest`."""


class ErrorBody(View, frozen=True):
    """What went wrong; see ``ServiceError``."""

    code: str
    message: str
    hint: str
    exit: int
    """Exit code of the command line."""
    candidates: tuple[str, ...] = ()


class ErrorResult(Result, frozen=True):
    """The answer where an operation failed."""

    error: ErrorBody
