"""The one error of every operation: what is wrong, whose move it is, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Final

from ..protocol.errors import SlowlightError


class Exit(IntEnum):
    """Exit codes of the command line; they never change their meaning."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOTHING = 3
    """Nothing to do, or not found."""
    LOCKED = 4
    """The home is in use, holds no identity, or its passphrase is missing or wrong."""
    UNREACHABLE = 5
    INTEGRITY = 6
    BUDGET = 7
    INTERRUPTED = 130


class Code(StrEnum):
    """What kind of error it is, for programs; the words beside it are for people."""

    INTERNAL = "internal"
    """A mistake of ours; the log of the node says more."""
    UNSAFE_HOME = "unsafe_home"
    """Others can read secrets, or something stands where a file of ours belongs."""
    STORAGE = "storage"
    """The database cannot be opened, read or written."""
    INVALID = "invalid"
    """An argument or a setting is not allowed."""
    AMBIGUOUS = "ambiguous"
    NOT_FOUND = "not_found"
    NOTHING_TO_DO = "nothing_to_do"
    LOCKED = "locked"
    NO_IDENTITY = "no_identity"
    KEYS_LOCKED = "keys_locked"
    """The passphrase of the keys is missing or wrong."""
    UNREACHABLE = "unreachable"
    INTEGRITY = "integrity"
    BUDGET_SPENT = "budget_spent"
    INTERRUPTED = "interrupted"


EXIT_OF: Final[Mapping[Code, Exit]] = {
    Code.INTERNAL: Exit.ERROR,
    Code.UNSAFE_HOME: Exit.ERROR,
    Code.STORAGE: Exit.ERROR,
    Code.INVALID: Exit.USAGE,
    Code.AMBIGUOUS: Exit.USAGE,
    Code.NOT_FOUND: Exit.NOTHING,
    Code.NOTHING_TO_DO: Exit.NOTHING,
    Code.LOCKED: Exit.LOCKED,
    Code.NO_IDENTITY: Exit.LOCKED,
    Code.KEYS_LOCKED: Exit.LOCKED,
    Code.UNREACHABLE: Exit.UNREACHABLE,
    Code.INTEGRITY: Exit.INTEGRITY,
    Code.BUDGET_SPENT: Exit.BUDGET,
    Code.INTERRUPTED: Exit.INTERRUPTED,
}


class ServiceError(SlowlightError):
    """An operation was refused or failed.

    Args:
        code: what kind of error.
        message: what is wrong and why, one sentence without a full stop.
        hint: what to do or type next; empty if there is nothing to advise.
        candidates: what an ambiguous name could mean, ready to be typed.
    """

    def __init__(
        self, code: Code, message: str, hint: str = "", candidates: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.candidates = tuple(candidates)

    @property
    def exit(self) -> Exit:
        """The exit code that the command line ends with."""
        return EXIT_OF[self.code]


def storage_error(error: SlowlightError) -> ServiceError:
    """Return what a person is told when the database fails."""
    # A command for a daemon needs none of them.
    from ..store.base import DamagedFileError, ForeignDatabaseError, LostHeadError, ReadOnlyError

    if isinstance(error, LostHeadError):
        return ServiceError(
            Code.INTEGRITY,
            str(error),
            "fetch them from somebody who holds them: slowlight sync; if nobody does, begin a new"
            " device: slowlight --home NEWDIR key add-device",
        )
    if isinstance(error, DamagedFileError):
        return ServiceError(
            Code.INTEGRITY,
            str(error),
            "save what can be read: slowlight db rebuild; the damaged file is kept",
        )
    if isinstance(error, ForeignDatabaseError):
        return ServiceError(
            Code.STORAGE,
            str(error),
            "use the version that wrote it, or another home: slowlight --home DIR",
        )
    if isinstance(error, ReadOnlyError):
        return ServiceError(
            Code.STORAGE, str(error), "make the home writable, or copy it to where it is"
        )
    return ServiceError(
        Code.STORAGE, str(error), "check the free space and the permissions of the home"
    )
