"""A second decoder: greetings, and the bytes of a link.

The handshake is ``Noise_XK_25519_ChaChaPoly_BLAKE2b`` as revision 34 of the Noise specification
describes it, for a reader who has all private keys and follows both ends.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from tests.second_decoder import (
    LARGEST,
    RefusedError,
    UnprovenError,
    expect,
    is_bytes,
    is_uint,
    named,
    read_value,
    write,
)

_NAME: Final = b"Noise_XK_25519_ChaChaPoly_BLAKE2b"


def read_greeting(data: bytes) -> dict[str, Any]:
    """Read what each side shows in the handshake."""
    greeting = named(read_value(data, 65_535), "ident token t_ms")
    expect(isinstance(greeting["ident"], bytes) and len(greeting["ident"]) <= 64_997)
    expect(is_bytes(greeting["token"], 0, 16) and is_uint(greeting["t_ms"], LARGEST))
    return greeting


def prologue_of(network: str) -> bytes:
    """What both ends have to agree on beforehand."""
    return b"slowlight-1" + write(network.encode())


def noise_messages(stream: bytes) -> Iterator[bytes]:
    """The Noise messages on a stream that ends behind one."""
    while stream:
        length = int.from_bytes(stream[:2], "big")
        message, stream = stream[2 : 2 + length], stream[2 + length :]
        expect(length >= 16 and len(message) == length)
        yield message


@dataclass
class _Cipher:
    """A key and how many messages it decrypted."""

    key: bytes
    count: int = 0

    def decrypt(self, ciphertext: bytes, bound: bytes) -> bytes:
        nonce = bytes(4) + self.count.to_bytes(8, "little")
        try:
            plain = crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, bound, nonce, self.key)
        except CryptoError:
            raise UnprovenError("cannot be decrypted") from None
        self.count += 1
        if self.count % 2**20 == 0:
            nonce = bytes(4) + b"\xff" * 8
            zeros = bytes(32)
            renewed = crypto_aead_chacha20poly1305_ietf_encrypt(zeros, b"", nonce, self.key)
            self.key = renewed[:32]
        return plain


@dataclass
class Follower:
    """Follows a link message by message, with the private keys of both ends."""

    network: str
    keys: dict[str, bytes]
    _hash: bytes = _NAME.ljust(64, b"\0")
    _chain: bytes = _NAME.ljust(64, b"\0")
    _ends: tuple[_Cipher, ...] = ()
    _cipher: _Cipher | None = None

    def follow(self, sent: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """What each message of the handshake and after it carries, given who sent it."""
        self._mix_hash(prologue_of(self.network))
        self._mix_hash(crypto_scalarmult_base(self.keys["called_static"]))
        plain: list[bytes] = []
        for number, (sender, message) in enumerate(sent):
            if number < 3:
                expect(sender == number % 2)
                plain.append(self._shake(number, message))
            else:
                plain.append(self._ends[sender].decrypt(message, b""))
        return plain

    def _shake(self, number: int, message: bytes) -> bytes:
        if number < 2:
            end, other = ("caller", "called_static"), ("called", "caller_ephemeral")
            name, with_key = end if number == 0 else other
            ephemeral, message = message[:32], message[32:]
            self._own(ephemeral, f"{name}_ephemeral")
            self._mix_hash(ephemeral)
            self._mix_key(f"{name}_ephemeral", with_key)
        else:
            static, message = self._open(message[:48]), message[48:]
            self._own(static, "caller_static")
            self._mix_key("caller_static", "called_ephemeral")
        payload = self._open(message)
        if number == 0:
            expect(payload == b"")
        if number == 2:
            self._ends = tuple(_Cipher(key) for key in self._derive(b""))
        return payload

    def _own(self, public: bytes, name: str) -> None:
        if public != crypto_scalarmult_base(self.keys[name]):
            raise UnprovenError("another key than the one whose private half is known")

    def _mix_hash(self, data: bytes) -> None:
        self._hash = blake2b(self._hash + data).digest()

    def _mix_key(self, mine: str, theirs: str) -> None:
        public = crypto_scalarmult_base(self.keys[theirs])
        self._chain, key = self._derive(crypto_scalarmult(self.keys[mine], public), cut=False)
        self._cipher = _Cipher(key[:32])

    def _derive(self, material: bytes, *, cut: bool = True) -> tuple[bytes, bytes]:
        """HKDF with two outputs; both are cut to a key by Split."""
        secret = hmac.digest(self._chain, material, "blake2b")
        one = hmac.digest(secret, b"\1", "blake2b")
        two = hmac.digest(secret, one + b"\2", "blake2b")
        return (one[:32], two[:32]) if cut else (one, two)

    def _open(self, ciphertext: bytes) -> bytes:
        if self._cipher is None:
            raise RefusedError("nothing is encrypted yet")
        plain = self._cipher.decrypt(ciphertext, self._hash)
        self._mix_hash(ciphertext)
        return plain
