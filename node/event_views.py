"""What the event stream of the API tells. The conventions are those of `operation`.

Each event has a name; its data is one of these, or a `PostView` for ``post``.
"""

from __future__ import annotations

from typing import Final, Literal

from .operation import SCHEMA, Person, PostView, View


class HelloEvent(View, frozen=True):
    """``hello``: the first event of each stream."""

    schema: Literal[1] = SCHEMA
    after: int = 0
    """Posts with ``n`` above this follow."""
    reset: bool = False
    """The number asked for was never given here (the database is another one); read anew."""


class ArrivedEvent(View, frozen=True):
    """``arrived``: entries were committed, of any kind: posts (told one by one before), edits,
    deletions, profiles, follows. What was asked before may be out of date."""

    arrival: int
    """Number of the newest entry."""
    posts: int
    """How many of them were posts."""


class LinkEvent(View, frozen=True):
    """``link``: something happened to the session with a peer."""

    peer: Person
    device: str
    address: str
    state: Literal["up", "in_sync", "exchanging", "down"]


class DroppedEvent(View, frozen=True):
    """``dropped``: the last event for a listener that was too slow; it connects again, with the
    last id that it has seen."""

    reason: str


EVENTS: Final[dict[str, type[View]]] = {
    "hello": HelloEvent,
    "post": PostView,
    "arrived": ArrivedEvent,
    "link": LinkEvent,
    "dropped": DroppedEvent,
}
