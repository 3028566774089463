"""What nodes say while they shake hands, and Noise messages cut out of a stream."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import MAX_BODY_BYTES
from slowlight.protocol.handshake import (
    FIRST_MESSAGE_BYTES,
    MAX_GREETING_BYTES,
    MAX_NETWORK_BYTES,
    Greeting,
    NoiseFramer,
    decode_greeting,
    prologue_of,
    put_length,
)
from slowlight.protocol.noise import PATTERNS, HandshakeState, KeyPair
from tests.noise_ends import ends, random_keys
from tests.vector_files import FOLDER, in_hex, vector_file, vectors
from tests.vectors.make_link import NAME, link_text

TOKEN = bytes(range(16))


def test_the_committed_vectors_follow_the_specification() -> None:
    assert (FOLDER / NAME).read_text(encoding="ascii") == link_text()


@vectors("link", kind="prologue")
def test_prologues(case: dict[str, Any]) -> None:
    assert prologue_of(case["network"]).hex() == case["hex"]


@vectors("link", kind="greeting", expect="accept")
def test_greetings(case: dict[str, Any]) -> None:
    greeting = decode_greeting(bytes.fromhex(case["hex"]))
    assert in_hex(greeting.ident) == case["ident"]
    assert in_hex(greeting.token) == case["token"]
    assert greeting.t_ms == case["t_ms"]
    assert in_hex(greeting.encode()) == case["hex"]


@vectors("link", kind="greeting", expect="reject")
def test_refused_greetings(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_greeting(bytes.fromhex(case["hex"]))


@vectors("link", kind="session", expect="accept")
def test_sessions_byte_for_byte(case: dict[str, Any]) -> None:
    """What another implementation of Noise makes of the specification."""
    keys = {
        name: KeyPair.from_private(bytes.fromhex(private))
        for name, private in vector_file("link")["keys"].items()
    }
    prologue = prologue_of(case["network"])
    caller = HandshakeState(
        PATTERNS["XK"],
        initiator=True,
        prologue=prologue,
        static=keys["caller_static"],
        ephemeral=keys["caller_ephemeral"],
        remote_static=keys["called_static"].public,
    )
    called = HandshakeState(
        PATTERNS["XK"],
        initiator=False,
        prologue=prologue,
        static=keys["called_static"],
        ephemeral=keys["called_ephemeral"],
    )
    steps: list[tuple[int, bytes, str]] = list(
        zip(case["sender"], map(bytes.fromhex, case["plain"]), case["wire"], strict=True)
    )
    for sender, plain, wire in steps[:3]:
        writer, reader = (called, caller) if sender else (caller, called)
        message = writer.write_message(plain)
        assert put_length(message).hex() == wire
        assert reader.read_message(message) == plain
    transports = caller.split(), called.split()
    for sender, plain, wire in steps[3:]:
        message = transports[sender].encrypt(plain)
        assert put_length(message).hex() == wire
        assert transports[1 - sender].decrypt(message) == plain
    assert "".join(case["wire"]) == case["hex"]


@given(st.binary(max_size=64), st.sampled_from([b"", b"\x93", b"\x93\xc4\x00"]))
def test_whatever_the_bytes_only_a_decode_error_escapes(body: bytes, head: bytes) -> None:
    payload = head + body
    try:
        greeting = decode_greeting(payload)
    except DecodeError:
        return
    assert greeting.encode() == payload


def test_the_longest_greeting_fits_both_messages_that_carry_one() -> None:
    longest = Greeting(bytes(MAX_BODY_BYTES), TOKEN, 2**63 - 1).encode()
    assert len(longest) <= MAX_GREETING_BYTES
    assert decode_greeting(longest).token == TOKEN
    with pytest.raises(DecodeError, match="at most"):
        decode_greeting(Greeting(bytes(MAX_BODY_BYTES + 1)).encode())
    caller, called = ends(PATTERNS["XK"], random_keys(Random("longest")))
    first = caller.write_message()
    assert len(first) == FIRST_MESSAGE_BYTES
    called.read_message(first)
    assert caller.read_message(called.write_message(longest)) == longest
    assert called.read_message(caller.write_message(longest)) == longest


def test_a_token_does_not_show_in_a_log() -> None:
    assert "token" in repr(Greeting(b"ident", TOKEN))
    assert TOKEN.hex() not in repr(Greeting(b"ident", TOKEN))
    assert repr(TOKEN) not in repr(Greeting(b"ident", TOKEN))


def test_networks_have_different_prologues() -> None:
    names = ["", "0", "mars", "Mars", "m\u00e4rs", "x" * MAX_NETWORK_BYTES]
    assert len({prologue_of(name) for name in names}) == len(names)
    assert prologue_of("") == b"slowlight-1\xc4\x00"
    with pytest.raises(ValueError, match="at most 256"):
        prologue_of("\u00e4" * 129)


@given(st.lists(st.binary(min_size=16, max_size=300), max_size=8), st.randoms())
def test_messages_are_found_however_the_stream_is_cut(messages: list[bytes], rng: Random) -> None:
    wire = b"".join(put_length(message) for message in messages)
    framer = NoiseFramer()
    found: list[bytes] = []
    while wire:
        cut = rng.randrange(1, len(wire) + 1)
        found += framer.feed(wire[:cut])
        wire = wire[cut:]
    assert found == messages
    assert framer.pending_bytes == 0


def test_a_framer_holds_less_than_one_message() -> None:
    framer = NoiseFramer()
    longest = bytes(65_535)
    assert framer.feed(put_length(longest) * 3 + b"\xff") == [longest] * 3
    assert framer.pending_bytes == 1
    assert framer.feed(b"\xff" + longest[:-1]) == []
    assert (framer.next_length, framer.pending_bytes) == (65_535, 65_536)
    assert framer.feed(b"\0") == [longest]


def test_no_message_is_shorter_than_its_tag() -> None:
    """Else a megabyte of zeros would be half a million messages."""
    for length in range(16):
        with pytest.raises(DecodeError, match="shorter than its tag"):
            NoiseFramer().feed(put_length(bytes(length)))
    assert NoiseFramer().feed(put_length(bytes(16))) == [bytes(16)]
