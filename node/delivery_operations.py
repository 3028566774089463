"""Operations that tell who has what: where an entry is, how fresh each person is, what waits.

The conventions are those of `operation`. Nothing here is claimed that is not known: a peer has an
entry if it wrote it, handed it over, answered it, or confirmed that it lacks nothing.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from .operation import EntryRef, EntryView, Operation, Person, Request, Result, View

Knowledge: TypeAlias = Literal[
    "wrote", "brought", "answered", "confirmed", "sent", "waiting", "not_wanted", "unknown"
]
"""What is known of an entry and someone. ``wrote``, ``brought``, ``answered`` (an entry of that
device names it) and ``confirmed`` (it lacked nothing that it wants, this entry among it) say that
it was there. ``sent``: and not confirmed. ``waiting``: it will be offered at the next contact.
``not_wanted``: as far as is known, that node does not follow the author. ``unknown``: see ``why``.
"""

Why: TypeAlias = Literal[
    "",
    "never_met",
    "no_contact_since",
    "exchanging",
    "calls_us",
    "no_link",
    "partial",
    "void",
    "fork",
    "blocked",
]
"""Why it may not be there.

``never_met``: no session with that node ever came about. ``no_contact_since``: the last one was
before this entry was here. ``exchanging``: a link is open and not done. ``calls_us``: no address of
it is known, it has to call. ``no_link``: it follows the author, but this node talks to none of its
devices; others may carry it. ``partial``: it keeps only the newest entries or headers of that log.
``void``: the entry does not count and is sent to nobody. ``fork``: it stands on a branch of a
forked log, and about those nothing is confirmed. ``blocked``: this node blocks the author, and
passes on nothing of theirs."""


class TraceRequest(Request, frozen=True):
    """Where is an entry?"""

    id: EntryRef


class HolderView(View, frozen=True):
    """What is known of an entry and one device of someone."""

    person: Person
    device: str
    """Empty: it is known of the person, not of which of its devices."""
    name: str
    """Of the device, as its owner or the reader calls it; empty if nobody named it."""
    knowledge: Knowledge
    why: Why
    since: str
    since_ms: int
    """Since when it is known, by this node's clock; 0 where nothing is known."""
    connected: bool
    last_contact: str
    last_contact_ms: int
    """When a session with this device last ended well; 0: never, or it is no peer."""


class TraceResult(Result, frozen=True):
    """Where an entry is, as far as this node knows."""

    entry: EntryView
    arrival: int
    """Number by which it arrived here; 0: kept beside its log, on another branch."""
    brought_by: Person | None
    """Who handed it over; None: written here, or not known any more."""
    holders: tuple[HolderView, ...]
    """Those who have it first, then those who may not have it yet."""
    more: int
    """Followers of the author with whom this node has no link, besides those named."""


class FreshView(View, frozen=True):
    """How fresh what is here of one person is."""

    person: Person
    as_of: str
    as_of_ms: int
    """When one of that person's own devices last had nothing that was missing here, by this
    node's clock; 0: never, what is here came by others."""
    newest: str
    newest_ms: int
    """When the newest entry of that person is dated, as the author says; 0: nothing is here."""
    received: str
    received_ms: int
    """When that entry came."""
    missing: int
    """Entries known to exist that are not here, in gaps below the newest ones."""


class WaitingView(View, frozen=True):
    """What waits for one peer."""

    person: Person
    device: str
    name: str
    connected: bool
    known: bool
    """Whether it is known what that node wants; it tells at the first contact."""
    entries: int
    """Entries that it wants, as far as is known, and has not confirmed."""
    last_contact: str
    last_contact_ms: int


TRACE: Final = Operation("trace", TraceRequest, TraceResult)

DELIVERY_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (TRACE,)
