"""What nodes say while they shake hands, and Noise messages cut out of a stream."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.encoding import pack
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
from slowlight.protocol.noise import PATTERNS
from tests.noise_ends import ends, random_keys

TOKEN = bytes(range(16))


def test_a_greeting_comes_back() -> None:
    for greeting in (Greeting(b""), Greeting(b"ident"), Greeting(b"ident", TOKEN)):
        assert decode_greeting(greeting.encode()) == greeting


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "greeting"),
        (pack((b"ident",)), "2 are needed"),
        (pack((b"ident", b"", b"")), "at most 2"),
        (pack((b"ident", bytes(15))), "16 are needed"),
        (pack((b"ident", bytes(17))), "16 are needed"),
        (pack((0, b"")), "not a byte string"),
        (pack((b"ident", 0)), "not a byte string"),
        (pack((b"ident", b"")) + b"\0", "greeting"),
        (b"\x92\xc5\x00\x01x\xc4\x00", "canonical"),
        (pack((bytes(MAX_BODY_BYTES + 1), b"")), "at most"),
        (bytes(MAX_GREETING_BYTES + 1), "at most"),
    ],
)
def test_refused_greetings(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_greeting(payload)


def test_the_longest_greeting_fits_both_messages_that_carry_one() -> None:
    longest = Greeting(bytes(MAX_BODY_BYTES), TOKEN).encode()
    assert len(longest) <= MAX_GREETING_BYTES
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
