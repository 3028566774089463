"""The Noise protocol framework, revision 34, for the one suite that Slowlight uses.

Suite: Curve25519, ChaCha20-Poly1305 (both from libsodium) and BLAKE2b-512. The patterns
stand in `PATTERNS`. Nothing here waits, draws randomness or moves bytes: ephemeral keys
come in as arguments, messages go in and out as whole byte strings.

Source: https://noiseprotocol.org/noise.html, revision 34; numbers of sections below are its.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as SodiumRefusal

from .errors import ProtocolError

KEY_BYTES: Final = 32
"""Length of private keys, public keys, shared secrets and pre-shared keys."""

TAG_BYTES: Final = 16
"""What encryption adds to a message."""

MAX_MESSAGE_BYTES: Final = 65_535
"""Longest Noise message, tag included (section 3)."""

MAX_PLAINTEXT_BYTES: Final = MAX_MESSAGE_BYTES - TAG_BYTES
"""Longest plaintext of one transport message."""

MAX_NONCE: Final = 2**64 - 1
"""Reserved for `CipherState.rekey`: no message is ever sent with it (section 5.1)."""

REKEY_EVERY_MESSAGES: Final = 2**20
"""Both ends of a `Transport` replace a direction's key after this many messages in it."""

Token: TypeAlias = Literal["e", "s", "ee", "es", "se", "ss", "psk"]
PSK: Final = "psk"


class HandshakeError(ProtocolError):
    """A handshake message that no honest peer with the right keys can have sent."""


class DecryptError(ProtocolError):
    """A transport message that was changed, cut, repeated, reordered or never ours."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Who sends which keys in which message (section 7).

    Attributes:
        name: as in the protocol name, with modifiers.
        responder_known: the initiator knows the responder's static key beforehand.
        messages: tokens of each message; the initiator writes the first, then by turns.
            One message makes a one-way pattern: only the initiator sends, even afterwards.
    """

    name: str
    responder_known: bool
    messages: tuple[tuple[Token, ...], ...]

    @property
    def protocol_name(self) -> bytes:
        return f"Noise_{self.name}_25519_ChaChaPoly_BLAKE2b".encode("ascii")

    @property
    def one_way(self) -> bool:
        return len(self.messages) == 1

    @property
    def uses_psk(self) -> bool:
        return any(PSK in tokens for tokens in self.messages)

    def keys_needed(self, *, initiator: bool) -> set[str]:
        """Name the keys that one end brings to a `HandshakeState`."""
        written = {token for tokens in self.messages[not initiator :: 2] for token in tokens}
        needed = {
            "static": "s" in written or (self.responder_known and not initiator),
            "ephemeral": "e" in written,
            "remote static": self.responder_known and initiator,
            "psk": self.uses_psk,
        }
        return {name for name, is_needed in needed.items() if is_needed}


PATTERNS: Final[Mapping[str, Pattern]] = {
    pattern.name: pattern
    for pattern in (
        Pattern("N", True, (("e", "es"),)),
        Pattern("X", True, (("e", "es", "s", "ss"),)),
        Pattern("XK", True, (("e", "es"), ("e", "ee"), ("s", "se"))),
        Pattern("XX", False, (("e",), ("e", "ee", "s", "es"), ("s", "se"))),
        Pattern("XXpsk3", False, (("e",), ("e", "ee", "s", "es"), ("s", "se", "psk"))),
    )
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An X25519 key pair: 32 bytes each."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_private(cls, private: bytes) -> KeyPair:
        """Derive the public half of 32 secret bytes, any value of which is a key."""
        return cls(_checked_key(private), crypto_scalarmult_base(private))


class CipherState:
    """A key and the number of messages encrypted or decrypted under it (section 5.1)."""

    __slots__ = ("_key", "nonce")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.nonce = 0

    def encrypt(self, associated: bytes, plaintext: bytes) -> bytes:
        """Return the ciphertext with its tag: 16 bytes more than ``plaintext``."""
        ciphertext = crypto_aead_chacha20poly1305_ietf_encrypt(
            plaintext, associated, self._next_nonce(), self._key
        )
        self.nonce += 1
        return ciphertext

    def decrypt(self, associated: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext; after a refusal the state is as before.

        Raises:
            DecryptError: the tag is missing or wrong.
        """
        if len(ciphertext) < TAG_BYTES:
            raise DecryptError(f"a ciphertext of {len(ciphertext)} bytes, shorter than its tag")
        try:
            plaintext = crypto_aead_chacha20poly1305_ietf_decrypt(
                ciphertext, associated, self._next_nonce(), self._key
            )
        except CryptoError as error:
            if type(error) is not CryptoError:
                raise  # an argument of the wrong type is our mistake, not the peer's
            raise DecryptError(f"message {self.nonce} is not authentic") from None
        self.nonce += 1
        return plaintext

    def rekey(self) -> None:
        """Replace the key by a one-way function of itself; the nonce runs on (section 4.2)."""
        blank = bytes(KEY_BYTES)
        whole = crypto_aead_chacha20poly1305_ietf_encrypt(
            blank, b"", _nonce_bytes(MAX_NONCE), self._key
        )
        self._key = whole[:KEY_BYTES]

    def _next_nonce(self) -> bytes:
        if self.nonce >= MAX_NONCE:
            raise ProtocolError("every nonce of this session is spent: open a new session")
        return _nonce_bytes(self.nonce)


class SymmetricState:
    """The running hash and chaining key of a handshake (section 5.2)."""

    __slots__ = ("_chaining_key", "_cipher", "handshake_hash")

    def __init__(self, protocol_name: bytes) -> None:
        padded = protocol_name.ljust(hashlib.blake2b.MAX_DIGEST_SIZE, b"\0")
        self.handshake_hash = padded if len(padded) == 64 else _hash(protocol_name)
        self._chaining_key = self.handshake_hash
        self._cipher: CipherState | None = None

    def mix_key(self, secret: bytes) -> None:
        self._chaining_key, key = _hkdf(self._chaining_key, secret, 2)
        self._cipher = CipherState(key[:KEY_BYTES])

    def mix_hash(self, data: bytes) -> None:
        self.handshake_hash = _hash(self.handshake_hash + data)

    def mix_key_and_hash(self, secret: bytes) -> None:
        self._chaining_key, hashed, key = _hkdf(self._chaining_key, secret, 3)
        self.mix_hash(hashed)
        self._cipher = CipherState(key[:KEY_BYTES])

    @property
    def tag_bytes(self) -> int:
        """What `encrypt_and_hash` adds now: nothing before the first key."""
        return TAG_BYTES if self._cipher else 0

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = (
            self._cipher.encrypt(self.handshake_hash, plaintext) if self._cipher else plaintext
        )
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = (
            self._cipher.decrypt(self.handshake_hash, ciphertext) if self._cipher else ciphertext
        )
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the initiator's sending state and the responder's."""
        first, second = _hkdf(self._chaining_key, b"", 2)
        return CipherState(first[:KEY_BYTES]), CipherState(second[:KEY_BYTES])


class HandshakeState:
    """One end of one handshake (section 5.3).

    A message that is refused ends the handshake: every later use raises.
    """

    def __init__(
        self,
        pattern: Pattern,
        *,
        initiator: bool,
        prologue: bytes = b"",
        static: KeyPair | None = None,
        ephemeral: KeyPair | None = None,
        remote_static: bytes | None = None,
        psk: bytes | None = None,
    ) -> None:
        """Begin a handshake.

        Args:
            pattern: one of `PATTERNS`.
            initiator: whether this end writes the first message.
            prologue: what both ends must already agree on, any length; not sent.
            static: own long-lived pair, where the pattern uses one.
            ephemeral: own pair for this handshake alone, from 32 fresh random bytes;
                every writer needs one.
            remote_static: the responder's public key, for an initiator who must know it.
            psk: 32 secret bytes, for the psk patterns only.

        Raises:
            ValueError: a key is missing, superfluous or not of 32 bytes.
        """
        keys = {
            "static": static,
            "ephemeral": ephemeral,
            "remote static": remote_static,
            "psk": psk,
        }
        given = {name for name, key in keys.items() if key is not None}
        needed = pattern.keys_needed(initiator=initiator)
        if given != needed:
            raise ValueError(f"{pattern.name} takes {sorted(needed)} here, not {sorted(given)}")
        self._pattern = pattern
        self._initiator = initiator
        self._own = {kind: pair for kind, pair in (("s", static), ("e", ephemeral)) if pair}
        self._remote = {"s": _checked_key(remote_static)} if remote_static is not None else {}
        self._psk = _checked_key(psk) if psk is not None else None
        self._step = 0
        self._refused = False
        self._symmetric = SymmetricState(pattern.protocol_name)
        self._symmetric.mix_hash(prologue)
        if pattern.responder_known:
            self._symmetric.mix_hash(self._remote["s"] if initiator else self._own["s"].public)

    @property
    def finished(self) -> bool:
        """Every message was written or read: `split` may be called."""
        return self._step == len(self._pattern.messages)

    @property
    def remote_static(self) -> bytes | None:
        """The peer's static public key (32 bytes), once it is known."""
        return self._remote.get("s")

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that name this session for channel binding, once finished (section 11.2)."""
        return self._symmetric.handshake_hash

    def write_message(self, payload: bytes = b"") -> bytes:
        """Return the next message, carrying ``payload``.

        Raises:
            RuntimeError: it is not this end's turn.
            ValueError: the message would be longer than 65,535 bytes.
            HandshakeError: the peer's key is of low order.
        """
        tokens = self._begin(writing=True)
        parts = [self._write_token(token) for token in tokens]
        parts.append(self._symmetric.encrypt_and_hash(payload))
        message = b"".join(parts)
        if len(message) > MAX_MESSAGE_BYTES:
            raise ValueError(
                f"a handshake message of {len(message)} bytes: the payload is too long"
            )
        self._end()
        return message

    def read_message(self, message: bytes) -> bytes:
        """Return the payload of the peer's next message.

        Raises:
            RuntimeError: it is not the peer's turn.
            HandshakeError: the message is of the wrong size, altered, made for other keys or
                another prologue, or holds a key of low order.
        """
        tokens = self._begin(writing=False)
        if len(message) > MAX_MESSAGE_BYTES:
            raise HandshakeError(f"a handshake message of {len(message)} bytes")
        try:
            for token in tokens:
                message = self._read_token(token, message)
            payload = self._symmetric.decrypt_and_hash(message)
        except DecryptError as error:
            raise HandshakeError(f"handshake message {self._step + 1}: {error}") from None
        self._end()
        return payload

    def split(self) -> Transport:
        """Return the session's transport; the handshake is then of no further use.

        Raises:
            RuntimeError: the handshake is not finished.
        """
        if not self.finished:
            raise RuntimeError("the handshake is not finished")
        forth, back = self._symmetric.split()
        returning = None if self._pattern.one_way else back
        if self._initiator:
            return Transport(sending=forth, receiving=returning)
        return Transport(sending=returning, receiving=forth)

    def _begin(self, *, writing: bool) -> tuple[Token, ...]:
        if self._refused:
            raise RuntimeError("this handshake has failed: begin another")
        if self.finished or writing != (self._initiator == (self._step % 2 == 0)):
            raise RuntimeError("out of turn: this end may not do that now")
        self._refused = True  # until `_end`: whatever raises in between ends the handshake
        return self._pattern.messages[self._step]

    def _end(self) -> None:
        self._refused = False
        self._step += 1

    def _write_token(self, token: Token) -> bytes:
        match token:
            case "e":
                public = self._own["e"].public
                self._mix_ephemeral(public)
                return public
            case "s":
                return self._symmetric.encrypt_and_hash(self._own["s"].public)
            case _:
                self._mix_secret(token)
                return b""

    def _read_token(self, token: Token, message: bytes) -> bytes:
        """Take the token from the front of ``message`` and return what is left."""
        match token:
            case "e":
                public, rest = _cut(message, KEY_BYTES)
                self._mix_ephemeral(public)
                self._remote["e"] = public
                return rest
            case "s":
                sealed, rest = _cut(message, KEY_BYTES + self._symmetric.tag_bytes)
                self._remote["s"] = self._symmetric.decrypt_and_hash(sealed)
                return rest
            case _:
                self._mix_secret(token)
                return message

    def _mix_ephemeral(self, public: bytes) -> None:
        self._symmetric.mix_hash(public)
        if self._pattern.uses_psk:
            self._symmetric.mix_key(public)

    def _mix_secret(self, token: Token) -> None:
        if self._psk is not None and token == PSK:
            self._symmetric.mix_key_and_hash(self._psk)
            return
        mine, theirs = (0, 1) if self._initiator else (1, 0)
        try:
            shared = crypto_scalarmult(self._own[token[mine]].private, self._remote[token[theirs]])
        except SodiumRefusal:
            raise HandshakeError("the peer's key is a point of low order") from None
        self._symmetric.mix_key(shared)


class Transport:
    """An open session: two directions, each with its own key.

    Messages of a direction must be decrypted in the order of encryption, none left out. A
    direction carries at most 2**64 - 1 messages and changes its key, at both ends at once,
    after every `REKEY_EVERY_MESSAGES`.
    """

    __slots__ = ("receiving", "sending")

    def __init__(self, *, sending: CipherState | None, receiving: CipherState | None) -> None:
        self.sending = sending
        self.receiving = receiving

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return one message: ``plaintext`` (at most 65,519 bytes) and its tag.

        Raises:
            ValueError: ``plaintext`` is too long.
            RuntimeError: a one-way pattern lets only the initiator send.
        """
        if len(plaintext) > MAX_PLAINTEXT_BYTES:
            raise ValueError(f"a plaintext of {len(plaintext)} bytes")
        cipher = _open(self.sending)
        ciphertext = cipher.encrypt(b"", plaintext)
        if cipher.nonce % REKEY_EVERY_MESSAGES == 0:
            cipher.rekey()
        return ciphertext

    def decrypt(self, message: bytes) -> bytes:
        """Return the plaintext of the peer's next message.

        Raises:
            DecryptError: the message is too long, altered, or not the next one.
            RuntimeError: a one-way pattern lets only the initiator send.
        """
        if len(message) > MAX_MESSAGE_BYTES:
            raise DecryptError(f"a message of {len(message)} bytes")
        cipher = _open(self.receiving)
        plaintext = cipher.decrypt(b"", message)
        if cipher.nonce % REKEY_EVERY_MESSAGES == 0:
            cipher.rekey()
        return plaintext


def _open(direction: CipherState | None) -> CipherState:
    if direction is None:
        raise RuntimeError("a one-way session: only its initiator sends")
    return direction


def _checked_key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes where {KEY_BYTES} are needed")
    return key


def _cut(message: bytes, length: int) -> tuple[bytes, bytes]:
    if len(message) < length:
        raise HandshakeError(f"a handshake message cut short by {length - len(message)} bytes")
    return message[:length], message[length:]


def _nonce_bytes(nonce: int) -> bytes:
    return bytes(4) + nonce.to_bytes(8, "little")


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def _hkdf(chaining_key: bytes, secret: bytes, outputs: int) -> list[bytes]:
    """Return ``outputs`` keys of 64 bytes (section 4.3)."""
    extracted = hmac.digest(chaining_key, secret, hashlib.blake2b)
    keys = [b""]
    for number in range(1, outputs + 1):
        keys.append(hmac.digest(extracted, keys[-1] + bytes([number]), hashlib.blake2b))
    return keys[1:]
