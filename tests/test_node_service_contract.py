"""Every operation does the same through the socket of a daemon as inside the own process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slowlight.node.blocking_operations import (
    BLOCK,
    BLOCKS,
    UNBLOCK,
    BlockRequest,
    BlocksRequest,
    UnblockRequest,
)
from slowlight.node.client import Client
from slowlight.node.db_operations import (
    DB_BACKUP,
    DB_SCRUB,
    DB_STATS,
    DbBackupRequest,
    DbScrubRequest,
    DbStatsRequest,
)
from slowlight.node.delivery_operations import TRACE, TraceRequest
from slowlight.node.direct import DirectClient
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.key_operations import ENACT, KEY_OPERATIONS, EnactRequest, RecordView
from slowlight.node.links import ExchangeEnd
from slowlight.node.operation import PostView
from slowlight.node.operations import OPERATIONS
from slowlight.node.pair_operations import PAIR, PAIR_ANSWER, PairAnswerRequest, PairRequest
from slowlight.node.peer_operations import (
    ADD_PEER,
    INVITE,
    PEERS,
    REMOVE_PEER,
    STATUS,
    SYNC,
    AddPeerRequest,
    InviteRequest,
    PeersRequest,
    RemovePeerRequest,
    StatusRequest,
    SyncCounts,
    SyncEvent,
    SyncRequest,
)
from slowlight.node.people_operations import (
    FOLLOW,
    FOLLOWS,
    FORKS,
    NAME,
    PERIODS,
    PROFILE,
    SET_PROFILE,
    UNFOLLOW,
    FollowRequest,
    FollowsRequest,
    ForksRequest,
    LinkField,
    NameRequest,
    PeriodsRequest,
    ProfileRequest,
    SetProfileRequest,
    UnfollowRequest,
)
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
from slowlight.protocol.content import Post, encode_content, make_payload
from slowlight.protocol.entry import CHANNEL_POSTS, sign_entry, write_entry
from slowlight.protocol.identity import Revocation, root_key, sign_revocation
from slowlight.protocol.invite import read_invite
from slowlight.protocol.run import build_run
from slowlight.store.base import LogKey, Outcome, Peer
from tests.nodes import NodeHome, RecordedLinks, make_home, served, service_of
from tests.owners import revoked, with_records
from tests.people import START_MS, Person
from tests.stores import take


@dataclass
class Node:
    """One node under test, whichever way it is called."""

    client: Client
    made: NodeHome
    links: RecordedLinks

    def post(self, text: str, reply_to: str = "") -> PostView:
        """Write a post."""
        return self.client.call(POST, PostRequest(text=text, reply_to=reply_to)).post

    def receive(self, person: Person) -> None:
        """Let everything that a person wrote arrive, as from a peer."""
        runs = [run for channel in person.logs for run in person.runs(channel)]
        take(self.made.store, person.verified_ident(), *runs, received_ms=person.now_ms + 1)
        self.made.clock.now_ms = max(self.made.clock.now_ms, person.now_ms + 2)


@pytest.fixture(params=["direct", "socket"])
def ada(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """Ada's node: called in this process, or through the socket of another thread."""
    made = make_home(tmp_path / "ada", 1, "Ada")
    links = RecordedLinks()
    service = service_of(made, links)
    if request.param == "direct":
        yield Node(DirectClient(service), made, links)
        return
    with served(service, tmp_path / "s") as client:
        yield Node(client, made, links)


def test_a_new_node_knows_itself(ada: Node) -> None:
    """Status shows the identity, the network's openness, and two entries: who and profile."""
    status = ada.client.call(STATUS, StatusRequest())
    assert status.person.own
    assert status.person.label == f"Ada@{status.person.short_id}"
    assert re.fullmatch(r"[0-9a-f]{64}", status.person.identity)
    assert (status.entries, status.posts, status.follows, status.unread) == (2, 0, 0, 0)
    assert (status.running, status.schema) == (False, 1)
    assert status.listening == ("127.0.0.1:4242",)


def test_a_post_is_there_as_soon_as_it_is_acknowledged(ada: Node) -> None:
    """It carries every field that was given, and peers are told."""
    written = ada.client.call(
        POST,
        PostRequest(
            text="Été sur Mars\nligne deux",
            title="Nouvelles",
            language="fr",
            tags=("#mars", "été", "mars"),
            warning="dust",
            place="sol/mars/jezero",
            expire_ms=86_400_000,
        ),
    )
    post = written.post
    assert not written.repeated
    assert (post.text, post.title, post.language) == ("Été sur Mars\nligne deux", "Nouvelles", "fr")
    assert (post.tags, post.warning, post.place) == (("mars", "été"), "dust", "sol/mars/jezero")
    assert (post.claimed_ms, post.expire_ms, post.via) == (START_MS, 86_400_000, "own")
    assert post.claimed == "2030-03-17T17:46:40.000Z"
    assert ada.links.told == ["store changed"]
    (read,) = ada.client.call(READ, ReadRequest(scope="all")).posts
    assert read == post


def test_a_retry_with_the_same_client_key_changes_nothing(ada: Node) -> None:
    """The first post comes back, whatever the second would have said."""
    first = ada.client.call(POST, PostRequest(text="once", client_key="k1"))
    again = ada.client.call(POST, PostRequest(text="twice", client_key="k1"))
    assert again.repeated
    assert again.post == first.post
    assert ada.client.call(STATUS, StatusRequest()).posts == 1


def test_an_answer_names_its_parent_its_root_and_whom_it_answers(ada: Node) -> None:
    """A thread of two authors is shown as a tree, siblings in reading order."""
    bob = Person(2)
    question = bob.post("How is the light up there?")
    ada.receive(bob)
    answer = ada.post("Slow.", reply_to=question.id.hex())
    assert answer.reply_to == answer.root == question.id.hex()
    assert [person.identity for person in answer.mentions] == [bob.identity.hex()]
    deeper = ada.post("And late.", reply_to=answer.short_id)
    assert (deeper.reply_to, deeper.root) == (answer.id, question.id.hex())
    beside = ada.post("Why?", reply_to=question.id.hex())
    thread = ada.client.call(THREAD, ThreadRequest(id=deeper.id))
    assert thread.root == question.id.hex()
    assert thread.root_held
    assert not thread.more
    assert [(one.depth, one.post.id) for one in thread.posts] == [
        (0, question.id.hex()),
        (1, answer.id),
        (2, deeper.id),
        (1, beside.id),
    ]


def test_reading_moves_on_and_begins_with_the_oldest(ada: Node) -> None:
    """What is new is shown once, in reading order; the own posts are no news."""
    bob = Person(2)
    texts = [f"post {number}" for number in range(5)]
    for text in texts:
        bob.post(text)
    ada.receive(bob)
    ada.post("mine")
    assert ada.client.call(STATUS, StatusRequest()).unread == 5
    first = ada.client.call(READ, ReadRequest(limit=3))
    assert ([post.text for post in first.posts], first.unread) == (texts[:3], 2)
    peek = ada.client.call(READ, ReadRequest(mark=False))
    assert [post.text for post in peek.posts] == texts[3:]
    rest = ada.client.call(READ, ReadRequest())
    assert ([post.text for post in rest.posts], rest.unread) == (texts[3:], 0)
    assert ada.client.call(READ, ReadRequest()).posts == ()


def test_what_was_read_is_cited_by_the_next_own_entry_and_by_no_other(ada: Node) -> None:
    """``seen`` names the newest entry of each log that the person was shown."""
    bob = Person(2)
    bob.post("one")
    newest = bob.post("two")
    ada.receive(bob)
    before = ada.client.call(SHOW, ShowRequest(id=ada.post("unread").id))
    ada.client.call(READ, ReadRequest())
    after = ada.client.call(SHOW, ShowRequest(id=ada.post("read").id))
    later = ada.client.call(SHOW, ShowRequest(id=ada.post("on").id))
    assert before.entry.seen == ()
    assert after.entry.seen == (newest.id.hex(),)
    assert after.entry.lamport > newest.lamport
    assert later.entry.seen == ()


def test_all_posts_come_in_pages_from_the_newest(ada: Node) -> None:
    """The mark of a page leads to the next one, until there is none."""
    texts = [ada.post(f"post {number}").text for number in range(5)]
    shown: list[str | None] = []
    before = ""
    for _ in range(3):
        page = ada.client.call(READ, ReadRequest(scope="all", limit=2, before=before))
        shown += [post.text for post in page.posts]
        before = page.next_before
    assert shown == texts[::-1]
    assert before == ""


def test_posts_of_one_person_are_read_by_name(ada: Node) -> None:
    """The petname is enough once it was given."""
    bob = Person(2)
    bob.post("from Bob")
    ada.receive(bob)
    ada.post("from Ada")
    ada.client.call(NAME, NameRequest(who=bob.identity.hex(), petname="bob"))
    page = ada.client.call(READ, ReadRequest(scope="all", author="bob"))
    assert [post.text for post in page.posts] == ["from Bob"]


def test_an_entry_is_shown_as_it_was_signed(ada: Node) -> None:
    """A short id, or the beginning of one, is enough to find it."""
    post = ada.post("look at me")
    shown = ada.client.call(SHOW, ShowRequest(id=post.short_id[:7]))
    assert shown.post == post
    assert shown.entry.content["kind"] == "post"
    assert shown.entry.content["text"] == "look at me"
    assert (shown.entry.channel, shown.entry.seq, shown.entry.prev) == (1, 0, "00" * 32)
    assert shown.entry.signature is not None


def test_search_finds_words_whatever_their_accents(ada: Node) -> None:
    """And says that it has read everything."""
    ada.post("La tempête est passée")
    ada.post("nothing of the kind")
    found = ada.client.call(SEARCH, SearchRequest(query="TEMPETE"))
    assert [post.text for post in found.posts] == ["La tempête est passée"]
    assert found.behind == 0


def test_following_many_is_one_commit_and_twice_is_fine(ada: Node) -> None:
    """Unfollowing takes back every follow; following again works after it."""
    who = tuple(bytes([number] * 32).hex() for number in range(1, 4))
    first = ada.client.call(FOLLOW, FollowRequest(who=who))
    assert [one.changed for one in first.outcomes] == [True] * 3
    assert ada.links.told == ["store changed", "interest changed"]
    again = ada.client.call(FOLLOW, FollowRequest(who=who[:1]))
    assert [one.changed for one in again.outcomes] == [False]
    gone = ada.client.call(UNFOLLOW, UnfollowRequest(who=who[:2]))
    assert [one.changed for one in gone.outcomes] == [True] * 2
    left = ada.client.call(FOLLOWS, FollowsRequest())
    assert [one.person.identity for one in left.follows] == [who[2]]
    back = ada.client.call(FOLLOW, FollowRequest(who=who[:1]))
    assert [one.changed for one in back.outcomes] == [True]
    assert len(ada.client.call(FOLLOWS, FollowsRequest()).follows) == 2
    assert [
        one.changed
        for one in ada.client.call(UnfollowThenAgain, UnfollowRequest(who=who[1:2])).outcomes
    ] == [False]


UnfollowThenAgain = UNFOLLOW


def test_whom_others_follow_can_be_asked(ada: Node) -> None:
    """Their follows are public entries."""
    bob = Person(2)
    bob.follow(b"c" * 32)
    ada.receive(bob)
    asked = ada.client.call(FOLLOWS, FollowsRequest(who=bob.identity.hex()))
    assert [one.person.identity for one in asked.follows] == [(b"c" * 32).hex()]


def test_a_fork_is_shown_with_both_branches(ada: Node) -> None:
    """Of others with a mark on each entry; of this device first, until it is closed."""
    bob = Person(2)
    bob.posts(2)
    twin = bob.forked(CHANNEL_POSTS, 1)
    twin.post("the other story")
    ada.receive(bob)
    assert ada.client.call(FORKS, ForksRequest()).forks == ()
    ada.receive(twin)
    (fork,) = ada.client.call(FORKS, ForksRequest(who=bob.identity.hex())).forks
    assert (fork.person.identity, fork.device) == (bob.identity.hex(), bob.device.hex())
    assert (fork.channel, fork.frozen_from, fork.kept) == (CHANNEL_POSTS, 1, 1)
    assert (fork.this, fork.closed, fork.person.own) == (False, False, False)
    assert {branch.id for branch in fork.branches} == {one.log()[1].id.hex() for one in (bob, twin)}
    assert all(branch.held for branch in fork.branches)
    page = ada.client.call(READ, ReadRequest(scope="all")).posts
    assert [post.fork for post in page] == ["branch", "common"]
    for person in (bob, twin):
        shown = ada.client.call(SHOW, ShowRequest(id=person.log()[1].id.hex()))
        assert shown.post is not None
        assert (shown.entry.fork, shown.post.fork) == ("branch", "branch")
        assert shown.entry.content["text"] == shown.post.text
    assert ada.client.call(STATUS, StatusRequest()).forks == 1

    fork_own_log(ada)
    mine, other = ada.client.call(FORKS, ForksRequest()).forks
    assert (mine.this, mine.person.own, mine.closed, other) == (True, True, False, fork)
    status = ada.client.call(STATUS, StatusRequest())
    assert (status.forks, status.own_forks) == (2, 1)


def test_a_forked_device_that_is_closed_needs_nothing_more(ada: Node) -> None:
    """Its own person's revocation is the end of it: what is below the fork stands."""
    bob = Person(2)
    bob.posts(2)
    twin = bob.forked(CHANNEL_POSTS, 1)
    twin.post("the other story")
    ada.receive(bob)
    ada.receive(twin)
    take(ada.made.store, with_records(bob, revoked(bob, (CHANNEL_POSTS, 0))))
    (fork,) = ada.client.call(FORKS, ForksRequest()).forks
    assert (fork.closed, fork.frozen_from) == (True, 1)
    (post,) = ada.client.call(READ, ReadRequest(scope="all")).posts
    assert (post.id, post.fork) == (bob.log()[0].id.hex(), "common")
    voided = ada.client.call(SHOW, ShowRequest(id=bob.log()[1].id.hex()))
    assert (voided.entry.void, voided.entry.fork, voided.post) == ("ended", "branch", None)


def test_closing_a_forked_device_takes_it_off_the_own_ones(ada: Node) -> None:
    """It is still listed, and status asks for nothing any more."""
    fork_own_log(ada)
    key = ada.made.home.keys.device_keys().signing
    identity = bytes.fromhex(ada.client.call(STATUS, StatusRequest()).person.identity)
    root = root_key(ada.made.home.keys.root_seed(), 0)
    body, signature = sign_revocation(root, Revocation(identity, 0, key.public, ()))
    record = RecordView(kind="revoke", body=body.hex(), signature=signature.hex())
    assert ada.client.call(ENACT, EnactRequest(records=(record,))).changed
    (fork,) = ada.client.call(FORKS, ForksRequest()).forks
    assert (fork.this, fork.closed) == (True, True)
    status = ada.client.call(STATUS, StatusRequest())
    assert (status.forks, status.own_forks) == (1, 0)


def fork_own_log(ada: Node) -> None:
    """Let a copy of the home write a second entry with the number of one that is here."""
    ada.post("one")
    key = ada.made.home.keys.device_keys().signing
    head = ada.made.store.head(LogKey(key.public, CHANNEL_POSTS))
    ada.post("two")
    payload = make_payload(bytes(16), encode_content(Post("written by the copy")))
    entry = write_entry(key.public, CHANNEL_POSTS, head, payload=payload, t_ms=START_MS)
    run = build_run(key.public, CHANNEL_POSTS, head.id, [entry], sign_entry(key.secret, entry.id))
    assert take(ada.made.store, run) == [Outcome.FORKED]


def test_a_profile_changes_field_by_field(ada: Node) -> None:
    """What is not given stays; saying the same again writes nothing."""
    links = (LinkField(url="https://example.net/ada", title="home"),)
    changed = ada.client.call(
        SET_PROFILE, SetProfileRequest(bio="I count.", languages=("en", "fr"), links=links)
    )
    assert changed.changed
    assert (changed.profile.name, changed.profile.bio) == ("Ada", "I count.")
    again = ada.client.call(SET_PROFILE, SetProfileRequest(bio="I count."))
    assert not again.changed
    assert again.entry == changed.entry
    shown = ada.client.call(PROFILE, ProfileRequest())
    assert shown.profile == changed.profile
    assert shown.profile.links == links
    empty = ada.client.call(PROFILE, ProfileRequest(who=(b"x" * 32).hex()))
    assert (empty.entry, empty.profile.name) == (None, "")


def test_a_petname_wins_over_what_people_call_themselves(ada: Node) -> None:
    """Mallory may call himself Bob; the Bob that Ada named is the one she means."""
    bob, mallory = Person(2), Person(3)
    mallory.profile("bob")
    for person in (bob, mallory):
        ada.receive(person)
    ada.client.call(NAME, NameRequest(who=bob.identity.hex(), petname="bob"))
    asked = ada.client.call(PROFILE, ProfileRequest(who="bob"))
    assert asked.person.identity == bob.identity.hex()
    by_label = ada.client.call(PROFILE, ProfileRequest(who=asked.person.label))
    assert by_label.person == asked.person
    taken_away = ada.client.call(NAME, NameRequest(who="bob", petname=""))
    assert taken_away.person.petname == ""


def test_an_invite_makes_a_peer_of_whoever_has_it(ada: Node, tmp_path: Path) -> None:
    """Bob's line, followed or added by Ada, brings his addresses and his key."""
    bob = make_home(tmp_path / "bob", 2, "Bob")
    made = DirectClient(service_of(bob, RecordedLinks())).call(INVITE, InviteRequest())
    assert made.addresses == ("127.0.0.1:4242",)
    assert made.expires_ms == START_MS + 7 * 86_400_000
    added = ada.client.call(ADD_PEER, AddPeerRequest(who=made.uri))
    (peer,) = added.peers
    assert added.changed
    assert (peer.name, peer.addresses, peer.following) == ("Bob", ("127.0.0.1:4242",), False)
    assert peer.device == bob.home.keys.device_keys().device.hex()
    assert not ada.client.call(ADD_PEER, AddPeerRequest(who=made.uri)).changed
    ada.client.call(FOLLOW, FollowRequest(who=(made.uri,)))
    (listed,) = ada.client.call(PEERS, PeersRequest()).peers
    assert listed.following
    moved = ada.client.call(
        ADD_PEER, AddPeerRequest(who=made.uri, addresses=("[2001:db8::7]:1",), name="him")
    )
    assert (moved.peers[0].addresses, moved.peers[0].name) == (("[2001:db8::7]:1",), "him")
    again = ada.client.call(
        ADD_PEER, AddPeerRequest(who=made.identity, addresses=("bob.example:7",))
    )
    assert again.peers[0].addresses == ("bob.example:7",)  # though nothing of his arrived yet
    removed = ada.client.call(REMOVE_PEER, RemovePeerRequest(who=peer.device))
    assert [one.device for one in removed.peers] == [peer.device]
    assert ada.client.call(PEERS, PeersRequest()).peers == ()


def test_each_invite_has_a_token_of_its_own(ada: Node) -> None:
    """A token is for one caller; addresses given win over those found out."""
    lines = [
        ada.client.call(INVITE, InviteRequest(addresses=("ada.example:7",), name="A")).uri
        for _ in range(2)
    ]
    first, second = map(read_invite, lines)
    assert first.token != second.token
    assert first.nodes == second.nodes
    assert first.nodes[0].addresses == ("ada.example:7",)
    assert first.name == "A"


def test_a_synchronisation_tells_its_progress_and_ends_with_a_receipt(ada: Node) -> None:
    """One peer is reached, one is not: the receipt says so for each."""
    peers = [
        Peer(bytes([one] * 32), bytes([one + 8] * 32), b"b" * 32, ("h:1",), f"p{one}", 0)
        for one in (1, 2)
    ]
    for peer in peers:
        ada.made.store.put_peer(peer)
    counts = SyncCounts(entries_in=5, wire_bytes_in=900)
    ada.links.ends[peers[0].device] = ExchangeEnd(peers[0], "h:1", "in_sync", "", counts, 40)
    events: list[SyncEvent] = []
    receipt = ada.client.call(SYNC, SyncRequest(), events.append)
    assert [event.state for event in events] == ["connected", "connected"]
    assert [end.outcome for end in receipt.outcomes] == ["in_sync", "unreachable"]
    assert (receipt.in_sync, receipt.total, receipt.took_ms) == (1, counts, 40)
    one = ada.client.call(SYNC, SyncRequest(who=(peers[1].identity.hex(),)))
    assert [end.device for end in one.outcomes] == [peers[1].device.hex()]


def test_period_keys_are_published_and_shown(ada: Node) -> None:
    """Two years of months, once; asking again changes nothing."""
    assert ada.client.call(PERIODS, PeriodsRequest()).periods == ()
    first = ada.client.call(PERIODS, PeriodsRequest(publish=True))
    assert first.published == len(first.periods) == 24
    assert first.periods[0].from_time == "2030-03-01T00:00:00.000Z"
    assert first.periods[0].until_ms == first.periods[1].from_ms
    assert all(month.published and month.secret for month in first.periods)
    again = ada.client.call(PERIODS, PeriodsRequest(publish=True))
    assert (again.published, again.periods) == (0, first.periods)


def test_a_post_is_edited_and_deleted(ada: Node) -> None:
    """The rest of it: tests/test_node_revising.py."""
    post = ada.post("Dust.")
    edited = ada.client.call(EDIT, EditRequest(id=post.id, text="Dust, still.")).post
    assert (edited.id, edited.text) == (post.id, "Dust, still.")
    deleted = ada.client.call(DELETE, DeleteRequest(ids=(post.id,)))
    assert [one.id for one in deleted.entries] == [post.id]


def test_the_database_says_what_takes_room_and_is_scrubbed(ada: Node) -> None:
    """By distance and by person; nothing of it is damaged. Memory cannot be copied to a file."""
    bob = Person(2)
    bob.posts(3)
    ada.receive(bob)
    stats = ada.client.call(DB_STATS, DbStatsRequest(top=1))
    assert sum(one.entries for one in stats.classes) == stats.entries
    assert [one.distance for one in stats.classes] == ["self", "followed", "two_hops", "stranger"]
    assert len(stats.people) == 1
    scrubbed = ada.client.call(DB_SCRUB, DbScrubRequest())
    assert (scrubbed.entries, scrubbed.damaged, scrubbed.next) == (stats.entries, 0, 0)
    with pytest.raises(ServiceError, match="memory"):
        ada.client.call(DB_BACKUP, DbBackupRequest(path="/copy.db"))
    for path in ("copy.db", "/"):
        with pytest.raises(ServiceError) as caught:
            ada.client.call(DB_BACKUP, DbBackupRequest(path=path))
        assert caught.value.exit is Exit.USAGE


def test_an_entry_is_traced_to_whoever_has_it(ada: Node) -> None:
    """Its author and whoever brought it; an own one that went nowhere is with nobody else."""
    bob = Person(2)
    asked = bob.post("Who has this?")
    ada.receive(bob)
    traced = ada.client.call(TRACE, TraceRequest(id=asked.id.hex()))
    assert traced.brought_by is not None
    assert {(one.person.identity, one.knowledge) for one in traced.holders} == {
        (bob.identity.hex(), "wrote"),
        (traced.brought_by.identity, "brought"),
    }
    own = ada.client.call(TRACE, TraceRequest(id=ada.post("Nobody yet.").short_id))
    assert (own.brought_by, own.holders, own.more) == (None, (), 0)


def test_somebody_is_blocked_and_no_longer(ada: Node) -> None:
    """Doing it twice is fine, and says so."""
    bob = Person(2)
    ada.receive(bob)
    who = (bob.identity.hex(),)
    asked = BlockRequest(who=who, reason="advertising")
    assert [one.changed for one in ada.client.call(BLOCK, asked).outcomes] == [True]
    assert [one.changed for one in ada.client.call(BLOCK, asked).outcomes] == [False]
    (blocked,) = ada.client.call(BLOCKS, BlocksRequest()).blocks
    assert (blocked.person.identity, blocked.reason) == (who[0], "advertising")
    taken_back = ada.client.call(UNBLOCK, UnblockRequest(who=who))
    assert [one.changed for one in taken_back.outcomes] == [True]
    assert ada.client.call(BLOCKS, BlocksRequest()).blocks == ()


def test_every_operation_has_its_story_here() -> None:
    """A new operation gets one before it ships."""
    named = {name for name, one in OPERATIONS.items() if globals().get(name.upper()) is one}
    elsewhere = {one.name for one in KEY_OPERATIONS}
    assert named - elsewhere == set(OPERATIONS) - elsewhere


# What is refused


def test_pairing_needs_a_daemon(ada: Node) -> None:
    """Both people wait for each other, so both nodes must be running."""
    with pytest.raises(ServiceError, match="while both run") as caught:
        ada.client.call(PAIR, PairRequest())
    assert caught.value.exit is Exit.UNREACHABLE
    assert "slowlight run" in caught.value.hint
    with pytest.raises(ServiceError, match="while both run"):
        ada.client.call(PAIR_ANSWER, PairAnswerRequest(same=True))


def refused(ada: Node, operation_name: str, **fields: object) -> ServiceError:
    """Return the error of an operation that must fail."""
    operation = OPERATIONS[operation_name]
    with pytest.raises(ServiceError) as caught:
        ada.client.call(operation, operation.request(**fields))
    return caught.value


@pytest.mark.parametrize(
    ("name", "fields", "code", "exit_code", "says"),
    [
        ("post", {"text": " \n"}, Code.INVALID, 2, "nothing in this post"),
        ("post", {"text": "é" * 15_001}, Code.INVALID, 2, "30,002 bytes"),
        ("post", {"text": "x", "language": "not a tag"}, Code.INVALID, 2, "language"),
        ("post", {"text": "x", "tags": ("two words",)}, Code.INVALID, 2, "tag"),
        ("post", {"text": "x", "place": "/sol"}, Code.INVALID, 2, "place"),
        ("post", {"text": "x", "title": "t" * 301}, Code.INVALID, 2, "title"),
        ("post", {"text": "x", "mentions": ("nobody",)}, Code.NOT_FOUND, 3, "nobody"),
        ("post", {"text": "x", "reply_to": "0000"}, Code.NOT_FOUND, 3, "0000"),
        ("post", {"text": "x", "expire_ms": -1}, Code.INVALID, 2, "expire_ms"),
        ("post", {"text": "\ud800"}, Code.INVALID, 2, "not Unicode"),
        ("read", {"limit": 0}, Code.INVALID, 2, "limit"),
        ("read", {"scope": "some"}, Code.INVALID, 2, "scope"),
        ("read", {"before": "1.1"}, Code.INVALID, 2, "go with all"),
        ("read", {"scope": "all", "before": "x"}, Code.INVALID, 2, "no page"),
        ("thread", {"id": "zzzz"}, Code.NOT_FOUND, 3, "zzzz"),
        ("show", {"id": "u"}, Code.INVALID, 2, "no id"),
        ("show", {"id": "ab" * 32}, Code.NOT_FOUND, 3, "no entry"),
        ("search", {"query": ""}, Code.INVALID, 2, "no word"),
        ("search", {"query": '"...'}, Code.INVALID, 2, "no word"),
        ("search", {"query": " ".join(map(str, range(65)))}, Code.INVALID, 2, "too much"),
        ("forks", {"who": "nobody"}, Code.NOT_FOUND, 3, "nobody"),
        ("follow", {"who": ()}, Code.INVALID, 2, "who"),
        ("follow", {"who": ("nobody",)}, Code.NOT_FOUND, 3, "nobody"),
        ("follow", {"who": ("slowlight:abc",)}, Code.INVALID, 2, "missing or altered"),
        ("follow", {"who": ("Ada",)}, Code.INVALID, 2, "own identity"),
        ("name", {"who": "Ada", "petname": "a@b"}, Code.INVALID, 2, "petname"),
        ("name", {"who": "Ada", "petname": "k3v9-7qpm-x2da"}, Code.INVALID, 2, "petname"),
        ("name", {"who": "Ada", "petname": "a\nb"}, Code.INVALID, 2, "petname"),
        ("add_peer", {"who": "cd" * 32}, Code.NOT_FOUND, 3, "no node"),
        ("add_peer", {"who": "Ada", "addresses": ("nowhere",)}, Code.INVALID, 2, "no address"),
        ("remove_peer", {"who": "ab" * 32}, Code.NOT_FOUND, 3, "no peer"),
        ("invite", {"addresses": ("host:99999",)}, Code.INVALID, 2, "no address"),
        ("invite", {"name": "火" * 43}, Code.INVALID, 2, "128 bytes"),
        ("trace", {"id": "0000-0000-0000"}, Code.NOT_FOUND, 3, "no entry"),
        ("trace", {"id": "no/id"}, Code.INVALID, 2, "is no id"),
        ("sync", {}, Code.NOTHING_TO_DO, 3, "no peer"),
    ],
)
def test_a_wrong_request_changes_nothing_and_says_why(
    ada: Node, name: str, fields: dict[str, object], code: Code, exit_code: int, says: str
) -> None:
    """One error of the right kind, with what to do next, the same through both shells."""
    error = refused(ada, name, **fields)
    assert (error.code, error.exit) == (code, Exit(exit_code))
    assert says in error.message
    assert ada.client.call(STATUS, StatusRequest()).entries == 2
    assert ada.links.told == []


def test_an_ambiguous_id_lists_what_it_could_mean(ada: Node) -> None:
    """Each candidate can be typed as it stands."""
    posts = [ada.post(f"post {number}") for number in range(40)]
    by_letter: dict[str, list[str]] = {}
    for post in posts:
        by_letter.setdefault(post.short_id[0], []).append(post.short_id)
    letter, meant = max(by_letter.items(), key=lambda item: len(item[1]))
    error = refused(ada, "show", id=letter)
    assert error.code is Code.AMBIGUOUS
    assert set(error.candidates) & set(meant)
    assert ada.client.call(SHOW, ShowRequest(id=error.candidates[0])).post is not None


def test_the_own_invite_is_no_peer(ada: Node) -> None:
    """A node does not dial itself."""
    line = ada.client.call(INVITE, InviteRequest()).uri
    assert "this very node" in refused(ada, "add_peer", who=line).message


def test_a_name_that_two_claim_is_ambiguous(ada: Node) -> None:
    """The labels of both are offered; with its short id each of them is found."""
    people = [Person(2), Person(3)]
    for person in people:
        person.profile("bob")
        ada.receive(person)
    error = refused(ada, "profile", who="bob")
    assert (error.code, len(error.candidates)) == (Code.AMBIGUOUS, 2)
    found = {
        ada.client.call(PROFILE, ProfileRequest(who=label)).person.identity
        for label in error.candidates
    }
    assert found == {person.identity.hex() for person in people}
    wrong = error.candidates[0].replace("bob@", "eve@")
    assert refused(ada, "profile", who=wrong).code is Code.NOT_FOUND


def test_following_hundreds_can_be_taken_back(ada: Node) -> None:
    """Over more entries than one run holds."""
    who = tuple(number.to_bytes(32, "big").hex() for number in range(1, 301))
    ada.client.call(FOLLOW, FollowRequest(who=who))
    gone = ada.client.call(UNFOLLOW, UnfollowRequest(who=who[:280]))
    assert all(one.changed for one in gone.outcomes)
    left = ada.client.call(FOLLOWS, FollowsRequest()).follows
    assert {one.person.identity for one in left} == set(who[280:])


def test_a_petname_belongs_to_one(ada: Node) -> None:
    """Two people with one name would be confused."""
    for seed in (2, 3):
        ada.receive(Person(seed))
    ada.client.call(NAME, NameRequest(who=Person(2).identity.hex(), petname="bob"))
    error = refused(ada, "name", who=Person(3).identity.hex(), petname="bob")
    assert error.code is Code.INVALID


def test_a_home_that_was_copied_stops_writing(ada: Node) -> None:
    """An own entry that came from elsewhere means that another copy writes too."""
    ada.post("one")
    key = ada.made.home.keys.device_keys().signing
    head = ada.made.store.head(LogKey(key.public, CHANNEL_POSTS))
    payload = make_payload(bytes(16), encode_content(Post("written by the copy")))
    entry = write_entry(key.public, CHANNEL_POSTS, head, payload=payload, t_ms=START_MS)
    signature = sign_entry(key.secret, entry.id)
    run = build_run(key.public, CHANNEL_POSTS, head.id, [entry], signature)
    assert take(ada.made.store, run) == [Outcome.STORED]
    assert refused(ada, "set_profile", bio="another log").code is Code.INTEGRITY
    error = refused(ada, "post", text="two")
    assert error.code is Code.INTEGRITY
    assert error.exit is Exit.INTEGRITY
