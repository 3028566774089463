"""The home of a node: one directory, used by one process at a time."""

from __future__ import annotations

import errno
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
from .files import make_directory, sync_directory

if TYPE_CHECKING:
    from .keys import KeyFiles

HOME_VARIABLE: Final = "SLOWLIGHT_HOME"
MAX_SOCKET_PATH_BYTES: Final = 103
"""Longest path of a Unix socket that every system takes (macOS: 104 with its end)."""

NOT_WRITABLE: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
"""Of a directory that can only be read."""

_MAX_HOLDER_BYTES: Final = 1_000

NameMachine: TypeAlias = Callable[[], str]
"""Names the machine that this runs on, as `place.this_machine` does."""

AskPassphrase: TypeAlias = Callable[[], str]
"""Gets the passphrase of the keys from whoever knows it."""


def nobody_to_ask() -> NoReturn:
    """Say that the passphrase is needed."""
    raise ServiceError(
        Code.KEYS_LOCKED,
        "the keys of this home are locked with a passphrase, and there is nobody to ask for it",
        "use a terminal, or name a file that holds it: --passphrase-file FILE",
    )


def _this_machine() -> str:
    from .place import this_machine  # asks the system, which a command for a daemon never needs

    return this_machine()


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one node is."""

    path: Path
    ask_passphrase: AskPassphrase = field(default=nobody_to_ask, repr=False, compare=False)
    machine: NameMachine = field(default=_this_machine, repr=False, compare=False)

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

    @property
    def witness(self) -> Path:
        """What this device has let out, and where the home was made (see `witness`)."""
        return self.path / "witness"

    @property
    def request(self) -> Path:
        """What this device has asked for, as long as it belongs to no identity."""
        return self.secrets / "request"

    def make(self) -> None:
        """Create the directory, open to its owner alone, unless it is there.

        No power cut takes it away again afterwards.

        Raises:
            ServiceError: a file stands in its place (``unsafe_home``).
        """
        missing = [each for each in (self.path, *self.path.parents) if not each.exists()]
        found = missing[-1].parent if missing else self.path
        try:
            with suppress(PermissionError):  # not ours, so nobody made it for this home
                sync_directory(found.parent)  # whoever made it may have been killed before this
            for each in reversed(missing[1:]):
                make_directory(each)
            if missing or not self.path.is_dir():
                make_directory(self.path, 0o700)
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
        if self.request.exists():
            raise self.waiting()
        if not self.database.is_file():
            raise ServiceError(
                Code.NO_IDENTITY, f"there is no identity in {self.path}", self.command("init")
            )

    def waiting(self) -> ServiceError:
        """Return what is said of a home that has asked to belong to an identity."""
        return ServiceError(
            Code.NO_IDENTITY,
            f"{self.path} waits for the answer to its request code",
            self.command("key add-device --answer CODE"),
        )

    def command(self, arguments: str) -> str:
        """Return what to type to run a command on this very home."""
        return f"slowlight --home {shlex.quote(str(self.path))} {arguments}"

    def lock(self, purpose: str, *, may_only_read: bool = False) -> HomeLock:
        """Take the home for this process, until the lock is closed.

        Args:
            purpose: what holds it, for whoever finds it held: ``slowlight run``.
            may_only_read: take a home that cannot be written too, together with others that
                only read it; `HomeLock.read_only` says so.

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
            if may_only_read and error.errno in NOT_WRITABLE:
                return self._lock_to_read(error)
            raise self.unwritable(error.strerror) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            noted = os.pread(descriptor, _MAX_HOLDER_BYTES, 0)
            os.close(descriptor)
            raise self._held(_holder_of(noted)) from None
        try:
            self._require_nobody_elsewhere(descriptor)
        except ServiceError:
            os.close(descriptor)
            raise
        with suppress(OSError):  # the disk is full: nobody will see whose lock it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(self._me(purpose)), 0)
        return HomeLock(descriptor)

    def _lock_to_read(self, error: OSError) -> HomeLock:
        """Take a home that cannot be written, so that nobody begins to write it meanwhile."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return HomeLock(None)  # nobody can make one
        except OSError:
            raise self.unwritable(error.strerror) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._require_nobody_elsewhere(descriptor)
        except BlockingIOError:
            noted = os.pread(descriptor, _MAX_HOLDER_BYTES, 0)
            os.close(descriptor)
            raise self._held(_holder_of(noted)) from None
        except ServiceError:
            os.close(descriptor)
            raise
        return HomeLock(descriptor, read_only=True)

    def unwritable(self, why: str | None) -> ServiceError:
        """Return what is said where a home has to be written and cannot be."""
        return ServiceError(
            Code.STORAGE,
            f"the home {self.path} cannot be written" + (f": {why}" if why else ""),
            "make it writable, or copy it to where it is; reading and searching work as it is",
        )

    def require_still_held(self) -> None:
        """Require that no process elsewhere took the home from this one, which has locked it.

        Not every folder that several machines share keeps locks. There the last who came
        has the home, and whoever had it before finds out here, before each signature.

        Raises:
            ServiceError: ``locked``.
        """
        try:
            noted = (self.path / "lock").read_bytes()[:_MAX_HOLDER_BYTES]
        except FileNotFoundError:
            return  # a home that is only read by a test, or whose note could not be written
        holder = _holder_of(noted)
        if holder is not None and not holder.is_same_process(self._me("")):
            raise self._held(holder)

    def _me(self, purpose: str) -> Holder:
        return Holder(os.getpid(), purpose, self.machine(), os.uname().nodename)

    def _require_nobody_elsewhere(self, descriptor: int) -> None:
        """Require that no other machine has the home, as far as it noted so.

        A process of this machine that left its note has died: it would hold the lock.
        """
        holder = _holder_of(os.pread(descriptor, _MAX_HOLDER_BYTES, 0))
        machine = self.machine()
        if holder is None or not holder.machine or not machine or holder.machine == machine:
            return
        raise ServiceError(
            Code.LOCKED,
            f"{self.path} is in use on another machine, {holder.host}, by process {holder.pid}"
            f" ({holder.purpose}), or was when that machine was cut off",
            f"stop it there; if it cannot run any more: rm {shlex.quote(str(self.path / 'lock'))}",
        )

    def _held(self, holder: Holder | None) -> ServiceError:
        who = "another process"
        if holder is not None:
            where = "" if holder.host in ("", os.uname().nodename) else f" on {holder.host}"
            who = f"process {holder.pid}{where} ({holder.purpose})"
        return ServiceError(
            Code.LOCKED,
            f"{self.path} is in use by {who}",
            "wait until it has ended, stop it, or use another home with --home",
        )


class HomeLock:
    """The home belongs to this process until this is closed, or the process ends."""

    def __init__(self, descriptor: int | None, *, read_only: bool = False) -> None:
        self._descriptor = descriptor
        self.read_only: Final = read_only or descriptor is None
        """Whether the home cannot be written."""

    def close(self) -> None:
        """Let go of the home, and leave no note of having had it."""
        if self._descriptor is None:
            return
        if not self.read_only:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def __enter__(self) -> HomeLock:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lock."""

    pid: int
    purpose: str
    machine: str = ""
    """As `place.this_machine` names it."""
    host: str = ""
    """For people; tells containers of one machine apart as well."""

    def is_same_process(self, other: Holder) -> bool:
        """Say whether both are one process, whatever it does."""
        return (self.pid, self.machine, self.host) == (other.pid, other.machine, other.host)


def _holder_of(noted: bytes) -> Holder | None:
    """Read who has the lock; None if nobody noted it."""
    try:
        return msgspec.json.decode(noted, type=Holder)
    except msgspec.DecodeError:
        return None


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
