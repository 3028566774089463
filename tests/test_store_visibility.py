"""Posts leave the views of a store and come back: both stores show the same."""

# The switch has no name of its own in the interface of stores: what uses it has.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.store.base import NodeStore
from slowlight.store.memory import MemoryStore
from slowlight.store.sqlite import SqliteStore
from slowlight.store.sqlite_visibility import hide, show
from tests.people import Person
from tests.stores import OpenStore, any_order, meet, posts_of, show_everything, take


def switch(store: NodeStore, person: Person, seqs: Iterable[int], *, on: bool) -> None:
    """Hide or show posts of a person, whichever store it is."""
    if isinstance(store, MemoryStore):
        log = store._logs[posts_of(person)]
        (store._posts.show if on else store._posts.hide)(log, seqs)
        return
    assert isinstance(store, SqliteStore)
    database = store.database
    (log_n,) = database.row(
        "SELECT l.n FROM log AS l JOIN device AS d ON d.n = l.device"
        " WHERE d.key = ? AND l.channel = 1",
        (person.device,),
    )
    with database.writing():
        for seq in seqs:
            (show if on else hide)(database, log_n, seq, seq)


def views(store: NodeStore) -> dict[str, Any]:
    """Return what every view shows."""
    timeline = store.timeline(limit=1_000)
    ids = [post.held.entry.id for post in timeline]
    show_everything(store)
    return {
        "timeline": ids,
        "orders": [post.order_ms for post in timeline],
        "arrived": [post.held.entry.id for post in store.arrived(after=0, limit=1_000)],
        "count": store.count_arrived(after=0),
        "posts": store.totals().posts,
        "behind": store.search("storm", limit=1).behind,
        "found": {post.held.entry.id for post in store.search("storm", limit=1_000).posts},
        "threads": [
            [post.held.entry.id for post in store.thread(each, limit=1_000)] for each in ids
        ],
        "newest": store.newest_arrival() == max((post.n for post in timeline), default=0),
    }


@pytest.mark.parametrize("indexed_before", [False, True])
def test_a_hidden_post_is_in_no_view_and_still_held(store: NodeStore, indexed_before: bool) -> None:
    """Whether the search index had read it or reads on past it afterwards."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    question = ada.post("a storm from the north")
    answer = bob.post("what storm?", reply_to=question.id)
    take(store, ada.run(), bob.run())
    before = views(store) if indexed_before else None

    switch(store, ada, [0], on=False)
    switch(store, ada, [0], on=False)
    hidden = views(store)
    assert hidden["timeline"] == hidden["arrived"] == [answer.id]
    assert hidden["found"] == {answer.id}
    assert (hidden["count"], hidden["posts"], hidden["behind"]) == (1, 1, 0)
    assert [post.held.entry.id for post in store.thread(question.id, limit=9)] == [answer.id]
    held = store.entry(question.id)
    assert held is not None
    assert held.entry == question

    switch(store, ada, [0], on=True)
    switch(store, ada, [0], on=True)
    again = views(store)
    assert again["timeline"] == [answer.id, question.id]
    assert again["found"] == {question.id, answer.id}
    assert before in (None, again)


def test_a_post_without_its_payload_does_not_come_back(store: NodeStore) -> None:
    """A stub is no post, whatever it may have been."""
    ada = Person(1)
    meet(store, ada)
    ada.posts(3)
    take(store, ada.run(stubs={1}))
    switch(store, ada, range(3), on=False)
    switch(store, ada, range(3), on=True)
    assert views(store)["timeline"] == [ada.log()[2].id, ada.log()[0].id]


@any_order
@given(switches=st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=20))
def test_whatever_is_switched_the_views_agree(
    open_store: OpenStore, switches: list[tuple[int, bool]]
) -> None:
    """Only the last word about a post counts, and answers never stand before what they answer."""
    store, ada = open_store(), Person(1)
    meet(store, ada)
    last = ada.post("storm", t_ms=ada.now_ms + 10**9)
    for n in range(11):
        last = ada.post(f"storm {n}", reply_to=last.id if n % 3 else None)
    take(store, ada.run(first=0, last=5))
    show_everything(store)
    take(store, ada.run(first=6))
    for seq, on in switches:
        switch(store, ada, [seq], on=on)
    shown = {ada.log()[seq].id for seq in range(12) if dict(switches).get(seq, True)}
    seen = views(store)
    assert seen["found"] == set(seen["timeline"]) == set(seen["arrived"]) == shown
    assert seen["count"] == seen["posts"] == len(shown)
    assert seen["behind"] == 0
    assert seen["newest"]
    orders = {post.held.entry.id: post.order_ms for post in store.timeline(limit=100)}
    parents = [(ada.log()[n].id, ada.log()[n + 1].id) for n in range(11) if n % 3]
    for parent, answer in parents:
        assert not {parent, answer} <= shown or orders[parent] < orders[answer]
    switch(store, ada, range(12), on=True)
    fresh = open_store()
    meet(fresh, ada)
    take(fresh, ada.run())
    assert set(views(store)["timeline"]) == set(views(fresh)["timeline"])
