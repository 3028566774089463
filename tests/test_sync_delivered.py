"""What a session learns about who has what: never more than the peer has shown."""

from __future__ import annotations

from dataclasses import replace

from slowlight.protocol.entry import log_id
from slowlight.protocol.frames import RunFrame, decode_frames
from slowlight.store.base import MAX_SENT_RANGES, Delivered, SentRange
from slowlight.sync.delivered import SentLog

from .people import START_MS, Person
from .sync_ends import Link, Node, meet, roster_of


def known(node: Node, peer: Node) -> Delivered:
    """What a node knows of what a peer has, if that counts."""
    device = peer.owner.device
    delivered = node.store.delivered(device)
    memory = node.store.peer_memory(device)
    return delivered if delivered.holds_for(memory, memory.roster) else Delivered()


def two() -> tuple[Person, Node, Node]:
    """Ada, who wrote three posts, her node, and the node of Bob, who follows her."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada, ada), Node(bob, ada)
    home.take_all(ada)
    return ada, home, reader


def test_a_meeting_tells_both_what_the_other_has() -> None:
    """One has confirmed all of it; the other has heard everything."""
    _, home, reader = two()
    meet(home, reader)
    told = known(home, reader)
    assert (told.arrival, told.confirmed_ms, told.sent) == (home.store.last_arrival, START_MS, ())
    assert known(reader, home).heard_ms == START_MS


def test_what_comes_later_is_not_confirmed_before_the_next_meeting() -> None:
    """And nothing that was known is forgotten meanwhile."""
    ada, home, reader = two()
    meet(home, reader)
    ada.posts(1)
    home.take_all(ada)
    assert known(home, reader).arrival == home.store.arrival_of(ada.log()[2].id)
    meet(home, reader)
    assert known(home, reader).arrival == home.store.arrival_of(ada.log()[3].id)


def test_a_link_that_breaks_leaves_what_was_sent_unconfirmed() -> None:
    """The run was on the wire when it broke: it may have come or not."""
    ada, home, reader = two()
    link = Link(home, reader)
    for session in link.ends:
        session.start()
    sent = False
    while not sent:
        for at, session in enumerate(link.ends):
            message = session.next_message(START_MS)
            if message is None:
                continue
            sent = sent or any(isinstance(frame, RunFrame) for frame in decode_frames(message))
            if not sent:
                link.ends[1 - at].receive(message)
                link.ends[1 - at].commit(START_MS)
    for session in link.ends:
        session.link_lost()
    told = known(home, reader)
    assert told.arrival == 0
    assert told.sent == (SentRange(log_id(ada.device, 1), 0, 2),)
    meet(home, reader)
    assert known(home, reader).sent == ()
    assert known(home, reader).arrival == home.store.last_arrival


def test_who_wants_something_else_has_confirmed_nothing_of_it() -> None:
    """Bob follows Carol since: what he lacked nothing of before was another list."""
    ada, home, reader = two()
    carol = Person(3)
    carol.posts(1)
    home.take_all(carol)
    meet(home, reader)
    before = known(home, reader)
    assert before.arrival == home.store.last_arrival  # Carol's post among it, which he never wanted
    assert not home.store.roster(before.offered).wants(carol.identity, 1)  # type: ignore[union-attr]
    reader.roster = roster_of(ada, carol)
    link = Link(home, reader)
    for session in link.ends:
        session.start()
    assert link.talk()
    assert reader.holds_all(carol)
    memory, told = link.ends[0].peer_state
    assert told.holds_for(memory, memory.roster)
    assert told.offered != before.offered


def test_a_peer_that_lost_its_memory_has_confirmed_nothing() -> None:
    """Another store greets with the same keys: as soon as it does, nothing is claimed."""
    _, home, reader = two()
    meet(home, reader)
    anew = Node(reader.owner, home.owner)
    anew.store = type(anew.store)(nonce=b"new life")  # type: ignore[call-arg]
    anew.offers = type(anew.offers)(anew.store)
    anew.take(anew.owner.verified_ident())
    link = Link(home, anew)
    for session in link.ends:
        session.start()
    hello = link.ends[0].next_message(START_MS)
    assert hello is not None
    link.ends[1].receive(hello)
    link.ends[1].commit(START_MS)
    answer = link.ends[1].next_message(START_MS)
    assert answer is not None
    link.ends[0].receive(answer)
    assert link.ends[0].peer_state[1].arrival == 0


def test_a_peer_that_was_put_back_has_confirmed_nothing() -> None:
    """The same store with a lower counter: it has lost what it had confirmed."""
    _, home, reader = two()
    meet(home, reader)
    device = reader.owner.device
    later = replace(home.store.delivered(device), counter=reader.store.change_counter + 9)
    home.store.remember_delivered(device, later)
    link = Link(home, reader)
    for session in link.ends:
        session.start()
    for at in (0, 1):
        message = link.ends[at].next_message(START_MS)
        assert message is not None
        link.ends[1 - at].receive(message)
        if at == 0:
            link.ends[1].commit(START_MS)
    assert link.ends[0].peer_state[1].arrival == 0


def test_a_meeting_without_news_keeps_what_was_known() -> None:
    """Also where the other has written to others meanwhile, and its counter rose."""
    ada, home, reader = two()
    meet(home, reader)
    for round_ms in (1_000, 2_000):
        reader.owner.posts(1)
        reader.take_all(reader.owner)
        link = Link(home, reader, now_ms=START_MS + round_ms)
        link.ends[0].finish()
        assert link.talk()
        told = known(home, reader)
        assert told.arrival == home.store.arrival_of(ada.log()[2].id)
        assert told.confirmed_ms == START_MS + round_ms


def test_of_each_log_one_range_is_remembered() -> None:
    """What touches joins; else the newer counts. Those of most logs are kept, the newest."""
    sent = SentLog()
    log = b"l" * 32
    sent.add(log, 10, 20)
    sent.add(log, 5, 9)
    assert sent.ranges() == (SentRange(log, 5, 20),)
    sent.add(log, 40, 50)
    assert sent.ranges() == (SentRange(log, 40, 50),)
    for number in range(MAX_SENT_RANGES):
        sent.add(number.to_bytes(32, "big"), 0, 0)
    assert len(sent.ranges()) == MAX_SENT_RANGES
    assert all(each.log != log for each in sent.ranges())
    sent.forget()
    assert sent.ranges() == ()
