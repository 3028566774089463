"""Running nodes in virtual time: who meets whom, what travels, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.beginning import begin
from slowlight.node.carriers.base import Link, ProvenPeer
from slowlight.node.carriers.memory import MemoryListener, memory_promise
from slowlight.node.carriers.noise_link import respond
from slowlight.node.config import Config, LimitsConfig, NodeConfig
from slowlight.node.daemon import QUIET_S, run_node
from slowlight.node.delivery_operations import TRACE, TraceRequest
from slowlight.node.errors import Exit, ServiceError
from slowlight.node.home import Home
from slowlight.node.logs import no_log
from slowlight.node.network import link_keys, own_greeting, prove
from slowlight.node.peer_operations import (
    ADD_PEER,
    PEERS,
    STATUS,
    AddPeerRequest,
    PeersRequest,
    StatusRequest,
    StatusResult,
    SyncEvent,
    SyncRequest,
)
from slowlight.node.people_operations import (
    FOLLOW,
    FOLLOWS,
    UNFOLLOW,
    FollowRequest,
    FollowsRequest,
    UnfollowRequest,
)
from slowlight.node.post_operations import (
    POST,
    READ,
    SEARCH,
    PostRequest,
    ReadRequest,
    SearchRequest,
)
from slowlight.protocol.frames import Bye, ByeReason, RunFrame, decode_frames, encode_frame
from slowlight.protocol.handshake import Greeting
from slowlight.protocol.invite import read_invite
from slowlight.store.base import Peer
from tests.memory_net import MemoryCarrier, Running, net, run_home, running
from tests.nodes import NodeHome, RecordedLinks, StoodClock, make_home, seeded, service_of

HOUR_S = 3_600.0


def follow(node: Running, who: str) -> None:
    """Let a node follow someone."""
    node.service.call(FOLLOW, FollowRequest(who=(who,)))


def post(node: Running, text: str) -> None:
    """Let a node write a post."""
    node.service.call(POST, PostRequest(text=text))


def status(node: Running) -> StatusResult:
    """Ask a node how it is."""
    return node.service.call(STATUS, StatusRequest())


async def test_a_post_reaches_a_follower_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Bob follows Ada's invite; from then on her posts arrive without anybody asking."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        post(ada, "before he came")
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        assert bob.texts() == ["before he came"]
        begun_s = trio.current_time()
        post(ada, "while he listens")
        await wait_all_tasks_blocked()
        assert bob.texts() == ["while he listens", "before he came"]
        assert trio.current_time() == begun_s
        (link,) = status(bob).links
        assert (link.direction, link.address, link.in_sync) == ("out", "ada:1", True)
        assert link.peer.identity == ada.service.identity.hex()
        assert status(bob).unread == 2


async def test_a_post_is_traced_to_a_follower_as_soon_as_it_is_confirmed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """While the link is up, and after a node has stopped; and the clocks are told apart."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        follow(bob, ada.invite())
        bob.made.clock.now_ms += 7_200_000
        await wait_all_tasks_blocked()
        post(ada, "who has this?")
        entry = ada.service.call(READ, ReadRequest(scope="all")).posts[0].id
        (before,) = ada.service.call(TRACE, TraceRequest(id=entry)).holders
        await wait_all_tasks_blocked()
        (after,) = ada.service.call(TRACE, TraceRequest(id=entry)).holders
        (fresh,) = status(bob).freshness
        assert (before.knowledge, before.why) == ("waiting", "exchanging")
        assert (after.knowledge, after.connected) == ("confirmed", True)
        assert fresh.as_of_ms == bob.made.clock.now_ms
        (waiting,) = status(ada).waiting
        assert waiting.entries == 0
        (peer,) = bob.service.call(PEERS, PeersRequest()).peers
        assert peer.clock is not None
        assert abs(peer.clock.ahead_ms + 7_200_000) <= peer.clock.error_ms
    service = service_of(ada.made, RecordedLinks())
    (kept,) = service.call(TRACE, TraceRequest(id=entry)).holders
    assert (kept.knowledge, kept.connected) == ("confirmed", False)


async def test_answers_go_both_ways_over_one_link(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whoever dialled, each gets what it follows; an answer cites what was read."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        follow(bob, ada.invite())
        follow(ada, bob.service.identity.hex())
        post(ada, "how late is the light?")
        await wait_all_tasks_blocked()
        post(bob, "very")
        await wait_all_tasks_blocked()
        assert ada.texts() == bob.texts() == ["very", "how late is the light?"]


async def test_an_invite_makes_one_stranger_a_peer(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The second who comes with the same line is told nothing and gets nothing."""
    async with running(tmp_path, net(), "ada", "bob", "eve") as (ada, bob, eve):
        post(ada, "for friends")
        line = ada.invite()
        follow(bob, line)
        await wait_all_tasks_blocked()
        (peer,) = ada.service.call(PEERS, PeersRequest()).peers
        assert peer.person.identity == bob.service.identity.hex()
        assert (peer.addresses, peer.connected, peer.following) == ((), True, False)
        follow(eve, line)
        receipt = await eve.service.sync(SyncRequest(), lambda _event: None)
        assert [end.outcome for end in receipt.outcomes] == ["refused"]
        assert eve.texts() == []
        assert ada.told("stranger refused")
        assert len(ada.service.call(PEERS, PeersRequest()).peers) == 1


async def test_a_peer_stays_one_after_its_invite_was_used(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Bob restarts and is let in again, although the token is spent."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        await bob.stop()
        post(ada, "while he slept")
        again = await run_home(bob.made, carrier, nursery)
        await wait_all_tasks_blocked()
        assert again.texts() == ["while he slept"]
        again.stopping.set()


async def test_people_who_are_followed_may_call(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Ada follows Bob, so Bob, who knows her address, needs no token."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        follow(ada, bob.service.identity.hex())
        line = ada.invite()
        ada.made.clock.now_ms += 8 * 86_400_000  # the token has expired
        follow(bob, line)
        post(ada, "welcome")
        await wait_all_tasks_blocked()
        assert bob.texts() == ["welcome"]


async def test_following_during_a_session_brings_their_log(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Carol's posts reach Bob through Ada, as soon as he follows her; unfollowing ends it."""
    async with running(tmp_path, net(), "ada", "bob", "carol") as (ada, bob, carol):
        follow(bob, ada.invite())
        follow(ada, carol.invite())
        post(carol, "from afar")
        await wait_all_tasks_blocked()
        assert bob.texts() == []
        follow(bob, carol.service.identity.hex())
        await wait_all_tasks_blocked()
        assert bob.texts() == ["from afar"]
        bob.service.call(UNFOLLOW, UnfollowRequest(who=(carol.service.identity.hex(),)))
        post(carol, "unheard")
        await wait_all_tasks_blocked()
        assert bob.texts() == ["from afar"]
        assert ada.texts() == ["unheard", "from afar"]
        followed = bob.service.call(FOLLOWS, FollowsRequest()).follows
        assert [one.person.identity for one in followed] == [ada.service.identity.hex()]


async def test_an_absent_peer_is_dialled_less_and_less_often(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Eight hours of absence cost few dials; when it comes back it is found within the ceiling."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        await ada.stop()
        carrier.dialled_at_s.clear()
        await trio.sleep(8 * HOUR_S)
        waits = [
            b - a for a, b in zip(carrier.dialled_at_s, carrier.dialled_at_s[1:], strict=False)
        ]
        assert len(waits) < 80
        assert max(waits) <= LimitsConfig().redial_s
        for number, wait in enumerate(waits[:9], start=1):
            assert 2**number / 2 <= wait <= 2**number
        ada.made.clock.now_ms += round(8 * HOUR_S) * 1_000
        back = await run_home(ada.made, carrier, nursery)
        post(back, "good morning")
        await trio.sleep(LimitsConfig().redial_s)
        await wait_all_tasks_blocked()
        assert bob.texts() == ["good morning"]
        back.stopping.set()


async def test_nodes_at_rest_need_no_timer_but_that_of_the_day(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Connected and in sync, nothing is due for hours: neither keep-alive nor polling."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        follow(bob, ada.invite())
        post(ada, "then silence")
        await trio.sleep(HOUR_S)
        assert status(bob).links[0].in_sync
        await wait_all_tasks_blocked()
        due_s = trio.lowlevel.current_statistics().seconds_to_next_deadline
        assert due_s > HOUR_S


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(4))
async def test_two_that_dial_each_other_at_once_keep_one_link(
    tmp_path: Path, autojump_clock: MockClock, seed: int, delay_s: float
) -> None:
    """Both drop the same link, whatever order the calls are handled in, and it stays so."""
    carrier = net(seed, delay_s=delay_s)
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        lines = ada.invite(), bob.invite()
        follow(ada, lines[1])
        await trio.sleep(delay_s * seed / 2)
        follow(bob, lines[0])
        post(ada, "one")
        post(bob, "two")
        await trio.sleep(120)
        assert sorted(map(str, ada.texts())) == sorted(map(str, bob.texts())) == ["one", "two"]
        dials = len(carrier.dialled_at_s)
        await trio.sleep(HOUR_S)
        (one,), (other,) = status(ada).links, status(bob).links
        assert {one.direction, other.direction} == {"in", "out"}
        assert len(carrier.dialled_at_s) == dials <= 6


async def test_a_newer_link_takes_the_place_of_the_older(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A second call from one device counts: it knows best which of its links is alive."""
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        link = await call_as(bob, ada, carrier)
        await wait_all_tasks_blocked()
        assert ada.told("link down")
        assert [one.direction for one in status(ada).links] == ["in"]
        assert status(bob).links == ()
        await trio.sleep(2)
        assert await link.receive() != [], "bob dialled again, and this link got its BYE"
        assert await link.receive() == []
        assert len(status(ada).links) == len(status(bob).links) == 1


# Peers that misbehave

RUBBISH: Final[Mapping[str, bytes]] = {
    "no frame": b"\xff\xff rubbish",
    "a frame cut short": b"\x00\x40\x01abc",
    "speaking before its HELLO": encode_frame(Bye(ByeReason.DONE, ""))[:2] + b"\x0c",
    "a run out of nowhere": encode_frame(RunFrame(b"\x93\x01\x02\x03")),
}


@pytest.mark.parametrize("message", RUBBISH.values(), ids=RUBBISH.keys())
async def test_a_peer_that_talks_rubbish_is_sent_away(
    tmp_path: Path, autojump_clock: MockClock, message: bytes
) -> None:
    """It is told why; what the others have to say goes on."""
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob", "mallory") as (ada, bob, mallory):
        follow(bob, ada.invite())
        ada.service.call(FOLLOW, FollowRequest(who=(mallory.service.identity.hex(),)))
        link = await call_as(mallory, ada, carrier)
        await link.send(message)
        (answer,) = await link.receive()
        (bye,) = decode_frames(answer)
        assert isinstance(bye, Bye)
        assert bye.reason is ByeReason.REFUSED
        assert bye.text
        assert await link.receive() == []
        post(ada, "all is well")
        await wait_all_tasks_blocked()
        assert bob.texts() == ["all is well"]
        assert ada.told("peer broke the protocol")


async def test_a_peer_that_says_nothing_is_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A proven caller has the time of ``silence_s`` for its first word."""
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        follow(ada, bob.service.identity.hex())
        link = await call_as(bob, ada, carrier)
        begun_s = trio.current_time()
        assert await link.receive() == []
        assert trio.current_time() - begun_s == LimitsConfig().silence_s
        await wait_all_tasks_blocked()
        assert status(ada).links == ()


async def test_an_impostor_at_the_right_address_gets_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Eve listens where Ada was: she cannot prove Ada's key, and learns not even who calls."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        line = ada.invite()
        await ada.stop()
        there = Config(node=NodeConfig(listen=("ada:1",)))
        eve = await run_home(make_home(tmp_path / "eve", 3), carrier, nursery, there)
        follow(bob, line)
        receipt = await bob.service.sync(SyncRequest(), lambda _event: None)
        assert receipt.outcomes[0].outcome == "refused"
        assert eve.told("caller refused")
        assert not eve.told("link up")
        eve.stopping.set()


async def test_another_identity_with_the_same_key_is_not_believed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The address book says Carol, the node that holds the key says Ada."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        node = read_invite(ada.invite()).nodes[0]
        wrong = Peer(b"c" * 32, node.device, node.box_public, node.addresses, "carol", 0)
        bob.made.store.put_peer(wrong)
        receipt = await bob.service.sync(SyncRequest(), lambda _event: None)
        assert [end.outcome for end in receipt.outcomes] == ["refused"]
        assert "another node" in receipt.outcomes[0].reason


async def test_the_certificate_of_a_friend_does_not_open_the_door(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Everybody can copy Bob's, whom Ada follows; Eve's key is not the one that it names."""
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob", "eve") as (ada, bob, eve):
        follow(ada, bob.service.identity.hex())
        link = await carrier.dial(
            "ada:1",
            link_keys(eve.made.home.keys.device_keys(), Config(), seeded(77)),
            ada.made.home.keys.device_keys().box.public,
            greet=lambda: own_greeting(bob.made.store, bob.made.home.keys.device_keys().device),
            decide=believe,
        )
        assert await link.receive() == []
        await wait_all_tasks_blocked()
        assert any("the key of this link" in refusal for refusal in ada.told("caller refused"))
        assert status(ada).links == ()
        await call_as(bob, ada, carrier)
        await wait_all_tasks_blocked()
        (one,) = status(ada).links
        assert one.peer.identity == bob.service.identity.hex()


async def call_as(node: Running, other: Running, carrier: MemoryCarrier) -> Link:
    """Open a link with the keys of a node, beside the node itself."""
    keys = link_keys(node.made.home.keys.device_keys(), Config(), seeded(77))
    return await carrier.dial(
        f"{other.made.home.path.name}:1",
        keys,
        other.made.home.keys.device_keys().box.public,
        greet=lambda: own_greeting(node.made.store, node.made.home.keys.device_keys().device),
        decide=believe,
    )


def believe(static: bytes, greeting: Greeting) -> ProvenPeer:
    """Take whoever proves to be somebody."""
    ident, device = prove(static, greeting)
    return ProvenPeer(ident.identity, device)


# Exchanging now


async def test_an_exchange_tells_what_came_and_what_went(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """One peer is in sync, one is away: a line of progress for each step, and a receipt."""
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob", "carol") as (ada, bob, carol):
        lines = ada.invite(), carol.invite()
        await carol.stop()
        for number in range(3):
            post(ada, f"post {number}")
        for line in lines:
            bob.service.call(ADD_PEER, AddPeerRequest(who=line))
        follow(bob, ada.service.identity.hex())
        events: list[SyncEvent] = []
        receipt = await bob.service.sync(SyncRequest(), events.append)
        outcomes = {end.peer.name or "carol": end for end in receipt.outcomes}
        assert (outcomes["ada"].outcome, outcomes["carol"].outcome) == ("in_sync", "unreachable")
        assert receipt.in_sync == 1
        counts = outcomes["ada"].counts
        assert (counts.entries_in, counts.entries_out, counts.wanted) == (5, 0, 0)
        assert counts.wire_bytes_in > counts.payload_bytes_in > 0
        assert {event.state for event in events} >= {"dialling", "connected", "done", "failed"}
        again = await bob.service.sync(SyncRequest(who=("ada",)), lambda _event: None)
        assert (again.outcomes[0].outcome, again.total.entries_in) == ("in_sync", 0)


async def test_an_exchange_ends_when_its_time_is_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Somebody takes the call and says nothing more."""
    carrier = net()
    listener = carrier.network.listen("mute:1")
    async with running(tmp_path, carrier, "bob") as (bob,), trio.open_nursery() as nursery:
        nursery.start_soon(listener.accept)
        mute = Peer(b"m" * 32, b"d" * 32, bytes(31) + b"\x09", ("mute:1",), "mute", 0)
        bob.made.store.put_peer(mute)
        receipt = await bob.service.sync(SyncRequest(timeout_ms=3_000), lambda _event: None)
        assert [end.outcome for end in receipt.outcomes] == ["timeout"]
        assert receipt.took_ms == 3_000


# Beginning and ending


async def test_a_node_that_stops_says_goodbye(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Its peers know that it left on purpose; its home is free at once."""
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        assert ada.made.home.socket.is_socket()
        await ada.stop()
        await wait_all_tasks_blocked()
        (line,) = bob.told("link down")
        assert "reason=farewell" in line
        assert not ada.made.home.socket.exists()
        ada.made.home.lock("a test").close()
        (peer,) = bob.service.call(PEERS, PeersRequest()).peers
        assert peer.last_contact_ms > 0


async def test_a_cancelled_node_leaves_nothing_behind(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A crash of its surroundings closes store, socket and lock as well."""
    carrier = net()
    made = make_home(tmp_path / "ada", 1)
    async with trio.open_nursery() as nursery:
        await run_home(made, carrier, nursery)
        nursery.cancel_scope.cancel()
    assert not made.home.socket.exists()
    with pytest.raises(ConnectionRefusedError):
        await carrier.network.connect("ada:1")
    made.home.lock("a test").close()


async def test_a_second_daemon_on_one_home_says_why_not(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """And the first is not disturbed."""
    carrier = net()
    async with running(tmp_path, carrier, "ada") as (ada,):
        with pytest.raises(ServiceError, match="slowlight run") as caught:
            await run_node(
                ada.made.home,
                Config(),
                stop=trio.sleep_forever,
                log=no_log(),
                carrier=carrier,
                open_store=ada.made.open_store,
            )
        assert caught.value.exit is Exit.LOCKED
        assert ada.made.home.socket.is_socket()
        post(ada, "still here")


async def test_the_index_follows_when_it_is_quiet(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A search a moment later is complete, also over what arrived in the meantime."""
    home = Home(tmp_path)
    begin(home, clock=StoodClock(), random_bytes=seeded(1))
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        node = await nursery.start(
            partial(
                run_node,
                home,
                Config(node=NodeConfig(listen=())),
                stop=stop.wait,
                log=no_log(),
                carrier=net(),
            )
        )
        for number in range(20):
            node.service.call(POST, PostRequest(text=f"post {number}"))
        assert node.service.call(STATUS, StatusRequest()).search_behind == 20
        await trio.sleep(QUIET_S * 1.5)
        assert node.service.call(STATUS, StatusRequest()).search_behind == 0
        assert len(node.service.call(SEARCH, SearchRequest(query="post 7")).posts) == 1
        stop.set()


async def test_a_full_disk_ends_links_and_not_the_node(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nothing can be stored, everything can be read; with space again, what is missing comes."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        post(ada, "early")
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        bob.made.store.is_full = True
        post(ada, "late")
        await trio.sleep(HOUR_S)
        assert bob.texts() == ["early"]
        assert bob.told("database failed")
        with pytest.raises(ServiceError, match="disk full") as caught:
            post(bob, "mine")
        assert caught.value.exit is Exit.ERROR
        bob.made.store.is_full = False
        await trio.sleep(HOUR_S)
        assert bob.texts() == ["late", "early"]


async def test_a_peer_that_breaks_the_protocol_is_dialled_ever_less_often(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It answers each time, and each time with rubbish."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "bob") as (bob,),
        trio.open_nursery() as nursery,
    ):
        rude = make_home(tmp_path / "rude", 3)
        keys = rude.home.keys.device_keys()
        listener = carrier.network.listen("rude:1")
        nursery.start_soon(answer_with_rubbish, rude, listener)
        identity = rude.store.identity_of(keys.device) or b""
        peer = Peer(identity, keys.device, keys.box.public, ("rude:1",), "rude", 0)
        bob.made.store.put_peer(peer)
        bob.service.call(FOLLOW, FollowRequest(who=(identity.hex(),)))
        await trio.sleep(8 * HOUR_S)
        assert 10 < len(carrier.dialled_at_s) < 80
        assert bob.told("peer broke the protocol")
        nursery.cancel_scope.cancel()


async def answer_with_rubbish(made: NodeHome, listener: MemoryListener) -> None:
    """Take every call, prove who one is, and talk nonsense."""
    keys = link_keys(made.home.keys.device_keys(), Config(), seeded(5))
    device = made.home.keys.device_keys().device
    while True:
        link = await respond(
            await listener.accept(),
            keys,
            greet=lambda: own_greeting(made.store, device),
            decide=believe,
            promise=memory_promise(0.0),
        )
        await link.send(b"nonsense")
        while await link.receive():
            pass
        await link.aclose()


@pytest.mark.parametrize("seed", range(6))
async def test_two_that_ask_for_an_exchange_at_once_both_get_their_receipt(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    """Their calls cross on the way; the exchange goes on over the link that stays."""
    carrier = net(seed, delay_s=1.0)
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        post(ada, "one")
        lines = ada.invite(), bob.invite()
        ends: list[str] = []

        async def exchange(node: Running, line: str) -> None:
            follow(node, line)
            receipt = await node.service.sync(SyncRequest(), lambda _event: None)
            ends.extend(end.outcome for end in receipt.outcomes)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange, ada, lines[1])
            nursery.start_soon(exchange, bob, lines[0])
        assert ends == ["in_sync", "in_sync"]
        assert bob.texts() == ["one"]


async def test_a_node_without_room_takes_the_next_one_later(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """One link is all that Ada has; Carol gets it when Bob has gone."""
    carrier = net()
    narrow = Config(node=NodeConfig(listen=("ada:1",)), limits=LimitsConfig(links=1))
    async with (
        running(tmp_path, carrier, "bob", "carol") as (bob, carol),
        trio.open_nursery() as nursery,
    ):
        ada = await run_home(make_home(tmp_path / "ada", 7, "ada"), carrier, nursery, narrow)
        post(ada, "one at a time")
        follow(bob, ada.invite())
        await wait_all_tasks_blocked()
        follow(carol, ada.invite())
        await trio.sleep(60)
        assert carol.texts() == []
        await bob.stop()
        await trio.sleep(LimitsConfig().redial_s)
        assert carol.texts() == ["one at a time"]
        ada.stopping.set()
