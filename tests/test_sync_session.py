"""Two real sessions over a fake link: what arrives, what it costs, what is refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowlight.protocol.entry import log_id
from slowlight.protocol.errors import DecodeError, IntegrityError, ProtocolError
from slowlight.protocol.frames import (
    MAX_WANTS,
    Bye,
    ByeReason,
    Have,
    Hello,
    IdentFrame,
    Receipt,
    RosterPart,
    RunFrame,
    Want,
    WantRange,
    encode_frame,
)
from slowlight.protocol.question_frames import Reconcile
from slowlight.protocol.roster import Roster
from slowlight.protocol.run import BLOCK, decode_run
from slowlight.store.base import LogKey
from slowlight.sync.outgoing import MAX_RANGES_PER_LOG, SPARE_RANGES

from .people import START_MS, Person
from .sync_ends import Link, Node, meet, roster_of


def test_a_reader_gets_everything_of_the_person_it_follows() -> None:
    """Bob follows Ada: one meeting brings her whole log, readable in his timeline."""
    ada, bob = Person(1), Person(2)
    ada.posts(20)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    link = meet(home, reader)
    assert reader.holds_all(ada)
    assert len(reader.store.timeline(limit=50)) == 20
    with_certificate = 20 + 1
    assert link.ends[1].progress.entries_in == with_certificate
    assert link.ends[0].progress.entries_out == with_certificate
    assert link.ends[0].progress.idents_out == 1


def test_both_directions_go_in_one_meeting() -> None:
    """Each follows the other: one session carries both logs."""
    ada, bob = Person(1), Person(2)
    ada.posts(5)
    bob.posts(7)
    one, two = Node(ada, bob), Node(bob, ada)
    one.take_all(ada)
    two.take_all(bob)
    meet(one, two)
    assert one.holds_all(bob)
    assert two.holds_all(ada)


def test_a_relay_hands_on_people_who_are_not_there() -> None:
    """Carol never meets Ada; Bob, who follows her, carries her log to Carol."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    ada.posts(3)
    home, relay, far = Node(ada), Node(bob, ada), Node(carol, ada)
    home.take_all(ada)
    meet(relay, home)
    meet(relay, far)
    assert far.holds_all(ada)


def test_newest_posts_come_first() -> None:
    """Of a log longer than a block the newest run is sent first, the oldest last."""
    ada, bob = Person(1), Person(2)
    ada.posts(2 * BLOCK + 10)
    home, reader = Node(ada), Node(bob, ada)
    home.take_all(ada)
    link = meet(home, reader)
    runs = [
        decode_run(frame.data) for frame in link.frames_of(RunFrame) if isinstance(frame, RunFrame)
    ]
    assert [run.first for run in runs] == [2 * BLOCK, BLOCK, 0]
    assert runs[0].signature is not None
    assert reader.holds_all(ada)


def test_newest_posts_of_everyone_come_before_older_ones() -> None:
    """Across people, runs go out by the date of their newest entry."""
    people = [Person(number) for number in range(1, 6)]
    reader_owner = Person(9)
    for number, person in enumerate(people):
        person.now_ms += 10**9 * ((number * 3) % 5)
        person.posts(2)
    home, reader = Node(people[0]), Node(reader_owner, *people)
    for person in people:
        home.take_all(person)
    link = meet(home, reader)
    newest = {person.device: person.log()[-1].t_ms for person in people}
    order = [
        newest[decode_run(frame.data).device]
        for frame in link.frames_of(RunFrame)
        if isinstance(frame, RunFrame)
    ]
    assert order == sorted(order, reverse=True)


def test_nothing_new_costs_one_small_message_each_way() -> None:
    """After a meeting the next one is a greeting and a digest, whatever the number of logs."""
    people = [Person(number) for number in range(1, 40)]
    for person in people:
        person.posts(2)
    one, two = Node(people[0], *people), Node(people[1], *people)
    for person in people:
        one.take_all(person)
    meet(one, two)
    link = meet(one, two)
    assert link.total_bytes <= 200
    assert link.frames_of(Have) == []
    assert link.frames_of(RosterPart) == []
    # hello and digest; hello, digest and receipt; receipt and bye
    assert link.messages == [2, 1]


def test_a_new_post_between_connected_peers_is_pushed_at_once() -> None:
    """Ada writes while Bob is connected: one run and one receipt, within 280 bytes."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    link = Link(home, reader)
    assert link.talk()
    assert link.ends[0].in_sync
    before = link.total_bytes
    entry = ada.post("Red.")
    home.take(ada.run(1, entry.seq, entry.seq))
    link.ends[0].store_changed()
    assert link.talk()
    assert reader.holds_all(ada)
    assert entry.payload is not None
    assert link.total_bytes - before - len(entry.payload) <= 280
    assert link.ends[0].in_sync


def test_what_came_from_a_peer_is_not_pushed_back_to_it() -> None:
    """Bob stores what Ada sent and says so to his other links; Ada does not get it again."""
    ada, bob = Person(1), Person(2)
    ada.posts(4)
    home, reader = Node(ada, ada, bob), Node(bob, ada, bob)
    home.take_all(ada)
    link = Link(home, reader)
    assert link.talk()
    link.ends[1].store_changed()
    assert link.talk()
    assert link.ends[1].progress.runs_out == 0


def test_live_pushes_pass_through_a_relay() -> None:
    """A post reaches Carol over Bob while all three are connected."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    ada.post()
    home, relay, far = Node(ada), Node(bob, ada), Node(carol, ada)
    home.take_all(ada)
    near, onward = Link(home, relay), Link(relay, far)
    near.talk()
    onward.talk()
    onward.ends[0].store_changed()
    onward.talk()
    entry = ada.post()
    home.take(ada.run(1, entry.seq, entry.seq))
    near.ends[0].store_changed()
    near.talk()
    onward.ends[0].store_changed()
    onward.talk()
    assert far.holds_all(ada)


@pytest.mark.parametrize("known_before", [False, True])
def test_older_posts_that_reach_a_relay_later_are_passed_on_too(known_before: bool) -> None:
    """Bob gets Ada's newest posts first; Carol, who follows her through him, lacks nothing."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    ada.posts(BLOCK + 20)
    relay, far = Node(bob, ada), Node(carol, ada)
    newest, older = ada.runs(1)
    relay.take(ada.verified_ident())
    if known_before:
        relay.take(newest)
    onward = Link(relay, far)
    onward.talk()
    for run in (newest, older):
        relay.take(run)
        onward.ends[0].store_changed()
        assert onward.talk()
    assert far.holds_all(ada)
    assert onward.ends[0].in_sync
    assert onward.ends[1].in_sync
    assert sum(isinstance(frame, RunFrame) for _, frame in onward.frames) == 2


@pytest.mark.parametrize("cut_after", range(12))
def test_a_link_cut_after_any_message_loses_nothing(cut_after: int) -> None:
    """Wherever the link breaks, the next meeting continues and nothing comes twice."""
    ada, bob = Person(1), Person(2)
    ada.posts(3 * BLOCK)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    Link(home, reader).talk(cut_after=cut_after)
    everything = [*ada.log(0), *ada.log(1)]
    gained = sum(1 for entry in everything if reader.store.entry(entry.id) is not None)
    link = meet(home, reader)
    assert reader.holds_all(ada)
    assert link.ends[1].progress.entries_in == len(everything) - gained
    assert link.ends[1].progress.duplicates_in == 0


def test_holes_are_asked_for_though_the_digests_agree() -> None:
    """A cut newest-first sync leaves a log whose head is right and whose past is missing."""
    ada, bob = Person(1), Person(2)
    ada.posts(BLOCK + 40)
    home, reader = Node(ada), Node(bob, ada)
    home.take_all(ada)
    reader.take(ada.verified_ident(), ada.run(1, BLOCK, BLOCK + 39))
    link = meet(home, reader)
    assert link.frames_of(Reconcile) == []
    assert reader.holds_all(ada)


def test_a_gap_is_wanted_up_to_an_entry_that_the_asker_can_vouch_for() -> None:
    """An interrupted log and another that differs: no signature and no surplus for the gap."""
    ada, bob = Person(1), Person(2)
    ada.posts(BLOCK + 40)
    bob.posts(2)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    reader.take_all(bob)
    reader.take(ada.verified_ident(), ada.run(1, BLOCK + 20, BLOCK + 29))
    link = meet(home, reader)
    wanted = [
        (one.first, one.last, one.last_id)
        for frame in link.frames_of(Want)
        if isinstance(frame, Want)
        for one in frame.ranges
        if one.log == log_id(ada.device, 1)
    ]
    assert wanted == [
        (BLOCK + 30, BLOCK + 39, None),
        (0, BLOCK + 19, ada.log()[BLOCK + 19].id),
    ]
    assert reader.holds_all(ada)


def test_what_a_peer_lacks_itself_is_not_asked_for_ever() -> None:
    """Bob has more than Ada's node and a hole that nobody can fill: the session still ends,
    and the next one costs no exchange of states."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    ada.posts(4)
    carol.posts(BLOCK + 5)
    home, reader = Node(ada, bob), Node(bob, ada, carol)
    home.take_all(ada)
    reader.take(carol.verified_ident(), carol.run(1, BLOCK, BLOCK + 4))
    meet(home, reader)
    link = meet(home, reader)
    assert link.frames_of(Have) == []


def test_own_logs_come_back_from_a_peer() -> None:
    """A reader that lost its store gets its own old entries though it follows nobody."""
    ada, bob = Person(1), Person(2)
    bob.posts(6)
    home = Node(ada, bob)
    home.take_all(bob)
    reborn = Node(bob)
    reborn.roster = roster_of(bob)
    meet(reborn, home)
    assert reborn.holds_all(bob)


def test_following_someone_during_a_session_brings_their_log() -> None:
    """Bob follows Carol while connected: a new greeting, a new roster, and her posts."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    carol.posts(3)
    home, reader = Node(ada, carol), Node(bob, ada)
    home.take_all(carol)
    link = Link(home, reader)
    link.talk()
    assert not reader.holds_all(carol)
    link.ends[1].set_roster(roster_of(ada, carol))
    assert link.talk()
    assert reader.holds_all(carol)
    assert link.ends[0].in_sync
    assert link.ends[1].in_sync


@pytest.mark.parametrize("there_after", range(9))
@pytest.mark.parametrize("back_after", range(5))
def test_following_and_unfollowing_at_any_moment_leaves_both_in_sync(
    there_after: int, back_after: int
) -> None:
    """Bob follows Carol and thinks better of it, before or after Ada has asked what he wants."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    ada.posts(3)
    carol.posts(3)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    home.take_all(carol)
    link = Link(home, reader)
    exchange_messages(link, there_after)
    link.ends[1].set_roster(roster_of(ada, carol))
    exchange_messages(link, back_after)
    link.ends[1].set_roster(roster_of(ada))
    assert link.talk()
    assert reader.holds_all(ada)
    assert link.ends[0].in_sync
    assert link.ends[1].in_sync


def exchange_messages(link: Link, count: int) -> None:
    """Let one message at a time go, first one way, then the other."""
    for turn in range(count):
        sender, receiver = link.ends[turn % 2], link.ends[1 - turn % 2]
        message = sender.next_message(START_MS)
        if message is not None:
            receiver.receive(message)
            receiver.commit(START_MS)


def test_a_forgotten_peer_costs_bytes_and_stalls_nothing() -> None:
    """The table of peers is deleted on both sides: everything still arrives."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    meet(home, reader)
    more = ada.posts(2)
    home.take(ada.run(1, more[0].seq, more[-1].seq))
    from slowlight.store.base import NO_MEMORY

    home.store.remember_peer(bob.device, NO_MEMORY)
    reader.store.remember_peer(ada.device, NO_MEMORY)
    meet(home, reader)
    assert reader.holds_all(ada)


def test_a_peer_with_an_older_store_is_served_from_the_beginning() -> None:
    """Bob's store is replaced by an empty one: what he confirmed before no longer counts."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    meet(home, reader)
    reborn = Node(bob, ada)
    meet(home, reborn)
    assert reborn.holds_all(ada)


def test_a_roster_of_thousands_travels_once() -> None:
    """3,000 rows go in parts at the first meeting and by name at the second."""
    ada, bob = Person(1), Person(2)
    rng = random.Random(5)
    home, reader = Node(ada, bob), Node(bob, ada)
    strangers = [row._replace(identity=rng.randbytes(32)) for row in roster_of(ada).rows * 3000]
    reader.roster = Roster([*roster_of(ada).rows, *strangers])
    first = meet(home, reader)
    assert len(first.frames_of(RosterPart)) >= 3
    second = meet(home, reader)
    assert second.frames_of(RosterPart) == []


def test_unwanted_people_are_not_stored() -> None:
    """A peer that pushes someone whom nobody here follows changes nothing."""
    ada, bob, mallory = Person(1), Person(2), Person(3)
    mallory.posts(2)
    home, reader = Node(ada, bob), Node(bob, ada)
    link = Link(home, reader)
    link.talk()
    target = link.ends[1]
    for frame in (IdentFrame(mallory.ident().encode()), RunFrame(mallory.run().encode())):
        target.receive(encode_frame(frame))
    target.commit(START_MS)
    assert reader.store.identity_of(mallory.device) is None
    assert target.progress.refused_in == 1


def test_a_peer_gets_only_what_its_roster_names() -> None:
    """A WANT for a log outside the asker's roster is answered by nothing."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    carol.posts(2)
    home, reader = Node(ada, carol), Node(bob, ada)
    home.take_all(carol)
    link = Link(home, reader)
    link.talk()
    wanted = WantRange(log_id(carol.device, 1), 0, 1, None)
    link.ends[0].receive(encode_frame(Want((wanted,))))
    link.ends[0].commit(START_MS)
    link.talk()
    assert link.ends[0].progress.runs_out == 0


def _connected() -> tuple[Person, Node, Link]:
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    link = Link(home, reader)
    link.talk()
    return ada, reader, link


def test_a_forged_run_ends_the_session_and_stores_nothing() -> None:
    """The first run that its author never signed is the last thing this peer says."""
    ada, reader, link = _connected()
    entry = ada.post("never said")
    run = ada.run(1, entry.seq, entry.seq)
    forged = bytearray(run.encode())
    forged[-1] ^= 1
    link.ends[1].receive(encode_frame(RunFrame(bytes(forged))))
    with pytest.raises(IntegrityError):
        link.ends[1].commit(START_MS)
    assert reader.store.entry(entry.id) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x00", DecodeError),
        (b"\xff\xff\x01" + bytes(10), DecodeError),
        (encode_frame(Receipt(5, True)), ProtocolError),
        (encode_frame(RosterPart(bytes(8), 0, 1, ())), ProtocolError),
        (encode_frame(RunFrame(b"rubbish")), DecodeError),
        (encode_frame(IdentFrame(b"rubbish")), DecodeError),
        (encode_frame(Bye(ByeReason.DONE, "")) + encode_frame(Receipt(0, True)), ProtocolError),
    ],
)
def test_rubbish_in_a_session_is_the_peers_fault(message: bytes, reason: type[Exception]) -> None:
    """Each broken message ends in one clear error."""
    _, _, link = _connected()
    with pytest.raises(reason):
        link.ends[1].receive(message)


def test_a_frame_before_the_greeting_is_refused() -> None:
    """Nothing is believed from a peer that did not say HELLO."""
    one, two = Node(Person(1)), Node(Person(2))
    session = two.session(one, initiator=False)
    session.start()
    with pytest.raises(ProtocolError, match="HELLO"):
        session.receive(encode_frame(Reconcile()))


def test_a_roster_is_asked_for_once() -> None:
    """Seventeen bytes would otherwise be answered by three million, again and again."""
    ada, bob = Person(1), Person(2)
    link = Link(Node(ada, bob), Node(bob, ada))
    link.talk()
    again = RosterPart(roster_of(bob).hash[:8], 0, 0, ())
    with pytest.raises(ProtocolError, match="more often"):
        link.ends[0].receive(encode_frame(again))


def test_a_peer_cannot_make_more_wait_than_it_was_offered() -> None:
    """Bob wants Ada's two logs a hundred thousand times over: a few thousand are in her mind."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    link = Link(home, reader)
    link.talk()
    wants = (WantRange(log_id(ada.device, 1), 0, 0, None),) * MAX_WANTS
    for _ in range(130):
        link.ends[0].receive(encode_frame(Want(wants)))
    link.talk()
    assert SPARE_RANGES <= len(link.frames_of(RunFrame)) <= SPARE_RANGES + 4 * MAX_RANGES_PER_LOG
    assert link.ends[1].in_sync


def test_frames_of_a_later_version_are_skipped() -> None:
    """An unknown type between known frames changes nothing."""
    _, _, link = _connected()
    unknown = b"\x00\x02\xc8hi"
    link.ends[1].receive(unknown + encode_frame(Receipt(0, True)))
    link.ends[1].commit(START_MS)
    assert link.ends[1].in_sync


def test_a_greeting_of_another_version_is_refused() -> None:
    """The version stands in the greeting, so both sides can say what is wrong."""
    one, two = Node(Person(1)), Node(Person(2))
    session = two.session(one, initiator=False)
    hello = bytearray(encode_frame(Hello(bytes(4), 0, bytes(8))))
    hello[4] = 2
    with pytest.raises(DecodeError, match="version 2"):
        session.receive(bytes(hello))


def test_a_shutdown_says_goodbye() -> None:
    """A node that stops tells its peer, which does not call it a broken link."""
    _, _, link = _connected()
    link.ends[0].shut_down()
    link.talk()
    assert link.ends[0].over
    assert link.ends[1].ended is not None
    assert link.ends[1].ended.reason is ByeReason.SHUTDOWN


def test_after_live_pushes_the_next_meeting_is_still_small() -> None:
    """The closing digest tells what was confirmed, so nobody lists states again."""
    ada, bob = Person(1), Person(2)
    ada.posts(2)
    bob.posts(2)
    home, reader = Node(ada, bob), Node(bob, ada)
    home.take_all(ada)
    reader.take_all(bob)
    link = Link(home, reader)
    link.talk()
    for person, node, end in ((ada, home, 0), (bob, reader, 1)):
        entry = person.post()
        node.take(person.run(1, entry.seq, entry.seq))
        link.ends[end].store_changed()
        link.talk()
    link.ends[0].finish()
    link.talk()
    again = meet(home, reader)
    assert again.frames_of(Have) == []
    assert again.total_bytes <= 200


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 14), max_size=4),
    batch=st.integers(1, 5),
)
def test_any_cuts_and_any_holdings_end_equal(seed: int, cuts: list[int], batch: int) -> None:
    """Random logs, random parts of them on both sides, random cuts: both end with all."""
    rng = random.Random(seed)
    people = [Person(rng.randrange(2**32)) for _ in range(4)]
    nodes = [Node(people[0], *people), Node(people[1], *people)]
    for person in people:
        person.posts(rng.choice([0, 1, 3, BLOCK, BLOCK + 3]))
        whole = rng.randrange(2)
        nodes[whole].take_all(person)
        if person.log() and rng.random() < 0.5:
            other = nodes[1 - whole]
            other.take(person.verified_ident(), *person.runs(1)[: rng.randint(1, 2)])
    for cut_after in cuts:
        Link(*nodes).talk(cut_after=cut_after, batch=batch)
        rng.shuffle(nodes)
    meet(*nodes)
    for node in nodes:
        for person in people:
            assert node.holds_all(person)
            assert node.store.head(LogKey(person.device, 1)) == person.head()
