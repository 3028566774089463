"""What the contract tests of stores share: who is known, what is handed over, what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hypothesis import HealthCheck, settings

from slowlight.protocol.entry import CHANNEL_POSTS, CHANNEL_PRIVATE
from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.protocol.run import Run, decode_run
from slowlight.store.base import Item, LogKey, LogStore, NodeStore, Outcome
from tests.people import START_MS, Person

RECEIVED_MS: Final = START_MS + 400 * 86_400_000
"""When a store of tests receives, long after people wrote."""
VIA: Final = "ab" * 32

OpenStore = Callable[[], NodeStore]
"""Opens a new empty store; the test's end closes it."""

any_order = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""For properties that open their own stores; an example writes to a disk and takes its time."""


def posts_of(person: Person) -> LogKey:
    """Return the log of a person's public posts."""
    return LogKey(person.device, CHANNEL_POSTS)


def take(store: LogStore, *items: Item, received_ms: int = RECEIVED_MS) -> list[Outcome]:
    """Hand over a batch and return only what became of it."""
    answers = store.ingest(items, received_ms=received_ms, via=VIA)
    return [answer.outcome for answer in answers]


def meet(store: LogStore, *people: Person) -> None:
    """Let a store know people, and nothing of what they wrote."""
    take(store, *(person.verified_ident() for person in people))


def everything_of(*people: Person) -> Roster:
    """Return the interest in all that people write."""
    return Roster(
        RosterRow(identity, channel, Depth.EVERYTHING, 0)
        for identity in {person.identity for person in people}
        for channel in (CHANNEL_POSTS, CHANNEL_PRIVATE)
    )


def held_entries(store: LogStore, person: Person, channel: int = CHANNEL_POSTS) -> list[int]:
    """Return the sequence numbers that a store holds of a log."""
    spans = store.held(LogKey(person.device, channel))
    return [seq for first, last in spans for seq in range(first, last + 1)]


def holdings(store: NodeStore, *people: Person) -> dict[str, Any]:
    """Return all that a store shows of what people wrote, to be compared as a whole."""
    keys = [LogKey(p.device, channel) for p in people for channel in sorted(p.logs)]
    timeline = store.timeline(limit=10_000)
    return {
        "states": sorted(store.states(everything_of(*people))),
        "held": [(key, store.head(key), store.held(key)) for key in keys],
        "holes": sorted(store.holes(everything_of(*people))),
        "entries": [
            (found.log, found.identity, found.prev, found.entry, found.received_ms)
            for person in people
            for log in person.logs.values()
            for found in [store.entry(entry.id) for entry in log]
            if found
        ],
        "order": [(post.held.entry.id, post.order_ms) for post in timeline],
        "threads": [
            [answer.held.entry.id for answer in store.thread(post.held.entry.id, limit=1_000)]
            for post in timeline
        ],
        "follows": [store.follows(person.identity) for person in people],
        "names": [store.identity(person.identity) for person in people],
        "totals": replace(store.totals(), file_bytes=0, search_behind=0),
    }


def fetch(
    store: LogStore,
    key: LogKey,
    first: int,
    last: int,
    *,
    end_known: bool = False,
    max_bytes: int = 60_000,
    now_ms: int = RECEIVED_MS,
) -> list[Run]:
    """Ask a store for a range as a session does, over the wire.

    Only one entry that was asked for, with the stubs that prove it, may take more than
    ``max_bytes``.
    """
    runs: list[Run] = []
    while last >= first:
        run = store.read_run(
            key, first, last, end_known=end_known, max_bytes=max_bytes, now_ms=now_ms
        )
        if run is None:
            break
        body = run.encode()
        asked_for = min(last, run.last) - run.first + 1
        assert len(body) <= max_bytes or asked_for <= 1
        runs.append(decode_run(body))
        last, end_known = run.first - 1, True
    return runs


def show_everything(store: NodeStore) -> None:
    """Let the search index read all posts."""
    while store.index_posts(1_000):
        pass
