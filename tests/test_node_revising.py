"""What was written is taken back or written anew, through the socket and without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from slowlight.node.bodies import look_after_bodies
from slowlight.node.client import Client
from slowlight.node.direct import DirectClient
from slowlight.node.errors import Code, ServiceError
from slowlight.node.logs import no_log
from slowlight.node.operation import PostView
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.post_operations import (
    DELETE,
    EDIT,
    POST,
    READ,
    SEARCH,
    SHOW,
    THREAD,
    DeleteRequest,
    EditRequest,
    PostRequest,
    ReadRequest,
    SearchRequest,
    ShowRequest,
    ThreadRequest,
)
from slowlight.node.sessions import Bell
from slowlight.protocol.content import Delete, decode_content, split_payload
from slowlight.protocol.entry import CHANNEL_POSTS
from tests.nodes import NodeHome, RecordedLinks, make_home, served, service_of
from tests.people import START_MS, Person
from tests.stores import take


@dataclass
class Node:
    """One node under test, whichever way it is called."""

    client: Client
    made: NodeHome

    def post(self, text: str, **fields: str | int) -> PostView:
        """Write a post a while after the one before."""
        self.made.clock.now_ms += 1_000
        request = PostRequest(text=text, **fields)  # type: ignore[arg-type]
        return self.client.call(POST, request).post


@pytest.fixture(params=["direct", "socket"])
def ada(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """Ada's node: called in this process, or through the socket of another thread."""
    made = make_home(tmp_path / "ada", 1, "Ada")
    service = service_of(made, RecordedLinks())
    if request.param == "direct":
        yield Node(DirectClient(service), made)
        return
    with served(service, tmp_path / "s") as client:
        yield Node(client, made)


def test_deleted_posts_are_gone_and_say_so(ada: Node) -> None:
    """By which entry, when and why; answers stay and say that what they answer was deleted."""
    post = ada.post("A storm.")
    answer = ada.post("Which storm?", reply_to=post.id)
    edited = ada.client.call(EDIT, EditRequest(id=post.id, text="A tempest.")).post
    assert edited.id == post.id
    result = ada.client.call(DELETE, DeleteRequest(ids=(post.short_id,), reason="nobody was hurt"))
    assert [(each.id, each.already) for each in result.entries] == [(post.id, False)]
    assert result.off_disk
    assert [each.id for each in ada.client.call(READ, ReadRequest(scope="all")).posts] == [
        answer.id
    ]
    assert ada.client.call(SEARCH, SearchRequest(query="tempest")).posts == ()
    shown = ada.client.call(SHOW, ShowRequest(id=post.id))
    assert shown.post is None
    assert (shown.entry.gone, shown.entry.reason) == ("deleted", "nobody was hurt")
    assert (shown.entry.deleted_by,) == result.ordered_by
    assert shown.entry.deleted_ms == ada.made.clock.now_ms
    thread = ada.client.call(THREAD, ThreadRequest(id=answer.id))
    assert (thread.root, thread.root_deleted, thread.root_held) == (post.id, True, False)
    assert [at.post.parent_deleted for at in thread.posts] == [True]
    assert not ada.client.call(STATUS, StatusRequest()).purge_due


def test_a_deletion_names_the_edits_that_are_known(ada: Node) -> None:
    """For nodes that hold them as stubs and cannot know what they are; neighbours are joined."""
    post = ada.post("A storm.")
    ada.client.call(EDIT, EditRequest(id=post.id, text="A tempest."))
    ada.client.call(EDIT, EditRequest(id=post.id, text="A hurricane."))
    (order,) = ada.client.call(DELETE, DeleteRequest(ids=(post.id,))).ordered_by
    held = ada.made.store.entry(bytes.fromhex(order))
    assert held is not None
    assert held.entry.payload is not None
    content = decode_content(split_payload(held.entry.payload), CHANNEL_POSTS)
    assert isinstance(content, Delete)
    assert [(each.first, each.last, each.device) for each in content.ranges] == [(0, 2, None)]


def test_deleting_twice_writes_nothing(ada: Node) -> None:
    """It says "already", and that is no error."""
    one, two = ada.post("one"), ada.post("two")
    ada.client.call(DELETE, DeleteRequest(ids=(one.id,)))
    result = ada.client.call(DELETE, DeleteRequest(ids=(one.id, two.id, two.short_id)))
    assert [(each.id, each.already) for each in result.entries] == [(one.id, True), (two.id, False)]
    assert len(result.ordered_by) == 1
    assert ada.client.call(DELETE, DeleteRequest(ids=(one.id,))).ordered_by == ()


def test_an_edit_is_shown_in_place_of_the_post(ada: Node) -> None:
    """What is not given stays; versions are there for whoever asks."""
    post = ada.post("Dust on the window.", title="Sol 12", language="en")
    ada.made.clock.now_ms += 5_000
    result = ada.client.call(
        EDIT, EditRequest(id=post.short_id, text="Dust on both windows.", note="counted again")
    )
    assert result.changed
    (shown,) = ada.client.call(READ, ReadRequest(scope="all")).posts
    assert shown == result.post
    assert (shown.text, shown.title, shown.language) == ("Dust on both windows.", "Sol 12", "en")
    assert (shown.edit_note, shown.edited_ms) == ("counted again", ada.made.clock.now_ms)
    assert (shown.claimed_ms, shown.order_ms) == (post.claimed_ms, post.order_ms)
    assert [each.id for each in ada.client.call(SEARCH, SearchRequest(query="both")).posts] == [
        post.id
    ]
    versions = ada.client.call(SHOW, ShowRequest(id=post.id, versions=True)).versions
    assert [each.text for each in versions] == ["Dust on the window.", "Dust on both windows."]
    same = ada.client.call(EDIT, EditRequest(id=post.id, text="Dust on both windows."))
    assert not same.changed


def test_only_the_author_changes_a_post(ada: Node) -> None:
    """Neither others' posts, nor what is no post, nor what is gone; each error says what to do."""
    bob = Person(5)
    theirs = bob.post("mine")
    take(ada.made.store, bob.verified_ident(), bob.run(), received_ms=START_MS + 1)
    gone = ada.post("gone")
    (order,) = ada.client.call(DELETE, DeleteRequest(ids=(gone.id,))).ordered_by
    device = ada.made.home.keys.device_keys().device
    refused = [
        (EDIT, EditRequest(id=theirs.id.hex(), text="yours"), "only its author", Code.INVALID),
        (DELETE, DeleteRequest(ids=(theirs.id.hex(),)), "only its author", Code.INVALID),
        (DELETE, DeleteRequest(ids=("0" * 64,)), "no entry", Code.NOT_FOUND),
        (DELETE, DeleteRequest(ids=(order,)), "it stays", Code.INVALID),
        (EDIT, EditRequest(id=gone.id, text="back"), "was deleted", Code.INVALID),
        (EDIT, EditRequest(id=order, text="back"), "it stays", Code.INVALID),
        (EDIT, EditRequest(id=gone.id, text=" "), "was deleted", Code.INVALID),
    ]
    for operation, request, message, code in refused:
        with pytest.raises(ServiceError, match=message) as failed:
            ada.client.call(operation, request)  # type: ignore[arg-type]
        assert failed.value.code is code
    assert ada.made.store.identity_of(device) is not None


def test_an_edit_lives_no_longer_than_the_post(ada: Node) -> None:
    """It is given what remains."""
    post = ada.post("short", expire_ms=10_000)
    ada.made.clock.now_ms += 4_000
    ada.client.call(EDIT, EditRequest(id=post.id, text="shorter"))
    version = ada.made.store.versions(bytes.fromhex(post.id))[-1]
    assert version.entry.expire_ms == 6_000


def test_a_daemon_sleeps_until_a_life_ends(tmp_path: Path) -> None:
    """And drops it then; what comes meanwhile with a shorter life wakes it."""
    made = make_home(tmp_path / "ada", 1, "Ada")
    node = Node(DirectClient(service_of(made, RecordedLinks())), made)
    started_ms = made.clock.now_ms

    async def scene() -> None:
        stored = Bell()
        began = trio.current_time()

        def clock() -> int:
            return started_ms + 1_000 + int(1_000 * (trio.current_time() - began))

        async with trio.open_nursery() as nursery:
            node.post("an hour", expire_ms=3_600_000)
            nursery.start_soon(lambda: look_after_bodies(made.store, stored, no_log(), clock=clock))
            await trio.sleep(60)
            made.clock.now_ms = clock() - 1_000
            node.post("a minute", expire_ms=60_000)
            stored.ring()
            await trio.sleep(59)
            assert len(made.store.timeline()) == 2
            await trio.sleep(2)
            assert len(made.store.timeline()) == 1
            await trio.sleep(3_600)
            assert made.store.timeline() == []
            nursery.cancel_scope.cancel()

    trio.run(scene, clock=MockClock(autojump_threshold=0))
