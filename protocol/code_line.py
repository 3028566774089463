"""One line that a person carries from one machine to another, by copying or by eye.

A scheme that says what it is, and the base32 (RFC 4648, lower case, no padding) of some bytes and
the first four of their hash, which find a line that was cut or altered on its way.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final, NamedTuple

from .errors import DecodeError
from .hashing import hash32

CHECK_BYTES: Final = 4

_BASE32: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


class CodeLine(NamedTuple):
    """A kind of line."""

    what: str
    """How to call it, for errors."""
    scheme: str
    """What it begins with, the colon included."""
    person: bytes
    """Tag of the hash."""
    max_characters: int

    def write(self, body: bytes) -> str:
        """Return the line of a body."""
        text = base64.b32encode(body + self._check(body)).decode("ascii")
        return self.scheme + text.rstrip("=").lower()

    def read(self, line: str) -> bytes:
        """Return the body of a line, as it was typed or pasted.

        Raises:
            DecodeError: it is no such line, cut or altered; says which.
        """
        line = line.strip()
        if not line.lower().startswith(self.scheme):
            raise DecodeError(f"{self.what}: it must begin with {self.scheme}")
        if len(line) > self.max_characters:
            raise DecodeError(
                f"{self.what}: {len(line):,} characters; at most {self.max_characters:,}"
            )
        text = line[len(self.scheme) :].upper()
        if not set(text) <= _BASE32:
            raise DecodeError(
                f"{self.what}: only letters and the digits 2 to 7 may follow {self.scheme}"
            )
        try:
            data = base64.b32decode(text + "=" * (-len(text) % 8))
        except binascii.Error:
            data = b""
        body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
        if check != self._check(body):
            raise DecodeError(
                f"{self.what}: a part is missing or altered; copy the whole line again"
            )
        return body

    def _check(self, body: bytes) -> bytes:
        return hash32(self.person, body)[:CHECK_BYTES]
