"""Secrets under a passphrase: argon2id makes a key of it, and a secret box holds them.

A vault is one line of hexadecimal digits. Its bytes are ::

    8  "slvault" and the version of this layout: 1 with a root seed, 2 without one
    4  passes of argon2id, unsigned big-endian
    4  memory of argon2id in KiB, likewise
   16  salt
   24  nonce
   96  root seed, device seed and box secret, encrypted, and 16 more that prove the key right;
       in version 2 only 64: the words are not on this machine
   32  BLAKE2b-256 of everything before

The last field tells damage from a wrong passphrase. It says nothing of the secrets, and protects
nothing: whoever can write the file can make it anew. What is before the box decides the key, so
nobody can change it and still have the box open.

Source: RFC 9106 for argon2id; the limits are those that libsodium names interactive, moderate
and sensitive.
"""

from __future__ import annotations

import struct
import unicodedata
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from nacl import exceptions
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from .clock import RandomBytes
from .errors import Code, ServiceError

SECRETS_BYTES: Final = 96
BARE_SECRETS_BYTES: Final = 64
"""Without the root seed."""
LEAST_PASSPHRASE: Final = 8
"""Letters of a new passphrase, at least; the length that NIST SP 800-63B asks for."""
MAX_PASSPHRASE_BYTES: Final = 1_024


class Cost(NamedTuple):
    """Work that one guess takes."""

    passes: int
    memory_kib: int


LEAST: Final = Cost(argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE // 1_024)
"""A vault that asks for less is refused: somebody wants the next one to be guessed."""
USUAL: Final = Cost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE // 1_024)
"""About half a second and 256 MiB."""
MOST: Final = Cost(argon2id.OPSLIMIT_SENSITIVE, argon2id.MEMLIMIT_SENSITIVE // 1_024)
"""A vault that asks for more is refused: it could keep this machine busy for ever."""

_MAGIC: Final = b"slvault\x01"
_BARE_MAGIC: Final = b"slvault\x02"
_HEAD: Final = struct.Struct(f">{len(_MAGIC)}sII{argon2id.SALTBYTES}s{SecretBox.NONCE_SIZE}s")
_SUM_BYTES: Final = 32
VAULT_BYTES: Final = _HEAD.size + SECRETS_BYTES + SecretBox.MACBYTES + _SUM_BYTES
_BARE_VAULT_BYTES: Final = VAULT_BYTES - SECRETS_BYTES + BARE_SECRETS_BYTES


def check_new_passphrase(passphrase: str) -> None:
    """Refuse a passphrase that is too short or too long to be chosen.

    Raises:
        ServiceError: ``invalid``.
    """
    if len(passphrase) < LEAST_PASSPHRASE or len(_encoded(passphrase)) > MAX_PASSPHRASE_BYTES:
        raise ServiceError(
            Code.INVALID,
            f"a passphrase has at least {LEAST_PASSPHRASE} letters"
            f" and at most {MAX_PASSPHRASE_BYTES:,} bytes",
            "choose five or six words that nobody would put together",
        )


def close_vault(secrets: bytes, passphrase: str, random_bytes: RandomBytes, cost: Cost) -> str:
    """Return the line that keeps secrets under a passphrase.

    Args:
        secrets: 96 bytes, or 64 without the root seed.
        cost: from `LEAST` to `MOST` in both.

    Raises:
        ServiceError: there is not enough memory.
    """
    salt, nonce = random_bytes(argon2id.SALTBYTES), random_bytes(SecretBox.NONCE_SIZE)
    box = SecretBox(_key(passphrase, salt, cost)).encrypt(secrets, nonce).ciphertext
    magic = _BARE_MAGIC if len(secrets) == BARE_SECRETS_BYTES else _MAGIC
    body = _HEAD.pack(magic, *cost, salt, nonce) + box
    return (body + _sum(body)).hex()


def holds_root_seed(line: bytes) -> bool:
    """Say whether the root seed is in a vault, without opening it; a guess where it is damaged."""
    return not line.startswith(_BARE_MAGIC.hex().encode())


def open_vault(line: bytes, passphrase: str, name: Path) -> bytes:
    """Return the secrets (96 bytes, or 64 without the root seed) of a vault.

    Args:
        line: what the file holds.
        name: the file, for the message.

    Raises:
        ServiceError: the file is damaged or no vault (``integrity``), the passphrase is not
            the right one (``keys_locked``), or there is not enough memory.
    """
    try:
        vault = bytes.fromhex(line.decode("ascii"))
    except ValueError:
        raise _damaged(name, "it is not one line of hexadecimal digits") from None
    wanted = VAULT_BYTES if holds_root_seed(line) else _BARE_VAULT_BYTES
    if len(vault) != wanted:
        raise _damaged(name, f"it holds {len(vault)} bytes where {wanted} are needed")
    body = vault[:-_SUM_BYTES]
    if _sum(body) != vault[-_SUM_BYTES:]:
        raise _damaged(name, "its checksum is wrong")
    magic, passes, memory_kib, salt, nonce = _HEAD.unpack_from(body)
    if magic not in (_MAGIC, _BARE_MAGIC):
        raise _damaged(name, "it does not begin as this version of Slowlight writes it")
    cost = Cost(passes, memory_kib)
    if not all(low <= asked <= high for low, asked, high in zip(LEAST, cost, MOST, strict=True)):
        raise _damaged(name, f"{passes} passes over {memory_kib} KiB are no honest cost")
    try:
        return SecretBox(_key(passphrase, salt, cost)).decrypt(body[_HEAD.size :], nonce)
    except exceptions.CryptoError:
        raise ServiceError(
            Code.KEYS_LOCKED,
            f"the passphrase is not the one that {name} was locked with",
            "try again; if it is lost, the 24 words begin anew: slowlight --home DIR key restore",
        ) from None


def _key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    try:
        return argon2id.kdf(
            SecretBox.KEY_SIZE, _encoded(passphrase), salt, cost.passes, cost.memory_kib * 1_024
        )
    except exceptions.RuntimeError:
        raise ServiceError(
            Code.INTERNAL,
            f"the passphrase needs {cost.memory_kib // 1_024} MiB of memory for a moment,"
            " which this machine does not give",
            "close other programs, or raise the limit of memory",
        ) from None


def _encoded(passphrase: str) -> bytes:
    """Return one form of a passphrase, however the keyboard composes its accents."""
    return unicodedata.normalize("NFC", passphrase).encode()


def _sum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_SUM_BYTES).digest()


def _damaged(name: Path, why: str) -> ServiceError:
    return ServiceError(
        Code.INTEGRITY,
        f"{name} is damaged: {why}",
        "put it back from a backup of this home; or begin anew from your 24 words:"
        " slowlight --home DIR key restore",
    )
