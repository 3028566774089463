"""What is said while two nodes pair, and on the local network: bytes, words and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.encoding import pack
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.handshake import prologue_of
from slowlight.protocol.nearby import PAIRING_KEY, nearby_tag
from slowlight.protocol.pairing import (
    PAIRING_PROTOCOL,
    PairingHello,
    check_commitment,
    commitment,
    decode_hello,
    pairing_words,
)
from slowlight.protocol.words import spoken_words

ADA = PairingHello(b"r" * 32, b"ident", ("192.0.2.7:4242", "[2001:db8::7]:4242"), "Ada")
BOB = replace(ADA, random=b"s" * 32, name="")
KEYS = b"a" * 32, b"b" * 32


def test_the_published_examples() -> None:
    """Those of docs/protocol/pairing.md, so that another implementation can compare."""
    assert nearby_tag(bytes(range(32)), bytes(range(16))).hex() == "c6b83bf37c1c660e"
    assert nearby_tag(PAIRING_KEY, bytes(range(16))).hex() == "47a72ce69dd11958"
    assert (
        commitment(KEYS[0], ADA.encode()).hex()
        == "4ce304caa8dba1a0277c902909014a72bda0a5aaf8098940dbaef29e6e97ae4f"
    )
    words = pairing_words(KEYS[0], ADA.encode(), KEYS[1], BOB.encode())
    assert " ".join(words) == "scare armed gadget resist"
    assert prologue_of("", PAIRING_PROTOCOL).hex() == "736c6f776c696768742d706169722d31c400"


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=200),
    st.lists(st.text(max_size=20), max_size=4),
    st.text(max_size=30),
)
def test_a_hello_is_read_as_it_was_written(
    random: bytes, ident: bytes, addresses: list[str], name: str
) -> None:
    """Every hello has one form."""
    hello = PairingHello(random, ident, tuple(addresses), name)
    assert decode_hello(hello.encode()) == hello


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ADA.encode()[:-1],
        ADA.encode() + b"\0",
        pack((b"r" * 31, b"", [], b"")),
        pack((b"r" * 32, b"", [b"h:1"] * 5, b"")),
        pack((b"r" * 32, b"", [b"\xff"], b"")),
        pack((b"r" * 32, b"", [], b"n" * 129)),
        pack((b"r" * 32, b"", [])),
        pack((b"r" * 32, b"", [], b"", b"")),
        pack(7),
    ],
)
def test_other_bytes_are_refused_with_the_one_error(data: bytes) -> None:
    """Cut, longer, out of bounds, of another shape."""
    with pytest.raises(DecodeError):
        decode_hello(data)


def test_a_hello_that_nobody_could_read_is_not_written() -> None:
    """Whose fault it is shows at the writer."""
    for wrong in (replace(ADA, name="n" * 129), replace(ADA, ident=bytes(60_000))):
        with pytest.raises(ValueError, match="nobody could read"):
            wrong.encode()


def test_a_caller_is_held_to_its_first_message() -> None:
    """Another key, another number or another identity than promised is found out."""
    promised = commitment(KEYS[0], ADA.encode())
    check_commitment(promised, KEYS[0], ADA.encode())
    for static, hello in ((KEYS[1], ADA), (KEYS[0], BOB), (KEYS[0], replace(ADA, ident=b"x"))):
        with pytest.raises(IntegrityError, match="stands between"):
            check_commitment(promised, static, hello.encode())
    with pytest.raises(DecodeError):
        check_commitment(promised[:31], KEYS[0], ADA.encode())


def test_each_part_of_what_is_said_changes_the_words() -> None:
    """Keys and hellos of both ends, and who called whom."""
    said = (KEYS[0], ADA.encode(), KEYS[1], BOB.encode())
    seen = {tuple(pairing_words(*said))}
    for place in range(4):
        changed = list(said)
        changed[place] = bytes([changed[place][0] ^ 1]) + changed[place][1:]
        seen.add(tuple(pairing_words(*changed)))
    seen.add(tuple(pairing_words(said[2], said[3], said[0], said[1])))
    assert len(seen) == 6


def test_words_stand_for_eleven_bits_each() -> None:
    """First bits first; too few are an error of the caller."""
    assert spoken_words(bytes(6), 4) == ["abandon"] * 4
    assert spoken_words(b"\xff" * 6, 4) == ["zoo"] * 4
    with pytest.raises(ValueError, match="44 bits"):
        spoken_words(bytes(5), 4)


def test_a_tag_says_nothing_without_the_key() -> None:
    """Another nonce, or another key, gives another tag."""
    tags = {nearby_tag(key, bytes([one]) * 16) for key in KEYS for one in range(50)}
    assert len(tags) == 100
    with pytest.raises(ValueError, match="nonce"):
        nearby_tag(KEYS[0], bytes(15))


def test_networks_do_not_mix() -> None:
    """The prologue names the network, within its bound."""
    kinds = {prologue_of(name, kind) for name in ("", "mars") for kind in (PAIRING_PROTOCOL, b"x")}
    assert len(kinds) == 4
    with pytest.raises(ValueError, match="network name"):
        prologue_of("m" * 257, PAIRING_PROTOCOL)
