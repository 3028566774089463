"""Hashes with a purpose: every use of BLAKE2b carries its own person tag.

A tag makes a hash of one kind of thing useless as a hash of any other, so bytes that mean
one thing can never be presented as another with the same id.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from .errors import DecodeError

HASH_BYTES: Final = 32
ZERO_HASH: Final = bytes(HASH_BYTES)

PERSON_HEADER: Final = b"sl.header"
PERSON_PAYLOAD: Final = b"sl.payload"
PERSON_INCEPTION: Final = b"sl.inception"
PERSON_COMMITMENT: Final = b"sl.commit"
PERSON_RECORD: Final = b"sl.record"
PERSON_RECORDS: Final = b"sl.records"
PERSON_ROOT: Final = b"sl.root"
PERSON_ROTATE: Final = b"sl.rotate"
PERSON_LOG: Final = b"sl.log"
PERSON_ROSTER: Final = b"sl.roster"
PERSON_DIGEST: Final = b"sl.digest"
PERSON_OFFER: Final = b"sl.offer"
PERSON_INVITE: Final = b"sl.invite"
PERSON_TOKEN: Final = b"sl.token"
PERSON_DEVICE_REQUEST: Final = b"sl.ask"
PERSON_DEVICE_ANSWER: Final = b"sl.answer"
PERSON_SEAL: Final = b"sl.seal"
PERSON_SEAL_HINT: Final = b"sl.seal-hint"
PERSON_SKETCH: Final = b"sl.sketch"
PERSON_RANGE: Final = b"sl.range"
PERSON_NEARBY: Final = b"sl.nearby"
PERSON_PAIR: Final = b"sl.pair"
PERSON_PAIR_WORDS: Final = b"sl.pair-words"

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_SHORT_CHARACTERS: Final = 12


def hash32(person: bytes, data: bytes) -> bytes:
    """Return the BLAKE2b-256 of ``data`` under one of the ``PERSON_`` tags (32 bytes)."""
    return blake2b(data, digest_size=HASH_BYTES, person=person).digest()


def short_id(full_id: bytes) -> str:
    """Return the first 60 bits of an id as people see it, such as ``k3v9-7qpm-x2da``.

    Twelve lowercase Crockford base32 characters in threes of four. It is for people's eyes
    and never an authority: 60 bits can be searched for.
    """
    bits = int.from_bytes(full_id[:8], "big") >> 4
    text = "".join(_CROCKFORD[bits >> shift & 31] for shift in range(55, -1, -5))
    return "-".join((text[:4], text[4:8], text[8:]))


def short_prefix(text: str) -> tuple[int, int]:
    """Read a short id, or its beginning, as a person typed it.

    Upper case, missing dashes and the look-alikes ``i l o`` (1, 1, 0) are accepted, as
    Crockford's base32 asks.

    Returns:
        The bits as an integer and how many there are (5 for each character, at most 60).

    Raises:
        DecodeError: a character is not of the alphabet, or there are none or more than 12.
    """
    letters = text.lower().replace("-", "").translate(str.maketrans("ilo", "110"))
    if not 1 <= len(letters) <= _SHORT_CHARACTERS:
        raise DecodeError(f"short id {text!r}: 1 to {_SHORT_CHARACTERS} characters are needed")
    bits = 0
    for letter in letters:
        value = _CROCKFORD.find(letter)
        if value < 0:
            raise DecodeError(f"short id {text!r}: {letter!r} is not of the base32 alphabet")
        bits = bits << 5 | value
    return bits, 5 * len(letters)
