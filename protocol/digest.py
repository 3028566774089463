"""The digest of a set of log states, kept up to date by adding and taking away.

LtHash16: each state becomes 1,024 lanes of 16 bits (SHAKE128 of the state), lanes are added
modulo 2**16. The sum does not depend on the order and one change costs two additions. An XOR
or a short sum could be forged by chosen logs; a lattice sum of this size could not.

Source: M. Bellare and D. Micciancio, "A new paradigm for collision-free hashing" (1997);
the parameters are those of LtHash16 by K. Lewi and others (2019).
"""

from __future__ import annotations

from hashlib import blake2b, shake_128
from typing import Final

from .encoding import pack
from .hashing import PERSON_DIGEST, PERSON_OFFER

DIGEST_BYTES: Final = 16
_CONTEXT: Final = b"sl-lthash-1"
_LANE_BYTES: Final = 2048
_EVEN: Final = int.from_bytes(b"\xff\xff\x00\x00" * (_LANE_BYTES // 4), "little")
_ODD: Final = _EVEN << 16
_EVEN_GUARD: Final = int.from_bytes(b"\x00\x00\x01\x00" * (_LANE_BYTES // 4), "little")
_ODD_GUARD: Final = _EVEN_GUARD << 16


def log_state(log: bytes, seq: int, entry_id: bytes) -> bytes:
    """Return the canonical state of a log whose newest entry is known."""
    return pack((log, 0, seq, entry_id))


def frozen_log_state(log: bytes, lowest_forked_seq: int) -> bytes:
    """Return the canonical state of a log frozen by a fork proof."""
    return pack((log, 1, lowest_forked_seq))


def offer_digest(states: bytes, roster: bytes) -> bytes:
    """Return the digest of an offer (16 bytes): of its states, and of the roster that it answers.

    Args:
        states: digest of the states.
        roster: hash of the roster (32 bytes).
    """
    return blake2b(roster + states, digest_size=DIGEST_BYTES, person=PERSON_OFFER).digest()


class LtHash:
    """A sum over states; `add` and `remove` in any order give the same digest."""

    __slots__ = ("_sum",)

    def __init__(self) -> None:
        self._sum = 0

    def add(self, state: bytes) -> None:
        """Count one state in."""
        one, other = self._sum, _lanes(state)
        even = ((one & _EVEN) + (other & _EVEN)) & _EVEN
        odd = ((one & _ODD) + (other & _ODD)) & _ODD
        self._sum = even | odd

    def remove(self, state: bytes) -> None:
        """Take one state out that was counted in before."""
        one, other = self._sum, _lanes(state)
        even = ((one & _EVEN | _EVEN_GUARD) - (other & _EVEN)) & _EVEN
        odd = ((one & _ODD | _ODD_GUARD) - (other & _ODD)) & _ODD
        self._sum = even | odd

    def copy(self) -> LtHash:
        """Return a sum that goes its own way from here on."""
        other = LtHash()
        other._sum = self._sum
        return other

    def digest(self) -> bytes:
        """Return the digest of everything counted in (16 bytes)."""
        accumulator = self._sum.to_bytes(_LANE_BYTES, "little")
        return blake2b(accumulator, digest_size=DIGEST_BYTES, person=PERSON_DIGEST).digest()


def _lanes(state: bytes) -> int:
    return int.from_bytes(shake_128(_CONTEXT + state).digest(_LANE_BYTES), "little")
