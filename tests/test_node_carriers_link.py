"""Links: two nodes that prove themselves talk; a cut, a forgery or a stranger gets nowhere."""

from random import Random

import pytest
import trio
import trio.testing

from slowlight.node.carriers.base import LostLinkError, ProvenPeer, RefusedError
from slowlight.node.carriers.memory import MemoryLine, link_pair
from slowlight.node.carriers.noise_link import NoiseLink
from slowlight.protocol.errors import ProtocolError
from slowlight.protocol.handshake import FIRST_MESSAGE_BYTES, LENGTH_BYTES
from slowlight.protocol.noise import MAX_PLAINTEXT_BYTES, TAG_BYTES
from tests.link_ends import PROMISE, End, meet, tapped_pair
from tests.noise_ends import flip

ADA, BOB, EVE = End("ada"), End("bob"), End("eve")
ONE, TWO = ProvenPeer(b"1" * 32, b"one" * 10), ProvenPeer(b"2" * 32, b"two" * 10)
MESSAGE_COST = LENGTH_BYTES + TAG_BYTES
HANDSHAKE_COST = (
    LENGTH_BYTES + FIRST_MESSAGE_BYTES,
    LENGTH_BYTES + 32 + 16,
    LENGTH_BYTES + 48 + 16,
)


async def hear(link: NoiseLink, count: int) -> list[bytes]:
    """Receive until there are ``count`` messages."""
    heard: list[bytes] = []
    while len(heard) < count:
        messages = await link.receive()
        assert messages, "the link was closed"
        heard += messages
    return heard


async def overhear(link: NoiseLink, heard: list[bytes]) -> None:
    """Note what arrives until the link ends."""
    while messages := await link.receive():
        heard += messages


async def say(link: NoiseLink, messages: list[bytes]) -> None:
    for message in messages:
        await link.send(message)


async def test_both_ends_learn_who_the_other_is(autojump_clock: trio.testing.MockClock) -> None:
    ada, bob = End("ada"), End("bob")
    line = MemoryLine(Random("meet"), delay_s=3.0)
    near, far = await meet(ada, bob, line.near, line.far)
    assert (near.peer_identity, near.peer_device) == (bob.peer.identity, bob.peer.device)
    assert (far.peer_identity, far.peer_device) == (ada.peer.identity, ada.peer.device)
    assert (near.peer_static, far.peer_static) == (bob.static, ada.static)
    assert (near.peer_greeting, far.peer_greeting) == (bob.greeting, ada.greeting)
    assert ada.met == [(bob.static, bob.greeting)]
    assert bob.met == [(ada.static, ada.greeting)]
    assert near.promise == far.promise == PROMISE
    assert trio.current_time() == 9.0, "three messages, each a delay away"


async def test_messages_arrive_whole_in_order_and_late(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Four light minutes each way, and pieces of any size on the line."""
    rng = Random("talk")
    near, far = await link_pair(ONE, TWO, MemoryLine(rng, delay_s=240.0))
    said = [rng.randbytes(rng.choice([0, 1, 300, MAX_PLAINTEXT_BYTES])) for _ in range(60)]
    start_s = trio.current_time()
    await say(near, said)
    assert await hear(far, len(said)) == said
    assert trio.current_time() == start_s + 240.0
    await say(far, said)
    assert await hear(near, len(said)) == said


async def test_every_byte_of_the_wire_is_counted() -> None:
    near, far = await meet(ADA, BOB, *trio.testing.memory_stream_pair())
    first, second, third = HANDSHAKE_COST
    said = len(ADA.greeting.encode()), len(BOB.greeting.encode())
    assert near.bytes_out == far.bytes_in == first + third + said[0]
    assert near.bytes_in == far.bytes_out == second + said[1]

    before = near.bytes_out
    await say(near, [bytes(length) for length in (0, 1, 280)])
    await hear(far, 3)
    assert near.bytes_out == far.bytes_in == before + 281 + 3 * MESSAGE_COST


async def test_a_bulk_transfer_is_received_in_large_pieces() -> None:
    near, far = await meet(ADA, BOB, *trio.testing.memory_stream_pair())
    await say(near, [bytes(60_000)] * 40)
    sizes = [sum(map(len, await far.receive())) for _ in range(3)]
    assert sizes == [17 * 60_000, 17 * 60_000, 6 * 60_000]


async def test_words_that_ride_on_the_last_handshake_message_are_heard() -> None:
    """The caller may talk before it knows that it was let in."""
    near_end, far_end = trio.testing.memory_stream_pair()
    heard: list[bytes] = []

    async def call() -> None:
        link = await ADA.call(near_end, BOB)
        await link.send(b"first words")

    async def answer() -> None:
        link = await BOB.answer(far_end, ADA)
        heard.extend(await link.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    assert heard == [b"first words"]


async def test_a_closed_link_ends_after_the_last_message() -> None:
    near, far = await meet(ADA, BOB, *trio.testing.memory_stream_pair())
    await near.send(b"farewell")
    await near.aclose()
    await near.aclose()
    assert await far.receive() == [b"farewell"]
    assert await far.receive() == []
    with pytest.raises(LostLinkError):
        await near.send(b"one more thing")
    with pytest.raises(LostLinkError):
        await near.receive()


async def test_a_line_cut_anywhere_delivers_a_prefix_and_then_says_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Whatever the byte, nobody sees half a message, and both ends notice."""
    said = [b"a" * 30, b"", b"b" * 100, b"c"]
    total = sum(len(message) + MESSAGE_COST for message in said)
    for cut in range(total):
        line = MemoryLine(Random(cut), delay_s=1.0)
        near, far = await link_pair(ONE, TWO, line)
        line.cut_after(cut)
        with pytest.raises(LostLinkError):
            await say(near, said)
        heard: list[bytes] = []
        with pytest.raises(LostLinkError):
            await overhear(far, heard)
        assert heard == said[: len(heard)]
        assert len(heard) < len(said)
        with pytest.raises(LostLinkError):
            await near.send(b"still there?")
        with pytest.raises(LostLinkError):
            await near.receive()


async def test_a_line_cut_inside_the_handshake(autojump_clock: trio.testing.MockClock) -> None:
    async def fails(end: str, cut: int) -> None:
        with pytest.raises((LostLinkError, RefusedError)):
            await (ADA.call(line.near, BOB) if end == "near" else BOB.answer(line.far, ADA))

    for cut in range(sum(HANDSHAKE_COST)):
        line = MemoryLine(Random(cut))
        line.cut_after(cut)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, "near", cut)
            nursery.start_soon(fails, "far", cut)


async def test_a_cancelled_send_ends_the_link(autojump_clock: trio.testing.MockClock) -> None:
    """Nobody knows how much of the message went out."""
    near, far = await meet(ADA, BOB, *trio.testing.lockstep_stream_pair())
    with trio.move_on_after(5) as patience:
        await near.send(bytes(1000))
    assert patience.cancelled_caught
    with pytest.raises(LostLinkError, match="cut"):
        await near.send(b"again")
    await far.aclose()


async def test_no_byte_of_a_message_can_be_changed_on_the_way() -> None:
    """A changed length shows as a cut or a forgery, any other change as a forgery."""
    message = b"the ship has landed"
    for at in range(len(message) + MESSAGE_COST):
        near_end, far_end = tapped_pair()
        near, far = await meet(ADA, BOB, near_end, far_end)
        near_end.alter = flip(at, 1)
        await near.send(message)
        await near.aclose()
        with pytest.raises((ProtocolError, LostLinkError)):
            await far.receive()


async def test_a_caller_whom_the_called_node_refuses_finds_the_link_closed() -> None:
    near_end, far_end = trio.testing.memory_stream_pair()
    ends: list[list[bytes]] = []

    async def call() -> None:
        link = await EVE.call(near_end, BOB)
        ends.append(await link.receive())

    async def answer() -> None:
        with pytest.raises(RefusedError, match="stranger"):
            await BOB.answer(far_end, ADA)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    assert ends == [[]]


async def test_a_caller_that_refuses_the_called_node_does_not_show_itself() -> None:
    """Somebody holds the right key, but its certificate is of somebody else."""
    near_end, far_end = tapped_pair()
    bob = End("bob")

    async def call() -> None:
        with pytest.raises(RefusedError, match="stranger"):
            await ADA.call(near_end, bob, EVE)

    async def answer() -> None:
        with pytest.raises(LostLinkError, match="left"):
            await bob.answer(far_end, ADA)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    assert len(near_end.sent) == LENGTH_BYTES + FIRST_MESSAGE_BYTES
    assert bob.met == []


@pytest.mark.parametrize(
    ("caller", "number"),
    [(ADA, EVE), (End("ada", network="mars"), BOB)],
    ids=["wrong number", "another network"],
)
async def test_a_caller_who_does_not_know_the_node_hears_nothing(caller: End, number: End) -> None:
    near_end, far_end = tapped_pair()

    async def call() -> None:
        with pytest.raises(RefusedError, match="no answer"):
            await caller.call(near_end, number)

    async def answer() -> None:
        with pytest.raises(ProtocolError):
            await BOB.answer(far_end, ADA)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    assert far_end.sent == b""


async def test_a_replayed_call_gets_nowhere() -> None:
    """Anyone can repeat message 1; the old message 3 does not fit the new message 2."""
    recorded, far_end = tapped_pair()
    bob = End("bob")
    await meet(ADA, bob, recorded, far_end)

    near_end, far_end = tapped_pair()
    await near_end.send_all(recorded.sent)
    with pytest.raises(ProtocolError):
        await bob.answer(far_end, ADA)
    assert far_end.sent, "message 1 was believed"
    assert len(bob.met) == 1, "message 3 was not"


async def test_ephemeral_keys_come_from_the_randomness_that_was_given() -> None:
    """The same seed makes the same bytes; the next handshake makes others."""

    async def sent_by(caller: End) -> bytes:
        near_end, far_end = tapped_pair()
        await meet(caller, End("bob"), near_end, far_end)
        return near_end.sent

    once = End("ada")
    first = await sent_by(once)
    assert await sent_by(End("ada")) == first
    assert await sent_by(once) != first
