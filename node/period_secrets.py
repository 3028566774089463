"""The secrets of period keys: one file, rewritten whole, from which each goes when its time is up.

The file is encrypted under a key that comes from the box secret of the device, so a passphrase
on the keys covers it too. Erasing means that the file no longer holds the secret. What a disk
keeps of an overwritten file is beyond any program; docs/threat-model.md says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from ..protocol.hashing import HASH_BYTES
from ..protocol.sealing import SECRET_BYTES
from .clock import RandomBytes
from .errors import Code, ServiceError
from .files import write_whole
from .keys import read_private

PERIODS_FILE: Final = "periods"
MAX_SECRETS: Final = 4_096
"""More than the settings can ask for: 120 months ahead, and 100 years of delay and grace behind."""

_MAX_FILE_BYTES: Final = 128 * MAX_SECRETS
_PERSON_FILE: Final = b"sl.period-file"


class PeriodSecret(msgspec.Struct, frozen=True, array_like=True):
    """The secret half of one period key."""

    period: int
    until_ms: int
    secret: bytes

    def __repr__(self) -> str:
        return f"PeriodSecret(period={self.period})"


class _File(msgspec.Struct, frozen=True, array_like=True):
    seen_ms: int
    doubted_ms: int
    secrets: tuple[PeriodSecret, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What the file holds."""

    seen_ms: int = 0
    """When the node last looked after its period keys, by its clock; 0: never."""
    doubted_ms: int = 0
    """A time so much later than ``seen_ms`` that the clock was doubted; 0: none."""
    secrets: tuple[PeriodSecret, ...] = field(default=(), repr=False)

    def by_period(self) -> dict[int, bytes]:
        """Return the secrets by period."""
        return {one.period: one.secret for one in self.secrets}

    def having(self, secrets: Iterable[PeriodSecret]) -> Held:
        """Return the same with other secrets, in the order of their periods."""
        return replace(self, secrets=tuple(sorted(secrets, key=lambda one: one.period)))


class PeriodSecrets:
    """The file of one device."""

    def __init__(self, directory: Path, box_secret: bytes, random_bytes: RandomBytes) -> None:
        """Name the file.

        Args:
            directory: that of the keys.
            box_secret: of the device; the file is of no use without it.
        """
        self._path = directory / PERIODS_FILE
        self._random_bytes = random_bytes
        key = blake2b(key=box_secret, digest_size=HASH_BYTES, person=_PERSON_FILE).digest()
        self._box = SecretBox(key)

    def load(self) -> Held:
        """Read the file; nothing if there is none.

        Raises:
            ServiceError: it is damaged or another device's (``integrity``), or others can
                read it (``unsafe_home``).
        """
        try:
            line = read_private(self._path, _MAX_FILE_BYTES)
        except ServiceError as error:
            if error.code is Code.NO_IDENTITY:
                return Held()
            raise
        try:
            plain = self._box.decrypt(bytes.fromhex(line.decode("ascii")))
            file = msgspec.msgpack.decode(plain, type=_File)
        except (ValueError, CryptoError):
            raise self._damaged() from None
        if any(len(one.secret) != SECRET_BYTES for one in file.secrets):
            raise self._damaged()
        return Held(file.seen_ms, file.doubted_ms, file.secrets)

    def save(self, held: Held) -> None:
        """Replace the file, whole and synced.

        Raises:
            OSError: the disk does not take it.
        """
        if len(held.secrets) > MAX_SECRETS:
            raise ValueError(f"{len(held.secrets):,} period keys; at most {MAX_SECRETS:,} are kept")
        plain = msgspec.msgpack.encode(_File(held.seen_ms, held.doubted_ms, held.secrets))
        nonce = self._random_bytes(SecretBox.NONCE_SIZE)
        write_whole(self._path, bytes(self._box.encrypt(plain, nonce)).hex())

    def _damaged(self) -> ServiceError:
        return ServiceError(
            Code.INTEGRITY,
            f"{self._path} is damaged, or the file of another device",
            "move it away: new keys are published then; private messages that are on their way"
            " to the old ones cannot be read",
        )
