"""Noise: byte for byte as others speak it, and every move that must be refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from slowlight.protocol.errors import ProtocolError
from slowlight.protocol.noise import (
    MAX_MESSAGE_BYTES,
    MAX_NONCE,
    MAX_PLAINTEXT_BYTES,
    PATTERNS,
    REKEY_EVERY_MESSAGES,
    CipherState,
    DecryptError,
    HandshakeError,
    HandshakeState,
    KeyPair,
    Pattern,
    Transport,
)
from tests.noise_ends import (
    Keys,
    ends,
    flip,
    initiator,
    key_pairs,
    open_session,
    random_keys,
    responder,
    shake_hands,
)

XK: Final = PATTERNS["XK"]
XX: Final = PATTERNS["XX"]
VECTORS: Final = Path(__file__).with_name("vectors") / "noise" / "vectors.json"

# Every encoding of a point whose order divides 8 (RFC 7748 masks the highest bit).
LOW_ORDER_POINTS: Final = [
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
]


@dataclass(frozen=True, slots=True)
class Vector:
    """One published session: hexadecimal text became bytes."""

    pattern: Pattern
    prologue: bytes
    keys: Keys
    handshake_hash: bytes | None
    messages: list[tuple[bytes, bytes]]  # payload, ciphertext


def read_vectors() -> dict[str, Vector]:
    vectors: dict[str, Vector] = {}
    unused = "00" * 32
    for row in json.loads(VECTORS.read_text())["vectors"]:
        pairs = key_pairs(
            bytes.fromhex(row.get(name, unused))
            for name in ("init_static", "init_ephemeral", "resp_static", "resp_ephemeral")
        )
        psks = row.get("init_psks") or [unused]
        pattern = PATTERNS[row["protocol_name"].split("_")[1]]
        vectors[f"{pattern.name}-{row['source']}"] = Vector(
            pattern,
            bytes.fromhex(row["init_prologue"]),
            Keys(*pairs, bytes.fromhex(psks[0])),
            bytes.fromhex(row["handshake_hash"]) if "handshake_hash" in row else None,
            [
                (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
                for message in row["messages"]
            ],
        )
    return vectors


@pytest.mark.parametrize("vector", [pytest.param(v, id=k) for k, v in read_vectors().items()])
def test_published_sessions_are_reproduced_byte_for_byte(vector: Vector) -> None:
    first = initiator(vector.pattern, vector.keys, vector.prologue)
    second = responder(vector.pattern, vector.keys, vector.prologue)
    handshake = vector.messages[: len(vector.pattern.messages)]
    writer, reader = first, second
    for payload, ciphertext in handshake:
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
        writer, reader = reader, writer
    assert first.handshake_hash == second.handshake_hash
    assert vector.handshake_hash in (None, first.handshake_hash)

    talker, listener = writer.split(), reader.split()
    if vector.pattern.one_way:
        talker, listener = listener, talker
    for payload, ciphertext in vector.messages[len(handshake) :]:
        assert talker.encrypt(payload) == ciphertext
        assert listener.decrypt(ciphertext) == payload
        if not vector.pattern.one_way:
            talker, listener = listener, talker


def test_the_vectors_cover_every_pattern() -> None:
    assert {vector.pattern.name for vector in read_vectors().values()} == set(PATTERNS)


class Oracle:
    """One end of Noise_XK in another implementation (the package noiseprotocol)."""

    def __init__(self, keys: Keys, *, initiates: bool, prologue: bytes) -> None:
        module: Any = import_module("noise.connection")
        kinds = module.Keypair
        self.connection: Any = module.NoiseConnection.from_name(XK.protocol_name)
        static = keys.initiator_static if initiates else keys.responder_static
        ephemeral = keys.initiator_ephemeral if initiates else keys.responder_ephemeral
        private = self.connection.set_keypair_from_private_bytes
        private(kinds.STATIC, static.private)
        private(kinds.EPHEMERAL, ephemeral.private)
        if initiates:
            self.connection.set_as_initiator()
            self.connection.set_keypair_from_public_bytes(
                kinds.REMOTE_STATIC, keys.responder_static.public
            )
        else:
            self.connection.set_as_responder()
        self.connection.set_prologue(prologue)
        with pytest.warns(UserWarning, match="ephemeral"):
            self.connection.start_handshake()

    def write_message(self, payload: bytes = b"") -> bytes:
        return bytes(self.connection.write_message(payload))

    def read_message(self, message: bytes) -> bytes:
        return bytes(self.connection.read_message(message))

    def encrypt(self, plaintext: bytes) -> bytes:
        return bytes(self.connection.encrypt(plaintext))

    def decrypt(self, message: bytes) -> bytes:
        return bytes(self.connection.decrypt(message))


def meet_oracle(rng: Random, *, oracle_initiates: bool) -> tuple[Transport, Oracle]:
    """Shake hands with the other implementation, with random keys, prologue and payloads."""
    keys, prologue = random_keys(rng), rng.randbytes(rng.randrange(80))
    oracle = Oracle(keys, initiates=oracle_initiates, prologue=prologue)
    ours = (responder if oracle_initiates else initiator)(XK, keys, prologue)
    writer, reader = (oracle, ours) if oracle_initiates else (ours, oracle)
    for _ in XK.messages:
        payload = rng.randbytes(rng.randrange(300))
        assert reader.read_message(writer.write_message(payload)) == payload
        writer, reader = reader, writer
    assert ours.handshake_hash == oracle.connection.get_handshake_hash()
    return ours.split(), oracle


@pytest.mark.parametrize("oracle_initiates", [True, False])
def test_random_sessions_with_another_implementation(oracle_initiates: bool) -> None:
    """150 handshakes in each role, and some messages each way."""
    rng = Random(f"oracle {oracle_initiates}")
    for _ in range(150):
        ours, oracle = meet_oracle(rng, oracle_initiates=oracle_initiates)
        for _ in range(rng.randrange(6)):
            text = rng.randbytes(rng.choice([0, 1, 180, 4_000]))
            assert oracle.decrypt(ours.encrypt(text)) == text
            assert ours.decrypt(oracle.encrypt(text)) == text


def test_keys_change_after_two_to_the_twenty_messages_as_the_specification_says() -> None:
    """The other implementation rekeys by hand at the same message; both still understand."""
    ours, oracle = meet_oracle(Random("rekey"), oracle_initiates=False)
    protocol = oracle.connection.noise_protocol
    sending, receiving = ours.sending, ours.receiving
    assert sending is not None
    assert receiving is not None
    sending.nonce = receiving.nonce = REKEY_EVERY_MESSAGES - 2
    protocol.cipher_state_encrypt.n = protocol.cipher_state_decrypt.n = REKEY_EVERY_MESSAGES - 2
    for number in range(REKEY_EVERY_MESSAGES - 2, REKEY_EVERY_MESSAGES + 3):
        if number == REKEY_EVERY_MESSAGES:
            oracle.connection.rekey_inbound_cipher()
            oracle.connection.rekey_outbound_cipher()
        assert oracle.decrypt(ours.encrypt(b"forth")) == b"forth"
        assert ours.decrypt(oracle.encrypt(b"back")) == b"back"


def test_both_ends_rekey_each_direction_by_its_own_count() -> None:
    near, far = open_session(XK, random_keys(Random("own count")))
    for cipher in (near.sending, far.receiving):
        assert cipher is not None
        cipher.nonce = 2 * REKEY_EVERY_MESSAGES - 1
    for _ in range(3):
        assert far.decrypt(near.encrypt(b"often")) == b"often"
    assert near.decrypt(far.encrypt(b"first")) == b"first"


def test_ends_learn_each_others_static_key() -> None:
    keys = random_keys(Random("statics"))
    for pattern in (XK, XX):
        near, far = ends(pattern, keys)
        shake_hands(near, far)
        assert near.remote_static == keys.responder_static.public
        assert far.remote_static == keys.initiator_static.public
        assert near.handshake_hash == far.handshake_hash


def play_altered(
    pattern: Pattern, keys: Keys, number: int, alter: Callable[[bytes], bytes]
) -> None:
    """Shake hands while somebody in the middle alters message ``number``."""
    near, far = ends(pattern, keys)
    writer, reader = near, far
    for at in range(len(pattern.messages)):
        message = writer.write_message(b"payload")
        reader.read_message(alter(message) if at == number else message)
        writer, reader = reader, writer


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=list(PATTERNS))
def test_no_altered_byte_of_a_handshake_is_accepted(pattern: Pattern) -> None:
    """Each byte of each message is changed, by its lowest and its highest bit."""
    keys = random_keys(Random("altered"))
    near, far = ends(pattern, keys)
    lengths = [len(message) + len(b"payload") for message in shake_hands(near, far)]
    for number, length in enumerate(lengths):
        for at in range(length):
            for bit in (0x01, 0x80):
                with pytest.raises(HandshakeError):
                    play_altered(pattern, keys, number, flip(at, bit))


def cut(length: int) -> Callable[[bytes], bytes]:
    return lambda message: message[:length]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=list(PATTERNS))
def test_no_handshake_message_may_be_shorter_or_longer(pattern: Pattern) -> None:
    keys = random_keys(Random("cut"))
    near, far = ends(pattern, keys)
    for number, message in enumerate(shake_hands(near, far)):
        for length in range(len(message) + len(b"payload")):
            with pytest.raises(HandshakeError):
                play_altered(pattern, keys, number, cut(length))
        with pytest.raises(HandshakeError):
            play_altered(pattern, keys, number, lambda whole: whole + b"\0")


def test_a_replayed_handshake_is_not_believed() -> None:
    """Message 1 of XK can be repeated by anyone; message 3 fits only its own session."""
    keys = random_keys(Random("replay"))
    recorded = shake_hands(*ends(XK, keys))
    fresh = KeyPair.from_private(Random("fresh").randbytes(32))
    target = responder(XK, replace(keys, responder_ephemeral=fresh))
    target.read_message(recorded[0])
    target.write_message()
    with pytest.raises(HandshakeError):
        target.read_message(recorded[2])


def test_messages_in_the_wrong_order_or_from_the_mirror_are_refused() -> None:
    keys = random_keys(Random("order"))
    recorded = shake_hands(*ends(XK, keys))
    for message in recorded[1:]:
        with pytest.raises(HandshakeError):
            responder(XK, keys).read_message(message)
    near = initiator(XK, keys)
    with pytest.raises(HandshakeError):
        near.read_message(near.write_message())


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=bytes.hex)
def test_points_of_low_order_are_refused_wherever_they_come(point: bytes) -> None:
    """Such a key makes a shared secret that everybody knows."""
    keys = random_keys(Random("low order"))
    poisoned = KeyPair(keys.initiator_ephemeral.private, point)

    with pytest.raises(HandshakeError, match="low order"):
        initiator(XK, replace(keys, responder_static=poisoned)).write_message()

    with pytest.raises(HandshakeError, match="low order"):
        responder(XK, keys).read_message(point + bytes(16))

    evil = responder(XK, replace(keys, responder_ephemeral=poisoned))
    near = initiator(XK, keys)
    evil.read_message(near.write_message())
    with pytest.raises(HandshakeError, match="low order"):
        near.read_message(evil.write_message())

    evil, far = ends(XK, replace(keys, initiator_static=poisoned))
    far.read_message(evil.write_message())
    evil.read_message(far.write_message())
    with pytest.raises(HandshakeError, match="low order"):
        far.read_message(evil.write_message())


def test_another_prologue_another_static_key_another_psk() -> None:
    """Whoever disagrees on any of them is turned away before a payload is believed."""
    keys = random_keys(Random("agreed"))
    other = random_keys(Random("other"))
    with pytest.raises(HandshakeError):
        responder(XK, keys).read_message(initiator(XK, keys, b"elsewhere").write_message(b"hi"))
    wrong_number = initiator(XK, replace(keys, responder_static=other.responder_static))
    with pytest.raises(HandshakeError):
        responder(XK, keys).read_message(wrong_number.write_message(b"hi"))

    pattern = PATTERNS["XXpsk3"]
    near, far = initiator(pattern, keys), responder(pattern, replace(keys, psk=other.psk))
    far.read_message(near.write_message())
    near.read_message(far.write_message())
    with pytest.raises(HandshakeError):
        far.read_message(near.write_message())


def test_the_longest_handshake_message_fits_and_one_byte_more_does_not() -> None:
    keys = random_keys(Random("long"))
    room = MAX_MESSAGE_BYTES - len(initiator(XK, keys).write_message())
    longest = initiator(XK, keys).write_message(bytes(room))
    assert len(longest) == MAX_MESSAGE_BYTES
    assert responder(XK, keys).read_message(longest) == bytes(room)
    with pytest.raises(ValueError, match="too long"):
        initiator(XK, keys).write_message(bytes(room + 1))
    with pytest.raises(HandshakeError):
        responder(XK, keys).read_message(longest + b"\0")


def test_nobody_may_speak_out_of_turn() -> None:
    keys = random_keys(Random("turns"))
    near, far = ends(XK, keys)
    with pytest.raises(RuntimeError):
        far.write_message()
    with pytest.raises(RuntimeError):
        near.read_message(bytes(48))
    with pytest.raises(RuntimeError):
        near.split()
    message = near.write_message()
    with pytest.raises(RuntimeError):
        near.write_message()
    far.read_message(message)
    with pytest.raises(RuntimeError):
        far.read_message(message)
    near.read_message(far.write_message())
    far.read_message(near.write_message())
    for end in (near, far):
        with pytest.raises(RuntimeError):
            end.write_message()
        with pytest.raises(RuntimeError):
            end.read_message(message)


def test_a_refused_handshake_stays_refused() -> None:
    """The right message after a wrong one comes too late."""
    near, far = ends(XK, random_keys(Random("once")))
    message = near.write_message()
    with pytest.raises(HandshakeError):
        far.read_message(flip(40, 1)(message))
    with pytest.raises(RuntimeError, match="begin another"):
        far.read_message(message)


def test_keys_missing_or_superfluous_or_short_are_our_own_mistake() -> None:
    keys = random_keys(Random("keys"))
    with pytest.raises(ValueError, match="ephemeral"):
        HandshakeState(XX, initiator=True, static=keys.initiator_static)
    with pytest.raises(ValueError, match="psk"):
        HandshakeState(
            XX,
            initiator=True,
            static=keys.initiator_static,
            ephemeral=keys.initiator_ephemeral,
            psk=keys.psk,
        )
    with pytest.raises(ValueError, match="31 bytes"):
        KeyPair.from_private(bytes(31))
    short = KeyPair(bytes(32), bytes(31))
    with pytest.raises(ValueError, match="31 bytes"):
        initiator(XK, replace(keys, responder_static=short))


def test_a_private_key_does_not_show_in_a_traceback() -> None:
    pair = random_keys(Random("repr")).initiator_static
    assert repr(pair.private) not in repr(pair)


def test_no_altered_byte_of_a_transport_message_is_accepted() -> None:
    """And the refusal costs nothing: the genuine message is still understood."""
    near, far = open_session(XK, random_keys(Random("transport")))
    message = near.encrypt(b"the ship has landed")
    for at in range(len(message)):
        with pytest.raises(DecryptError):
            far.decrypt(flip(at, 0x80)(message))
        with pytest.raises(DecryptError):
            far.decrypt(message[:at])
    with pytest.raises(DecryptError):
        far.decrypt(message + b"\0")
    assert far.decrypt(message) == b"the ship has landed"


def test_transport_messages_neither_repeat_nor_swap_nor_vanish_nor_return() -> None:
    near, far = open_session(XK, random_keys(Random("stream")))
    first, second, third = (near.encrypt(word) for word in (b"one", b"two", b"three"))
    with pytest.raises(DecryptError):
        far.decrypt(second)
    assert far.decrypt(first) == b"one"
    with pytest.raises(DecryptError):
        far.decrypt(first)
    with pytest.raises(DecryptError):
        far.decrypt(third)
    with pytest.raises(DecryptError):
        near.decrypt(second)


def test_transport_messages_have_a_longest_length() -> None:
    near, far = open_session(XK, random_keys(Random("longest")))
    longest = bytes(MAX_PLAINTEXT_BYTES)
    assert far.decrypt(near.encrypt(longest)) == longest
    with pytest.raises(ValueError, match="65520"):
        near.encrypt(longest + b"\0")
    with pytest.raises(DecryptError):
        far.decrypt(bytes(MAX_MESSAGE_BYTES + 1))


def test_only_the_initiator_of_a_one_way_session_sends() -> None:
    near, far = open_session(PATTERNS["X"], random_keys(Random("one way")))
    assert far.decrypt(near.encrypt(b"into the dark")) == b"into the dark"
    with pytest.raises(RuntimeError):
        far.encrypt(b"an answer")
    with pytest.raises(RuntimeError):
        near.decrypt(bytes(16))


def test_the_last_nonce_is_never_used() -> None:
    sending, receiving = CipherState(bytes(32)), CipherState(bytes(32))
    sending.nonce = receiving.nonce = MAX_NONCE - 1
    last = sending.encrypt(b"", b"last")
    assert receiving.decrypt(b"", last) == b"last"
    with pytest.raises(ProtocolError, match="spent"):
        sending.encrypt(b"", b"one too many")
    with pytest.raises(ProtocolError, match="spent"):
        receiving.decrypt(b"", last)


def test_an_argument_of_the_wrong_type_is_not_taken_for_a_forgery() -> None:
    wrong: Any = bytearray(16)
    with pytest.raises(TypeError):
        CipherState(bytes(32)).decrypt(b"", wrong)
