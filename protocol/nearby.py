"""How nodes on one network recognise each other without telling anybody else who they are.

A node calls out a fresh random nonce and a tag: a hash of the nonce under its own box key. Whoever
has that key, from a certificate or an invite, can make the same tag; to anyone else it is noise,
and the next nonce has nothing in common with it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from .hashing import PERSON_NEARBY

NONCE_BYTES: Final = 16
"""Drawn anew for each announcement: never twice in the life of a network."""
TAG_BYTES: Final = 8
"""A tag only saves dials: the handshake proves who answers. 64 bits make a false call rare."""
PAIRING_KEY: Final = b"slowlight pairing"
"""The key of who wants to be found by anyone, while a person looks at the screen."""


def nearby_tag(key: bytes, nonce: bytes) -> bytes:
    """Return the tag of an announcement (8 bytes).

    Args:
        key: the static key of the node (box_pk, 32 bytes), or `PAIRING_KEY`.
        nonce: 16 random bytes.

    Raises:
        ValueError: the nonce has another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce of {len(nonce)} bytes where {NONCE_BYTES} are needed")
    return blake2b(nonce, digest_size=TAG_BYTES, key=key, person=PERSON_NEARBY).digest()
