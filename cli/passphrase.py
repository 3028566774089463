"""Where a passphrase comes from: a file, an open descriptor, or the person at the terminal.

Never from an argument or a variable, which other programs can read.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from .shell import Shell

FILE_VARIABLE: Final = "SLOWLIGHT_PASSPHRASE_FILE"
MAX_FILE_BYTES: Final = 4_096

_DESCRIPTOR: Final = "fd:"
_OTHERS: Final = 0o077


def passphrase_of_keys(shell: Shell) -> str:
    """Return the passphrase of the keys: the option, then the variable, then the person.

    Raises:
        ServiceError: there is nobody to ask (``keys_locked``); also as for `read_passphrase`.
    """
    named = shell.passphrase_file or shell.environ.get(FILE_VARIABLE)
    if named:
        return read_passphrase(named)
    if not talks_to_person():
        from ..node.home import nobody_to_ask

        nobody_to_ask()
    return str(click.prompt("Passphrase of the keys", hide_input=True, err=True))


def new_passphrase(named: str | None) -> str:
    """Return a passphrase that is to be set; a person types it twice.

    Args:
        named: a file as for `read_passphrase`; None: ask.
    """
    if named is not None:
        return read_passphrase(named)
    if not talks_to_person():
        raise click.UsageError("there is nobody to ask; name a file: --new-passphrase-file FILE")
    return str(
        click.prompt("New passphrase", hide_input=True, confirmation_prompt="Again", err=True)
    )


def talks_to_person() -> bool:
    """Return whether somebody can be asked; the answer of the command may go elsewhere."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def read_passphrase(named: str) -> str:
    """Return the passphrase that a file holds, one line.

    Args:
        named: path of a file, or ``fd:3`` for a descriptor that whoever started us has opened.

    Raises:
        click.UsageError: it cannot be read, or is not one line of text.
        ServiceError: others can read the file (``unsafe_home``).
    """
    number = named.removeprefix(_DESCRIPTOR)
    try:
        descriptor = (
            int(number)
            if number != named and number.isdecimal()
            else os.open(named, os.O_RDONLY | os.O_CLOEXEC)
        )
        with os.fdopen(descriptor, "rb") as file:
            _require_private(named, os.fstat(descriptor).st_mode)
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise click.UsageError(
            f"the passphrase cannot be read from {named}: {error.strerror}"
        ) from error
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1 or not lines[0] or len(data) > MAX_FILE_BYTES:
        raise click.UsageError(f"{named} must hold the passphrase on one line of text, no more")
    return lines[0]


def _require_private(named: str, mode: int) -> None:
    from ..node.errors import Code, ServiceError

    if stat.S_ISREG(mode) and mode & _OTHERS:
        raise ServiceError(
            Code.UNSAFE_HOME,
            f"{named} holds a passphrase, and others on this machine can get at it"
            f" (mode {stat.S_IMODE(mode):04o})",
            f"chmod 600 {named}",
        )
