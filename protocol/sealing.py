"""Seals: a message that only the named devices can read, and only in its one place.

Suite 1: X25519, BLAKE2b-256 and XChaCha20-Poly1305. A fresh ephemeral key of the message meets
each recipient's period key (or, as period 0, the box key of its certificate); what they share
wraps the key of the message and gives a hint by which the recipient finds its own among the
wrapped keys. Randomness is an argument: the same two secrets and the same plaintext give the
same bytes, so that tests and simulations replay. Source: ``docs/protocol/sealing.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from .content import decode_sealed_plaintext, encode_sealed_plaintext
from .content_fields import MAX_IDS
from .content_sealed import (
    SUITE_X25519_XCHACHA20,
    Sealed,
    SealedKey,
    SealedPlaintext,
)
from .errors import IntegrityError
from .hashing import HASH_BYTES, PERSON_SEAL, PERSON_SEAL_HINT

SECRET_BYTES: Final = 32
PERIOD_OF_BOX_KEY: Final = 0
"""Stands for the box key of a device's certificate."""

_HINT_BYTES: Final = 4
_PERIOD_BYTES: Final = 4
_SUITE_BYTES: Final = 2
_NONCE: Final = bytes(24)
"""Every key encrypts once: the wrapping key comes from a fresh ephemeral key, that of the
message is fresh itself."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A device, and which of its keys to seal to."""

    device: bytes
    period: int
    """Number of the period key; `PERIOD_OF_BOX_KEY` for the box key."""
    box_public: bytes


class Place(NamedTuple):
    """The one place of a sealed message: the header of the entry that carries it."""

    device: bytes
    channel: int
    seq: int
    prev: bytes


def seal(
    plaintext: SealedPlaintext,
    recipients: Sequence[Recipient],
    *,
    ephemeral_secret: bytes,
    message_key: bytes,
) -> Sealed:
    """Seal a message.

    Args:
        plaintext: names the entry that will carry it, and the devices of ``recipients``.
        recipients: 1..256 devices, each once.
        ephemeral_secret: 32 random bytes that are used for this message alone.
        message_key: 32 more.

    Raises:
        ValueError: the secrets are not 32 bytes, nobody or a device twice is named, the
            plaintext names others, a key is none, or the text is too long.
    """
    if len(ephemeral_secret) != SECRET_BYTES or len(message_key) != SECRET_BYTES:
        raise ValueError(f"the secrets of a seal have {SECRET_BYTES} bytes each")
    devices = [recipient.device for recipient in recipients]
    if not 1 <= len(set(devices)) == len(devices) <= MAX_IDS:
        raise ValueError(f"a seal is for 1 to {MAX_IDS} devices, each named once")
    if sorted(devices) != sorted(plaintext.recipients):
        raise ValueError("the plaintext names other recipients than the seal")
    ephemeral = crypto_scalarmult_base(ephemeral_secret)
    keys = tuple(
        sorted(
            (
                _wrapped(recipient, ephemeral_secret, ephemeral, message_key)
                for recipient in recipients
            ),
            key=lambda key: key.hint,
        )
    )
    ciphertext = crypto_aead_xchacha20poly1305_ietf_encrypt(
        encode_sealed_plaintext(plaintext),
        _bound(SUITE_X25519_XCHACHA20, ephemeral, keys),
        _NONCE,
        message_key,
    )
    return Sealed(SUITE_X25519_XCHACHA20, ephemeral, keys, ciphertext)


def open_sealed(
    sealed: Sealed, secrets: Mapping[int, bytes], *, device: bytes, place: Place
) -> SealedPlaintext | None:
    """Read a sealed message, if one of these secrets opens it.

    At most one scalar multiplication for each period that both sides name.

    Args:
        secrets: the reader's X25519 secrets (32 bytes) by period; `PERIOD_OF_BOX_KEY` for
            that of the certificate.
        device: the reader's.
        place: the entry that carried it.

    Returns:
        None if it is for others, of another suite, or sealed to a key that is gone.

    Raises:
        IntegrityError: it opens, and was copied from another entry, sealed anew for others
            than it names, or holds no message.
    """
    if sealed.suite != SUITE_X25519_XCHACHA20:
        return None
    for message_key in _message_keys(sealed, secrets):
        if len(sealed.ciphertext) < crypto_aead_xchacha20poly1305_ietf_ABYTES:
            raise IntegrityError("a sealed message is shorter than its tag")  # libsodium takes none
        try:
            padded = crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed.ciphertext,
                _bound(sealed.suite, sealed.ephemeral, sealed.keys),
                _NONCE,
                message_key,
            )
        except CryptoError:
            raise IntegrityError("a sealed message was changed behind its keys") from None
        return _placed(decode_sealed_plaintext(padded), device, place)
    return None


def _placed(plaintext: SealedPlaintext | None, device: bytes, place: Place) -> SealedPlaintext:
    if plaintext is None:
        raise IntegrityError("a seal holds no message")
    if place != (plaintext.device, plaintext.channel, plaintext.seq, plaintext.prev):
        raise IntegrityError("a sealed message was copied from another entry")
    if device not in plaintext.recipients:
        raise IntegrityError("a sealed message was sealed anew, for others than it names")
    return plaintext


def _wrapped(
    recipient: Recipient, ephemeral_secret: bytes, ephemeral: bytes, message_key: bytes
) -> SealedKey:
    try:
        shared = crypto_scalarmult(ephemeral_secret, recipient.box_public)
    except CryptoError as error:
        raise ValueError("a recipient's key is no X25519 key") from error
    key, hint = _keys_of(shared, ephemeral, recipient.box_public, recipient.period)
    wrapped = crypto_aead_xchacha20poly1305_ietf_encrypt(message_key, None, _NONCE, key)
    return SealedKey(hint, recipient.period, wrapped)


def _message_keys(sealed: Sealed, secrets: Mapping[int, bytes]) -> Iterator[bytes]:
    """Yield the message keys that these secrets unwrap; a wrong hint costs a comparison."""
    for period in sorted({key.period for key in sealed.keys} & secrets.keys()):
        secret = secrets[period]
        try:
            shared = crypto_scalarmult(secret, sealed.ephemeral)
        except CryptoError:
            return  # a point of small order: nobody can read this
        own = crypto_scalarmult_base(secret)
        key, hint = _keys_of(shared, sealed.ephemeral, own, period)
        for candidate in sealed.keys:
            if candidate.period == period and candidate.hint == hint:
                try:
                    yield crypto_aead_xchacha20poly1305_ietf_decrypt(
                        candidate.wrapped, None, _NONCE, key
                    )
                except CryptoError:
                    continue  # somebody else's, with the same four bytes


def _keys_of(
    shared: bytes, ephemeral: bytes, box_public: bytes, period: int
) -> tuple[bytes, bytes]:
    """Return wrapping key and hint of one recipient."""
    said = shared + ephemeral + box_public + period.to_bytes(_PERIOD_BYTES, "big")
    key = blake2b(said, digest_size=HASH_BYTES, person=PERSON_SEAL).digest()
    hint = blake2b(said, digest_size=HASH_BYTES, person=PERSON_SEAL_HINT).digest()
    return key, hint[:_HINT_BYTES]


def _bound(suite: int, ephemeral: bytes, keys: Sequence[SealedKey]) -> bytes:
    """Return what the encryption binds besides the text: everything else in the seal."""
    rows = (key.hint + key.period.to_bytes(_PERIOD_BYTES, "big") + key.wrapped for key in keys)
    return suite.to_bytes(_SUITE_BYTES, "big") + ephemeral + b"".join(rows)
