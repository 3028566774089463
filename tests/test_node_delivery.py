"""Who is said to have what: all of it known, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from slowlight.node.blocking_operations import BLOCK, UNBLOCK, BlockRequest, UnblockRequest
from slowlight.node.delivery_operations import TRACE, TraceRequest, TraceResult
from slowlight.node.links import LiveLink
from slowlight.node.peer_operations import STATUS, StatusRequest, StatusResult, SyncCounts
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry, log_id
from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.store.base import (
    NO_MEMORY,
    NOTHING_DELIVERED,
    Delivered,
    LogKey,
    Peer,
    PeerMemory,
    SentRange,
)
from tests.nodes import NodeHome, RecordedLinks, make_home, service_of
from tests.owners import revoked, with_records
from tests.people import START_MS, Person
from tests.stores import VIA, take

DAY_MS = 86_400_000


class OpenLinks(RecordedLinks):
    """Links that a test opens."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[LiveLink] = []

    def live(self) -> Sequence[LiveLink]:
        """Those that were opened."""
        return self.open


@dataclass
class World:
    """Ada's node, and what it knows of others."""

    made: NodeHome
    links: OpenLinks

    def __post_init__(self) -> None:
        self.service = service_of(self.made, self.links)

    def post(self, text: str = "Who has this?") -> str:
        """Write a post of Ada's; return its id."""
        return self.service.call(POST, PostRequest(text=text)).post.id

    def receive(self, person: Person) -> None:
        """Let everything that a person wrote arrive."""
        runs = [run for channel in person.logs for run in person.runs(channel)]
        take(self.made.store, person.verified_ident(), *runs, received_ms=person.now_ms + 1)

    def peer(self, person: Person, *, address: str = "host:1", met_ms: int = 0) -> None:
        """Make the node of a person a peer."""
        addresses = (address,) if address else ()
        self.made.store.put_peer(
            Peer(person.identity, person.device, person.box_public, addresses, "", met_ms)
        )

    def met(
        self, person: Person, *wants: bytes, depth: Depth = Depth.EVERYTHING, **known: object
    ) -> tuple[PeerMemory, Delivered]:
        """Remember the node of a person: what it wants, and what it is known to have."""
        n = 5 if depth is Depth.NEWEST else 0
        roster = Roster([RosterRow(each, CHANNEL_POSTS, depth, n) for each in wants])
        memory = replace(NO_MEMORY, nonce=person.identity[:8], roster=roster.hash)
        delivered = Delivered(memory.nonce, 0, roster.hash, **known)  # type: ignore[arg-type]
        store = self.made.store
        store.remember_peer(person.device, memory)
        store.keep_roster(roster)
        store.remember_delivered(person.device, delivered)
        return memory, delivered

    def connect(self, person: Person, state: tuple[PeerMemory, Delivered], in_sync: bool) -> None:
        """Open a link to the node of a person."""
        counts = SyncCounts()
        self.links.open.append(
            LiveLink(
                person.device, person.identity, "host:1", True, START_MS, in_sync, counts, state
            )
        )

    def trace(self, entry: str | Entry) -> TraceResult:
        """Ask where an entry is."""
        entry_id = entry if isinstance(entry, str) else entry.id.hex()
        return self.service.call(TRACE, TraceRequest(id=entry_id))

    def known(self, entry: str | Entry, person: Person) -> tuple[str, str, int]:
        """What is known of an entry and the device of a person."""
        (one,) = (each for each in self.trace(entry).holders if each.device == person.device.hex())
        return one.knowledge, one.why, one.since_ms

    def status(self, top: int = 10) -> StatusResult:
        """Ask how the node is."""
        return self.service.call(STATUS, StatusRequest(top=top))

    @property
    def ada(self) -> bytes:
        """Ada's identity."""
        return self.service.identity


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Ada's node."""
    return World(make_home(tmp_path / "ada", 1, "Ada"), OpenLinks())


def all_of(world: World) -> int:
    """The number of what arrived last."""
    return world.made.store.last_arrival


def test_who_has_confirmed_it_has_it(world: World) -> None:
    """Since the last time that it did so; what came later it has not confirmed."""
    bob = Person(2)
    world.peer(bob, met_ms=START_MS)
    first = world.post()
    world.met(bob, world.ada, arrival=all_of(world), confirmed_ms=START_MS + 5)
    second = world.post()
    assert world.known(first, bob) == ("confirmed", "", START_MS + 5)
    assert world.known(second, bob) == ("waiting", "no_contact_since", 0)


def test_who_is_another_one_now_has_confirmed_nothing(world: World) -> None:
    """A peer whose store was begun anew, or that followed somebody else when it confirmed."""
    bob = Person(2)
    world.peer(bob)
    post = world.post()
    memory, _ = world.met(bob, world.ada, arrival=all_of(world), confirmed_ms=START_MS)
    for other in (
        replace(memory, nonce=b"new life"),
        replace(memory, roster=bytes(32)),
    ):
        world.made.store.remember_peer(bob.device, other)
        assert world.known(post, bob)[0] != "confirmed"


def test_what_was_sent_and_not_confirmed_says_so(world: World) -> None:
    """Of the log and the range that went."""
    bob = Person(2)
    world.peer(bob)
    first, second = world.post(), world.post()
    log = log_id(bytes.fromhex(world.trace(first).entry.device), CHANNEL_POSTS)
    world.met(bob, world.ada, sent=(SentRange(log, 1, 1),))
    assert world.known(second, bob) == ("sent", "no_contact_since", 0)
    assert world.known(first, bob) == ("waiting", "no_contact_since", 0)


def test_why_somebody_cannot_have_it_yet(world: World) -> None:
    """Nobody can call it, it was never met, it follows somebody else, it keeps a part."""
    post = world.post()
    quiet, stranger, other, partial, headers = (Person(seed) for seed in range(2, 7))
    for person in (quiet, stranger, other, partial, headers):
        world.peer(person, address="" if person is quiet else "host:1")
    world.met(quiet, world.ada)
    world.met(other, Person(8).identity)
    world.met(partial, world.ada, depth=Depth.NEWEST, arrival=99)
    world.met(headers, world.ada, depth=Depth.STUBS, arrival=99)
    assert world.known(post, quiet) == ("waiting", "calls_us", 0)
    assert world.known(post, stranger) == ("unknown", "never_met", 0)
    assert world.known(post, other) == ("not_wanted", "", 0)
    assert world.known(post, partial) == ("unknown", "partial", 0)
    assert world.known(post, headers) == ("unknown", "partial", 0)


def test_who_is_connected_is_told_from_the_live_session(world: World) -> None:
    """What is on disk of it is older."""
    bob, eve = Person(2), Person(3)
    post = world.post()
    memory, _ = world.met(bob, world.ada)
    now = Delivered(memory.nonce, 0, memory.roster, all_of(world), START_MS + 7)
    world.connect(bob, (memory, now), in_sync=True)
    world.connect(eve, world.met(eve, world.ada), in_sync=False)
    assert world.known(post, bob) == ("confirmed", "", START_MS + 7)
    assert world.known(post, eve) == ("waiting", "exchanging", 0)
    assert all(one.connected for one in world.trace(post).holders)


def test_who_answered_has_read_it(world: World) -> None:
    """Whether met or not, by the device that wrote the answer."""
    bob, cleo = Person(2), Person(3)
    world.peer(cleo)
    post = world.post()
    for person in (bob, cleo):
        person.now_ms = START_MS + DAY_MS
        person.post("I do.", reply_to=bytes.fromhex(post), root=bytes.fromhex(post))
        world.receive(person)
    assert world.known(post, bob) == ("answered", "", bob.now_ms + 1)
    assert world.known(post, cleo) == ("answered", "", cleo.now_ms + 1)


def test_who_brought_it_had_it(world: World) -> None:
    """The person, for which of its devices it was nobody noted."""
    bob = Person(2)
    entry = bob.post()
    world.receive(bob)
    (wrote, brought) = world.trace(entry).holders
    assert (wrote.knowledge, wrote.device) == ("wrote", bob.device.hex())
    assert (brought.knowledge, brought.device, brought.person.identity) == ("brought", "", VIA)


def test_followers_without_a_link_are_named_up_to_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their friends may carry it to them; the rest is counted."""
    monkeypatch.setattr("slowlight.node.delivery.MAX_FOLLOWERS", 2)
    for seed in range(2, 5):
        person = Person(seed)
        person.follow(world.ada)
        world.receive(person)
    traced = world.trace(world.post())
    assert [(one.knowledge, one.why) for one in traced.holders] == [("unknown", "no_link")] * 2
    assert traced.more == 1


def test_who_is_blocked_is_passed_on_to_nobody(world: World) -> None:
    """Nor does it count as confirmed afterwards what a peer was never offered."""
    mallory, bob = Person(2), Person(3)
    entry, own = mallory.post(), world.post()
    world.receive(mallory)
    world.peer(bob)
    world.met(bob, world.ada, mallory.identity, arrival=all_of(world), confirmed_ms=START_MS)
    assert world.known(entry, bob)[0] == "confirmed"
    world.service.call(BLOCK, BlockRequest(who=(mallory.identity.hex(),)))
    assert world.known(entry, bob) == ("unknown", "blocked", 0)
    assert world.known(own, bob)[0] == "waiting"  # until it confirms the smaller offer
    world.met(bob, world.ada, arrival=all_of(world), confirmed_ms=START_MS)
    memory = world.made.store.peer_memory(bob.device)
    world.met(bob, world.ada, mallory.identity)
    store = world.made.store
    smaller = Delivered(memory.nonce, 0, memory.roster, all_of(world), START_MS)
    store.remember_delivered(bob.device, smaller)
    assert world.known(own, bob)[0] == "confirmed"
    world.service.call(UNBLOCK, UnblockRequest(who=(mallory.identity.hex(),)))
    assert world.known(entry, bob)[0] == "waiting"


def test_what_does_not_count_is_said_to_be_with_nobody(world: World) -> None:
    """A post behind the end of its device is sent to nobody, whatever a peer has confirmed."""
    owner, bob = Person(2), Person(3)
    kept, void = owner.post(), owner.post()
    world.receive(owner)
    world.peer(bob)
    ended = with_records(owner, revoked(owner, (CHANNEL_IDENTITY, 0), (CHANNEL_POSTS, 0)))
    take(world.made.store, ended)
    world.met(bob, owner.identity, arrival=all_of(world), confirmed_ms=START_MS)
    assert world.known(kept, bob)[0] == "confirmed"
    assert world.known(void, bob) == ("unknown", "void", 0)


def test_those_who_have_it_come_first(world: World) -> None:
    """Then those who were sent it, then those for whom it waits, then the rest."""
    post = world.post()
    bob, cleo, dora = Person(2), Person(3), Person(4)
    for person in (bob, cleo, dora):
        world.peer(person)
    world.met(bob, world.ada)
    world.met(cleo, world.ada, arrival=all_of(world), confirmed_ms=1)
    known = [one.knowledge for one in world.trace(post).holders]
    assert known == ["confirmed", "waiting", "unknown"]


# Status


def test_what_waits_for_a_peer_is_counted(world: World) -> None:
    """Of what it wants, and not what it brought or wrote itself."""
    bob, eve = Person(2), Person(3)
    world.peer(bob)
    world.peer(eve)
    bob.posts(4)
    world.receive(bob)
    world.met(bob, world.ada, bob.identity)
    world.post()
    waiting = {one.device: (one.entries, one.known) for one in world.status().waiting}
    own_entries = 2 + 1  # who she is and her profile, and the post
    assert waiting == {bob.device.hex(): (own_entries, True), eve.device.hex(): (0, False)}
    world.met(bob, world.ada, bob.identity, arrival=all_of(world))
    assert [one.entries for one in world.status().waiting if one.known] == [0]


def test_somebody_is_fresh_as_of_the_last_meeting_with_their_own_device(world: World) -> None:
    """Who was followed only after that is not; what others bring may be behind."""
    bob, cleo = Person(2), Person(3)
    bob.posts(5)
    world.receive(bob)
    world.met(bob, heard_ms=START_MS - 1)
    follow = FollowRequest(who=(bob.identity.hex(), cleo.identity.hex()))
    world.service.call(FOLLOW, follow)
    by_person = {one.person.identity: one for one in world.status().freshness}
    assert by_person[bob.identity.hex()].as_of_ms == 0
    assert by_person[cleo.identity.hex()].newest_ms == 0
    world.met(bob, heard_ms=START_MS + 9)
    stalest, fresh = world.status().freshness
    assert stalest.person.identity == cleo.identity.hex()
    assert (fresh.as_of_ms, fresh.newest_ms) == (START_MS + 9, bob.log()[-1].t_ms)
    assert world.status(top=1).freshness == (stalest,)
    assert world.status(top=0).freshness == ()


def test_who_is_in_sync_now_is_fresh_now(world: World) -> None:
    """For as long as the link is up and quiet."""
    bob = Person(2)
    world.receive(bob)
    world.service.call(FOLLOW, FollowRequest(who=(bob.identity.hex(),)))
    world.made.clock.now_ms += DAY_MS
    world.connect(bob, world.met(bob, heard_ms=START_MS), in_sync=True)
    assert world.status().freshness[0].as_of_ms == world.made.clock.now_ms


def test_gaps_of_somebody_are_counted(world: World) -> None:
    """Entries that are known to exist and are not here."""
    bob = Person(2)
    bob.posts(9)
    take(world.made.store, bob.verified_ident(), bob.run(first=6), bob.run(first=2, last=3))
    world.service.call(FOLLOW, FollowRequest(who=(bob.identity.hex(),)))
    assert world.status().freshness[0].missing == 2 + 2


def test_storage_is_told_by_how_far_away_people_are(world: World) -> None:
    """The same classes as for quotas."""
    bob = Person(2)
    bob.posts(3)
    world.receive(bob)
    entries = {one.distance: one.entries for one in world.status().storage}
    assert entries == {"self": 2, "followed": 0, "two_hops": 0, "stranger": 4}


def test_nothing_is_known_of_a_node_that_only_this_device_is(world: World) -> None:
    """Alone there is nobody to have anything, and nobody to wait."""
    status = world.status()
    assert (status.freshness, status.waiting) == ((), ())
    assert world.made.store.delivered(world.ada) == NOTHING_DELIVERED
    key = LogKey(bytes.fromhex(status.device), CHANNEL_IDENTITY)
    assert world.made.store.head(key).seq == 1
