"""The secrets of a node: one small file each, readable by their owner alone.

A secret is 32 bytes, kept as a line of 64 hexadecimal digits. It never stands in an argument,
an environment variable, a log line or a traceback: what holds one shows only that it does.

Under a passphrase all of them are in one file instead, the vault (see `vault`). While there is a
vault it alone counts, so that a change that is interrupted has happened or has not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..protocol.identity import KeyPair as SigningKey
from ..protocol.identity import device_key
from ..protocol.noise import KeyPair as BoxKey
from .clock import RandomBytes
from .errors import Code, ServiceError
from .files import NEW, make_directory, sync_directory, write_whole
from .home import AskPassphrase, nobody_to_ask

if TYPE_CHECKING:
    from .vault import Cost

SECRET_BYTES: Final = 32
DEVICE_FILE: Final = "device.key"
BOX_FILE: Final = "box.key"
ROOT_FILE: Final = "root.seed"
ABSENT_FILE: Final = "root.absent"
"""Says that the root seed is not on this machine, so that none is made; it counts before the
file of the seed."""
VAULT_FILE: Final = "vault"
VERIFIED_FILE: Final = "words-verified"

_PLAIN_FILES: Final = (ROOT_FILE, DEVICE_FILE, BOX_FILE)

_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077
_FILE_BYTES: Final = 2 * SECRET_BYTES + 1


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What a running node needs: it signs with one key and opens links with the other."""

    signing: SigningKey = field(repr=False)
    box: BoxKey = field(repr=False)

    @property
    def device(self) -> bytes:
        """The device's public key (32 bytes), which is its name."""
        return self.signing.public


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every secret of a home, 32 bytes each."""

    root_seed: bytes | None = field(repr=False)
    """None: it is not on this machine."""
    device_seed: bytes = field(repr=False)
    box_secret: bytes = field(repr=False)

    @property
    def device_keys(self) -> DeviceKeys:
        """The keys of this device."""
        return _device_keys(self.device_seed, self.box_secret)

    def joined(self) -> bytes:
        """Return all of them as one (96 bytes, or 64 without the root seed)."""
        return (self.root_seed or b"") + self.device_seed + self.box_secret

    @staticmethod
    def parted(joined: bytes) -> Secrets:
        """Return what `joined` put together."""
        *root, device_seed, box_secret = (
            joined[at : at + SECRET_BYTES] for at in range(0, len(joined), SECRET_BYTES)
        )
        return Secrets(root[0] if root else None, device_seed, box_secret)


class KeyFiles:
    """The directory with the secrets of one home."""

    def __init__(
        self,
        directory: Path,
        ask_passphrase: AskPassphrase = nobody_to_ask,
        *,
        cost: Cost | None = None,
    ) -> None:
        """Name the directory.

        Args:
            cost: of the next passphrase; None: the usual one.
        """
        self._directory = directory
        self._ask_passphrase = ask_passphrase
        self._cost = cost

    @property
    def have_passphrase(self) -> bool:
        """Whether the secrets are under a passphrase."""
        return (self._directory / VAULT_FILE).exists()

    @property
    def exist(self) -> bool:
        """Whether any secret is here."""
        return any((self._directory / name).exists() for name in (VAULT_FILE, *_PLAIN_FILES))

    def device_keys(self) -> DeviceKeys:
        """Read the keys of this device; the caller holds the lock of the home.

        What a change of the passphrase left behind, when it was interrupted, is taken away.

        Raises:
            ServiceError: there are none (``no_identity``), others can read them
                (``unsafe_home``), a file is damaged (``integrity``), or the passphrase is
                missing or wrong.
        """
        self._require_private_directory()
        if self.have_passphrase:
            secrets = self._unlocked()
            self._remove((*_PLAIN_FILES, ABSENT_FILE))
            return secrets.device_keys
        if self._is_absent and (self._directory / ROOT_FILE).exists():
            self._remove([ROOT_FILE])
        return _device_keys(self._read(DEVICE_FILE), self._read(BOX_FILE))

    @property
    def have_root_seed(self) -> bool:
        """Whether the seed behind the words is on this machine."""
        if self.have_passphrase:
            from .vault import holds_root_seed

            return holds_root_seed(self._vault_line())
        return not self._is_absent and (self._directory / ROOT_FILE).exists()

    def root_seed(self) -> bytes:
        """Read the seed behind the 24 words; errors as for `device_keys`.

        Raises:
            ServiceError: also: it is not on this machine (``not_found``).
        """
        self._require_private_directory()
        if self.have_passphrase:
            seed = self._unlocked().root_seed
        else:
            seed = None if self._is_absent else self._read(ROOT_FILE)
        if seed is None:
            raise ServiceError(
                Code.NOT_FOUND,
                "the words are not on this machine: this device was added, or they were taken off",
                "read them from your paper, and type them where a command asks for them",
            )
        return seed

    def forget_root_seed(self, random_bytes: RandomBytes) -> bool:
        """Take the seed behind the words off this machine; return whether it was here.

        The caller holds the lock of the home.

        Raises:
            ServiceError: as for `device_keys`.
        """
        self._require_private_directory()
        secrets = self._secrets()
        if secrets.root_seed is None:
            return False
        if self.have_passphrase:
            from .vault import USUAL, close_vault

            bare = Secrets(None, secrets.device_seed, secrets.box_secret).joined()
            line = close_vault(bare, self._ask_passphrase(), random_bytes, self._cost or USUAL)
            write_whole(self._directory / VAULT_FILE, line)
        else:
            write_whole(self._directory / ABSENT_FILE, "")
            self._remove([ROOT_FILE])
        return True

    def make(
        self,
        random_bytes: RandomBytes,
        root_seed: bytes | None = None,
        *,
        without_root_seed: bool = False,
    ) -> tuple[DeviceKeys, bytes | None]:
        """Return device keys and root seed, making what is not there yet.

        The caller holds the lock of the home. A secret that exists is never replaced, so an
        interrupted beginning is simply gone on with; it is written again as it is, because a
        process that was killed, or a disk that failed, may have left it off the disk.

        Args:
            root_seed: what the root seed shall be if it is not there; None: a new one.
            without_root_seed: make none; a seed that is here stays.
        """
        make_directory(self._directory, _DIRECTORY_MODE)
        self._require_private_directory()
        if not self.have_passphrase:
            if without_root_seed and not self.exist:
                write_whole(self._directory / ABSENT_FILE, "")
            for name in _PLAIN_FILES:
                if name == ROOT_FILE and self._is_absent:
                    continue
                if (self._directory / name).exists():
                    secret = self._read(name)  # may be there without being on the disk
                else:
                    given = root_seed if name == ROOT_FILE else None
                    secret = given or random_bytes(SECRET_BYTES)
                write_whole(self._directory / name, secret.hex())
        secrets = self._secrets()
        return secrets.device_keys, secrets.root_seed

    def set_passphrase(self, passphrase: str, random_bytes: RandomBytes) -> None:
        """Put all secrets under a passphrase, or under another one.

        The caller holds the lock of the home.

        Raises:
            ServiceError: as for `device_keys`, or the new one is not long enough.
        """
        from .vault import USUAL, check_new_passphrase, close_vault

        check_new_passphrase(passphrase)
        self._require_private_directory()
        vault = close_vault(self._secrets().joined(), passphrase, random_bytes, self._cost or USUAL)
        write_whole(self._directory / VAULT_FILE, vault)
        self._remove((*_PLAIN_FILES, ABSENT_FILE))

    def remove_passphrase(self) -> None:
        """Put all secrets into files of their own again; the caller holds the lock of the home.

        Raises:
            ServiceError: as for `device_keys`.
        """
        self._require_private_directory()
        secrets = self._unlocked()
        if secrets.root_seed is None:
            write_whole(self._directory / ABSENT_FILE, "")
        for name, secret in zip(
            _PLAIN_FILES,
            (secrets.root_seed, secrets.device_seed, secrets.box_secret),
            strict=True,
        ):
            if secret is not None:
                write_whole(self._directory / name, secret.hex())
        self._remove([VAULT_FILE])

    @property
    def words_verified_ms(self) -> int:
        """When the person last proved to have the 24 words, Unix milliseconds; 0: never."""
        try:
            written = (self._directory / VERIFIED_FILE).read_text(encoding="ascii")
        except FileNotFoundError:
            return 0
        return int(written) if written.strip().isdecimal() else 0

    def note_words_verified(self, now_ms: int) -> None:
        """Remember that the person has the 24 words."""
        write_whole(self._directory / VERIFIED_FILE, str(now_ms))

    def _secrets(self) -> Secrets:
        if self.have_passphrase:
            return self._unlocked()
        return Secrets(
            None if self._is_absent else self._read(ROOT_FILE),
            self._read(DEVICE_FILE),
            self._read(BOX_FILE),
        )

    @property
    def _is_absent(self) -> bool:
        return (self._directory / ABSENT_FILE).exists()

    def _vault_line(self) -> bytes:
        from .vault import VAULT_BYTES

        return read_private(self._directory / VAULT_FILE, 2 * VAULT_BYTES + 1)

    def _unlocked(self) -> Secrets:
        from .vault import open_vault

        path = self._directory / VAULT_FILE
        return Secrets.parted(open_vault(self._vault_line(), self._ask_passphrase(), path))

    def _remove(self, names: Iterable[str]) -> None:
        """Remove files, and what an interrupted writing of them left."""
        for name in names:
            for left in (name, f"{name}{NEW}"):
                (self._directory / left).unlink(missing_ok=True)
        sync_directory(self._directory)

    def _require_private_directory(self) -> None:
        try:
            mode = self._directory.lstat().st_mode
        except FileNotFoundError:
            raise _no_keys(self._directory) from None
        if not stat.S_ISDIR(mode):
            raise ServiceError(
                Code.UNSAFE_HOME, f"{self._directory} is not a directory", "move it away"
            )
        _require_private(self._directory, mode, _DIRECTORY_MODE)

    def _read(self, name: str) -> bytes:
        data = read_private(self._directory / name, _FILE_BYTES)
        try:
            secret = bytes.fromhex(data.decode("ascii"))
        except ValueError:
            secret = b""
        if len(secret) != SECRET_BYTES:
            raise ServiceError(
                Code.INTEGRITY,
                f"{self._directory / name} is damaged:"
                f" it must be one line of {2 * SECRET_BYTES} hexadecimal digits",
                "put it back from a backup of this home",
            )
        return secret


def read_private(path: Path, most_bytes: int) -> bytes:
    """Read a file that is its owner's alone; one byte too many tells that it is longer.

    Raises:
        ServiceError: it is missing (``no_identity``), no file of its own or open to others
            (``unsafe_home``).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _no_keys(path) from None
    except OSError as error:
        raise ServiceError(
            Code.UNSAFE_HOME,
            f"{path} cannot be read: {error.strerror}",
            "put a file of your own there, no link",
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        _require_private(path, os.fstat(descriptor).st_mode, _FILE_MODE)
        return file.read(most_bytes + 1)


def _device_keys(device_seed: bytes, box_secret: bytes) -> DeviceKeys:
    return DeviceKeys(device_key(device_seed), BoxKey.from_private(box_secret))


def _require_private(path: Path, mode: int, wanted: int) -> None:
    if mode & _OTHERS:
        raise ServiceError(
            Code.UNSAFE_HOME,
            f"{path} holds secrets, and others on this machine can get at them"
            f" (mode {stat.S_IMODE(mode):04o})",
            f"chmod {wanted:o} {path}",
        )


def _no_keys(path: Path) -> ServiceError:
    return ServiceError(
        Code.NO_IDENTITY, f"there is no identity in this home: {path} is missing", "slowlight init"
    )
