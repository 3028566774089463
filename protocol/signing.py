"""Signatures with a purpose: Ed25519 over a context and a message.

Each kind of thing that is signed has its own context, and no context begins another, so a
signature under one purpose is never one under another.
"""

from __future__ import annotations

from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError

from .errors import IntegrityError

CONTEXT_ENTRY: Final = b"sl-sig-1"
CONTEXT_CERTIFICATE: Final = b"sl-cert-1"
CONTEXT_ROTATION: Final = b"sl-rotate-1"
CONTEXT_REVOCATION: Final = b"sl-revoke-1"
CONTEXT_ACCEPT: Final = b"sl-accept-1"
CONTEXT_DEVICE_REQUEST: Final = b"sl-ask-1"


def sign(secret_key: bytes, context: bytes, message: bytes) -> bytes:
    """Sign ``message`` for the purpose of ``context``; return the signature (64 bytes).

    Args:
        secret_key: 64 bytes: seed and public key, as libsodium keeps it.
        context: one of the ``CONTEXT_`` strings.

    Raises:
        ValueError: the key is not 64 bytes.
    """
    if len(secret_key) != bindings.crypto_sign_SECRETKEYBYTES:
        raise ValueError(f"a secret key of {len(secret_key)} bytes")
    return bindings.crypto_sign(context + message, secret_key)[: bindings.crypto_sign_BYTES]


def verify(public_key: bytes, context: bytes, message: bytes, signature: bytes, what: str) -> None:
    """Check a signature with libsodium's strict, cofactorless rules.

    Raises:
        IntegrityError: this key did not sign this message for this purpose; ``what`` names
            the thing in the message of the error.
    """
    # libsodium reads the key and takes the signature off the front without asking how long
    # they are: other lengths would read foreign memory or give one message two signatures.
    fits = (
        len(public_key) == bindings.crypto_sign_PUBLICKEYBYTES
        and len(signature) == bindings.crypto_sign_BYTES
    )
    try:
        if not fits:
            raise BadSignatureError
        bindings.crypto_sign_open(signature + context + message, public_key)
    except BadSignatureError as error:
        raise IntegrityError(f"the signature of {what} does not fit its key") from error
