"""What two nodes say while their people pair them: Noise_XX, and four words to compare.

Nobody knows anybody's key beforehand, so somebody in the middle could shake hands with both. The
words find that out: they depend on the keys of both ends and on a random number of each. The
caller commits itself to all of its own before it hears the other's, so a middle has one try at
2^44, whatever it computes.

Source: commitment before disclosure as in Vaudenay, "Secure Communications over Insecure Channels
Based on Short Authenticated Strings" (2005), section 4; Noise revision 34, pattern XX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .encoding import as_bytes, as_bytes_upto, as_fields, as_list, as_text, pack, unpack
from .entry import KEY_BYTES
from .errors import DecodeError, IntegrityError
from .frames import MAX_BODY_BYTES
from .hashing import HASH_BYTES, PERSON_PAIR, PERSON_PAIR_WORDS, hash32
from .invite import MAX_ADDRESS_BYTES, MAX_NAME_BYTES
from .words import spoken_words

RANDOM_BYTES: Final = 32
MAX_ADDRESSES: Final = 4
"""Where its node is reached afterwards: an address or two of each kind."""
WORD_COUNT: Final = 4
MAX_HELLO_BYTES: Final = 60_000
"""Message 3 has 64 bytes beside its payload, and a Noise message at most 65,535."""

ACCEPT: Final = b"\x01"
REFUSE: Final = b"\x00"
"""The one message after the handshake, from each end: what its person has said of the words."""

PAIRING_PROTOCOL: Final = b"slowlight-pair-1"
"""Begins the prologue (`prologue_of`), so that no link is taken for a pairing."""

_WHAT: Final = "pairing hello"


@dataclass(frozen=True, slots=True)
class PairingHello:
    """Who one end is: the payload of message 2 (the called) and of message 3 (the caller)."""

    random: bytes
    """32 bytes that nobody could foresee."""
    ident: bytes
    """Body of an IDENT frame; one of its devices must have the static key of this end."""
    addresses: tuple[str, ...]
    """``host:port`` where the node is reached from now on; a claim."""
    name: str
    """What its person wants to be called; a claim."""

    def encode(self) -> bytes:
        """Return the canonical bytes.

        Raises:
            ValueError: nobody could read them: see `decode_hello`.
        """
        addresses = [address.encode() for address in self.addresses]
        data = pack((self.random, self.ident, addresses, self.name.encode()))
        try:
            decode_hello(data)
        except DecodeError as error:
            raise ValueError(f"nobody could read this: {error}") from error
        return data


def decode_hello(data: bytes) -> PairingHello:
    """Decode a hello, strictly; raises DecodeError. Its IDENT proves nothing yet."""
    fields = as_fields(unpack(data, max_bytes=MAX_HELLO_BYTES, what=_WHAT), 4, _WHAT)
    return PairingHello(
        as_bytes(fields[0], RANDOM_BYTES, f"{_WHAT} random"),
        as_bytes_upto(fields[1], MAX_BODY_BYTES, f"{_WHAT} IDENT"),
        tuple(
            as_text(item, MAX_ADDRESS_BYTES, f"{_WHAT} address")
            for item in as_list(fields[2], MAX_ADDRESSES, f"{_WHAT} addresses")
        ),
        as_text(fields[3], MAX_NAME_BYTES, f"{_WHAT} name"),
    )


def commitment(static: bytes, hello: bytes) -> bytes:
    """Return the payload of message 1: binds the caller to its key and hello (32 bytes).

    Args:
        static: the caller's static key (32 bytes).
        hello: its encoded hello, kept secret until message 3.
    """
    return hash32(PERSON_PAIR, _key(static) + hello)


def check_commitment(promised: bytes, static: bytes, hello: bytes) -> None:
    """Hold the caller to message 1.

    Raises:
        DecodeError: message 1 carried something else than a commitment.
        IntegrityError: the caller has changed its mind: somebody is in the middle.
    """
    if len(promised) != HASH_BYTES:
        raise DecodeError(f"a pairing commitment of {len(promised)} bytes; {HASH_BYTES} needed")
    if commitment(static, hello) != promised:
        raise IntegrityError("the caller is not who it began as: somebody stands between you")


def pairing_words(
    caller_static: bytes, caller_hello: bytes, called_static: bytes, called_hello: bytes
) -> list[str]:
    """Return the four words (44 bits) that both screens show if nobody is in the middle.

    Args:
        caller_static, called_static: the static keys that the handshake proved (32 bytes each).
        caller_hello, called_hello: the hellos as they were encoded.
    """
    said = b"".join(
        (
            commitment(caller_static, caller_hello),
            hash32(PERSON_PAIR, _key(called_static) + called_hello),
        )
    )
    return spoken_words(hash32(PERSON_PAIR_WORDS, said), WORD_COUNT)


def _key(static: bytes) -> bytes:
    if len(static) != KEY_BYTES:
        raise ValueError(f"a key of {len(static)} bytes where {KEY_BYTES} are needed")
    return static
