"""The home of a node: one directory, used by one process at a time."""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

import msgspec

from .errors import Code, ServiceError

if TYPE_CHECKING:
    from .keys import KeyFiles

HOME_VARIABLE: Final = "SLOWLIGHT_HOME"
MAX_SOCKET_PATH_BYTES: Final = 103
"""Longest path of a Unix socket that every system takes (macOS: 104 with its end)."""

_MAX_HOLDER_BYTES: Final = 1_000

AskPassphrase: TypeAlias = Callable[[], str]
"""Gets the passphrase of the keys from whoever knows it."""


def nobody_to_ask() -> NoReturn:
    """Say that the passphrase is needed."""
    raise ServiceError(
        Code.KEYS_LOCKED,
        "the keys of this home are locked with a passphrase, and there is nobody to ask for it",
        "use a terminal, or name a file that holds it: --passphrase-file FILE",
    )


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one node is."""

    path: Path
    ask_passphrase: AskPassphrase = field(default=nobody_to_ask, repr=False, compare=False)

    @property
    def database(self) -> Path:
        """The SQLite file with everything the node remembers."""
        return self.path / "node.db"

    @property
    def keys(self) -> KeyFiles:
        """The secrets."""
        from .keys import KeyFiles  # loads cryptography, which a command for a daemon never needs

        return KeyFiles(self.secrets, self.ask_passphrase)

    @property
    def secrets(self) -> Path:
        """The directory of the secrets, open to their owner alone."""
        return self.path / "keys"

    def having_asked(self) -> Home:
        """Return this home with its passphrase asked for already, if it has one.

        Who cannot be interrupted later asks now.
        """
        if not self.keys.have_passphrase:
            return self
        passphrase = self.ask_passphrase()
        return replace(self, ask_passphrase=lambda: passphrase)

    @property
    def socket(self) -> Path:
        """The Unix socket of the daemon's API; there while it runs."""
        return self.path / "api.sock"

    @property
    def config(self) -> Path:
        """The configuration file; it need not exist."""
        return self.path / "config.toml"

    @property
    def installation(self) -> Path:
        """The nonce of the database that this home began with."""
        return self.path / "installation"

    def make(self) -> None:
        """Create the directory, open to its owner alone, unless it is there.

        Raises:
            ServiceError: a file stands in its place (``unsafe_home``).
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ServiceError(
                Code.UNSAFE_HOME,
                f"no home can be at {self.path}: a file stands in the way",
                "name another directory with --home",
            ) from error

    def require(self) -> None:
        """Require a home that `init` has made.

        Raises:
            ServiceError: there is none (``no_identity``).
        """
        if not self.database.is_file():
            raise ServiceError(
                Code.NO_IDENTITY, f"there is no identity in {self.path}", self.command("init")
            )

    def command(self, arguments: str) -> str:
        """Return what to type to run a command on this very home."""
        return f"slowlight --home {shlex.quote(str(self.path))} {arguments}"

    def lock(self, purpose: str) -> HomeLock:
        """Take the home for this process, until the lock is closed.

        Args:
            purpose: what holds it, for whoever finds it held: ``slowlight run``.

        Raises:
            ServiceError: another process holds it (``locked``), there is no directory
                (``no_identity``), or it cannot be written (``storage``).
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.path / "lock", flags, 0o600)
        except FileNotFoundError:
            raise ServiceError(
                Code.NO_IDENTITY, f"there is no home at {self.path}", self.command("init")
            ) from None
        except OSError as error:
            raise ServiceError(
                Code.STORAGE,
                f"the home {self.path} cannot be written: {error.strerror}",
                "make it writable, or copy it to where it is: even reading keeps notes there",
            ) from error
        lock = HomeLock(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _MAX_HOLDER_BYTES, 0)
            lock.close()
            raise self._held(holder) from None
        with suppress(OSError):  # the disk is full: nobody will see whose lock it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(Holder(os.getpid(), purpose)), 0)
        return lock

    def _held(self, holder: bytes) -> ServiceError:
        try:
            known = msgspec.json.decode(holder, type=Holder)
            who = f"process {known.pid} ({known.purpose})"
        except msgspec.DecodeError:
            who = "another process"
        return ServiceError(
            Code.LOCKED,
            f"{self.path} is in use by {who}",
            "wait until it has ended, stop it, or use another home with --home",
        )


class HomeLock:
    """The home belongs to this process until this is closed, or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        """Let go of the home."""
        os.close(self._descriptor)

    def __enter__(self) -> HomeLock:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lock."""

    pid: int
    purpose: str


def locate(
    flag: str | None,
    environ: Mapping[str, str],
    ask_passphrase: AskPassphrase = nobody_to_ask,
) -> Home:
    """Return the home that is meant: flag, then ``SLOWLIGHT_HOME``, then the user's own.

    Raises:
        ServiceError: the flag is empty, as a forgotten variable of a script makes it; taking
            the user's own home then would write into the wrong one.
    """
    if flag == "":
        raise ServiceError(Code.INVALID, "--home is empty", "name a directory, or leave it out")
    chosen = flag or environ.get(HOME_VARIABLE)
    if chosen:
        return Home(Path(chosen).expanduser().absolute(), ask_passphrase)
    from platformdirs import user_data_path

    return Home(user_data_path("slowlight", appauthor=False), ask_passphrase)
