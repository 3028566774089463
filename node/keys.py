"""The secrets of a node: one small file each, readable by their owner alone.

A secret is 32 bytes, kept as a line of 64 hexadecimal digits. It never stands in an argument,
an environment variable, a log line or a traceback: what holds one shows only that it does.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..protocol.identity import KeyPair as SigningKey
from ..protocol.identity import device_key
from ..protocol.noise import KeyPair as BoxKey
from .clock import RandomBytes
from .errors import Code, ServiceError

SECRET_BYTES: Final = 32
DEVICE_FILE: Final = "device.key"
BOX_FILE: Final = "box.key"
ROOT_FILE: Final = "root.seed"

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


class KeyFiles:
    """The directory with the secrets of one home."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def device_keys(self) -> DeviceKeys:
        """Read the keys of this device.

        Raises:
            ServiceError: there are none (``no_identity``), others can read them
                (``unsafe_home``), or a file is damaged (``integrity``).
        """
        self._require_private_directory()
        return _device_keys(self._read(DEVICE_FILE), self._read(BOX_FILE))

    def root_seed(self) -> bytes:
        """Read the seed behind the 24 words; errors as for `device_keys`."""
        self._require_private_directory()
        return self._read(ROOT_FILE)

    def make(self, random_bytes: RandomBytes) -> tuple[DeviceKeys, bytes]:
        """Return device keys and root seed, making what is not there yet.

        The caller holds the lock of the home. A secret that exists is never replaced, so an
        interrupted beginning is simply gone on with.
        """
        self._directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        self._require_private_directory()
        for name in (ROOT_FILE, DEVICE_FILE, BOX_FILE):
            if not (self._directory / name).exists():
                write_whole(self._directory / name, random_bytes(SECRET_BYTES).hex())
        return self.device_keys(), self.root_seed()

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
        path = self._directory / name
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
            data = file.read(_FILE_BYTES + 1)
        try:
            secret = bytes.fromhex(data.decode("ascii"))
        except ValueError:
            secret = b""
        if len(secret) != SECRET_BYTES:
            raise ServiceError(
                Code.INTEGRITY,
                f"{path} is damaged: it must be one line of {2 * SECRET_BYTES} hexadecimal digits",
                "put it back from a backup of this home",
            )
        return secret


def write_whole(path: Path, line: str) -> None:
    """Write a small file, for its owner alone, so that it is there whole or not at all.

    Also after a power cut, and without following a link.
    """
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, _FILE_MODE), "wb") as file:
        file.write(line.encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
