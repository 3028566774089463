"""What a node left on its disk: a copy of it, opened and proven entry by entry."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slowlight.node.clock import system_clock
from slowlight.node.home import Home
from slowlight.protocol.content import Post, decode_content, split_payload
from slowlight.protocol.entry import CHANNEL_POSTS, Entry
from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.protocol.run import MAX_RUN_BYTES, open_run
from slowlight.store.base import LogKey, NodeStore, PageMark, TimelinePost
from slowlight.store.sqlite import SqliteStore
from slowlight.store.words import text_terms

_PAGE: Final = 500
_ALL: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Remains:
    """Everything that a store holds, after every entry of it was proven."""

    entries: frozenset[bytes]
    """Ids, of all logs."""
    posts: dict[bytes, str]
    """Texts by id, in the order of arrival."""
    client_keys: dict[str, bytes]
    """The post of each client key that was asked for and is known."""
    confirmed_by_peer: frozenset[bytes]
    """Newest entries of the logs of which the peer had confirmed everything."""


def copied(home: Home, directory: Path) -> Path:
    """Copy the database of a home that nobody uses; return where the copy is.

    The home itself is left as it is for its next start.
    """
    directory.mkdir()
    for part in home.path.glob(f"{home.database.name}*"):
        if not part.name.endswith("-shm"):  # an index of the log, which SQLite makes anew
            shutil.copy(part, directory)
    return directory / home.database.name


def examine(
    database: Path,
    people: Iterable[bytes],
    *,
    client_keys: Iterable[str] = (),
    peer: bytes = b"",
) -> Remains:
    """Prove everything that a node has left, and that its views tell the same.

    Args:
        people: everyone whose logs may be there.
        client_keys: those to look up.
        peer: device whose confirmations count as promised.
    """
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(SqliteStore(database)) as store:
        logs = {key: list(_proven(store, key)) for key in _logs(store, people)}
        entries = [entry for log in logs.values() for entry in log]
        said = (log for key, log in logs.items() if key.channel == CHANNEL_POSTS)
        posts = {entry.id: _text(entry) for log in said for entry in log}
        assert store.totals().entries == len(entries)
        _check_views(store, posts)
        found = {name: store.entry_of_client_key(name) for name in client_keys}
        remains = Remains(
            frozenset(entry.id for entry in entries),
            {post.held.entry.id: posts[post.held.entry.id] for post in _arrived(store)},
            {name: entry_id for name, entry_id in found.items() if entry_id is not None},
            frozenset(_confirmed(store, peer)),
        )
        assert len(remains.entries) == len(entries)
    return remains


def _logs(store: NodeStore, people: Iterable[bytes]) -> Iterator[LogKey]:
    roster = Roster(RosterRow(person, CHANNEL_POSTS, Depth.EVERYTHING, 0) for person in people)
    for state in store.states(roster):
        key = store.log_key(state.log)
        assert key is not None
        assert store.head(key).id == state.id
        yield key


def _proven(store: NodeStore, key: LogKey) -> Iterator[Entry]:
    """Yield every entry of a log, newest first, as the runs in which a peer would get it."""
    for held in reversed(store.held(key)):
        upper, trusted = held.last, None
        while upper >= held.first:
            run = store.read_run(
                key,
                held.first,
                upper,
                end_known=trusted is not None,
                max_bytes=MAX_RUN_BYTES,
                now_ms=system_clock(),
            )
            assert run is not None
            assert run.last == upper
            yield from reversed(open_run(run, trusted_end=trusted))
            upper, trusted = run.first - 1, run.prev


def _text(post: Entry) -> str:
    assert post.payload is not None
    content = decode_content(split_payload(post.payload), CHANNEL_POSTS)
    assert isinstance(content, Post)
    return content.text


def _check_views(store: NodeStore, posts: dict[bytes, str]) -> None:
    """Timeline, order of arrival and index each tell of every post exactly once."""
    shown = [post.held.entry.id for post in _timeline(store)]
    came = [post.held.entry.id for post in _arrived(store)]
    assert len(shown) == len(came) == store.count_arrived(after=0) == store.totals().posts
    assert set(shown) == set(came) == set(posts)
    while store.index_posts(_PAGE):
        pass
    assert store.totals().search_behind == 0
    for word in ("martians", "acknowledged"):
        found = [post.held.entry.id for post in store.search(word, limit=_ALL).posts]
        expected = {post for post, text in posts.items() if word in text_terms(text)}
        assert (len(found), set(found)) == (len(expected), expected)


def _timeline(store: NodeStore) -> Iterator[TimelinePost]:
    mark = None
    while page := store.timeline(before=mark, limit=_PAGE):
        yield from page
        mark = PageMark(page[-1].order_ms, page[-1].n)


def _arrived(store: NodeStore) -> list[TimelinePost]:
    return store.arrived(after=0, limit=_ALL)


def _confirmed(store: NodeStore, peer: bytes) -> Iterator[bytes]:
    """Yield the newest entries of logs that did not move since a peer said it has all of it."""
    memory = store.peer_memory(peer)
    roster = store.roster(memory.roster) if memory.acked else None
    if roster is None:
        return
    moved = {state.log for state in store.states(roster, since=memory.acked)}
    yield from (state.id for state in store.states(roster) if state.log not in moved)
