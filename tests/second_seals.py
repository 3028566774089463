"""A second decoder: opens what was sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from tests.second_content import read_content, read_plaintext
from tests.second_decoder import UnprovenError, tagged

_NONCE: Final = bytes(24)
_SUITE: Final = 1
_TAG_BYTES: Final = 16


class Carrier(NamedTuple):
    """The entry that carried a seal, and who reads it."""

    device: str
    channel: int
    seq: int
    prev: str
    reader: str


def open_seal(data: bytes, secrets: Mapping[int, bytes], carrier: Carrier) -> dict[str, Any] | None:
    """What a sealed message says to a reader; nothing if it is for others, or no seal."""
    sealed = read_content(data, carrier.channel)
    if sealed is None or sealed["kind"] != "sealed" or sealed["suite"] != _SUITE:
        return None
    ephemeral, bound = bytes.fromhex(sealed["ephemeral"]), _bound(sealed)
    for key in sorted(sealed["keys"], key=lambda each: each["period"]):
        period = key["period"]
        shared = _shared(secrets[period], ephemeral) if period in secrets else None
        if shared is not None:
            public = crypto_scalarmult_base(secrets[period])
            wrapping, hint = _wrapping(shared, ephemeral, public, period)
            wrapped = bytes.fromhex(key["wrapped"])
            opened = _decrypt(wrapped, b"", wrapping) if hint.hex() == key["hint"] else None
            if opened is not None:
                return _read(sealed, bound, opened, carrier)
    return None


def seal(
    padded: bytes, recipients: Sequence[tuple[int, bytes]], ephemeral_secret: bytes, key: bytes
) -> tuple[bytes, list[dict[str, Any]], bytes]:
    """Make a seal from its secrets: ephemeral public key, keys and ciphertext."""
    ephemeral = crypto_scalarmult_base(ephemeral_secret)
    keys: list[dict[str, Any]] = []
    for period, public in recipients:
        shared = crypto_scalarmult(ephemeral_secret, public)
        wrapping, hint = _wrapping(shared, ephemeral, public, period)
        wrapped = crypto_aead_xchacha20poly1305_ietf_encrypt(key, b"", _NONCE, wrapping)
        keys.append({"hint": hint.hex(), "period": period, "wrapped": wrapped.hex()})
    keys.sort(key=lambda each: each["hint"])
    bound = _bound({"ephemeral": ephemeral.hex(), "keys": keys})
    return ephemeral, keys, crypto_aead_xchacha20poly1305_ietf_encrypt(padded, bound, _NONCE, key)


def _read(sealed: dict[str, Any], bound: bytes, key: bytes, carrier: Carrier) -> dict[str, Any]:
    padded = _decrypt(bytes.fromhex(sealed["ciphertext"]), bound, key)
    plaintext = None if padded is None else read_plaintext(padded)
    if plaintext is None:
        raise UnprovenError("a forgery of its author")
    found = [plaintext[name] for name in ("device", "channel", "seq", "prev")]
    if found != list(carrier[:4]) or carrier.reader not in plaintext["recipients"]:
        raise UnprovenError("copied, or sealed anew")
    return plaintext


def _shared(secret: bytes, public: bytes) -> bytes | None:
    """X25519; nothing for a point of small order."""
    try:
        return crypto_scalarmult(secret, public)
    except CryptoError:
        return None


def _wrapping(shared: bytes, ephemeral: bytes, public: bytes, period: int) -> tuple[bytes, bytes]:
    source = shared + ephemeral + public + period.to_bytes(4, "big")
    return tagged("sl.seal", source), tagged("sl.seal-hint", source)[:4]


def _bound(sealed: dict[str, Any]) -> bytes:
    bound = _SUITE.to_bytes(2, "big") + bytes.fromhex(sealed["ephemeral"])
    for key in sealed["keys"]:
        bound += bytes.fromhex(key["hint"]) + key["period"].to_bytes(4, "big")
        bound += bytes.fromhex(key["wrapped"])
    return bound


def _decrypt(ciphertext: bytes, bound: bytes, key: bytes) -> bytes | None:
    if len(ciphertext) < _TAG_BYTES:
        return None
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, bound, _NONCE, key)
    except CryptoError:
        return None
