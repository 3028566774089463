"""Small files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_FILE_MODE: Final = 0o600
NEW: Final = ".new"
"""What the name of a file ends with that is being written."""


def write_whole(path: Path, line: str | Callable[[int], str]) -> None:
    """Write a small file, for its owner alone, so that it is there whole or not at all.

    Also after a power cut, and without following a link.

    Args:
        line: what it shall hold, or what says so when it is given the file's descriptor.
    """
    temporary = path.with_name(f"{path.name}{NEW}")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, _FILE_MODE), "wb") as file:
        text = line if isinstance(line, str) else line(file.fileno())
        file.write(text.encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Make a directory, unless it is there, whose name no power cut takes away again.

    Where the name cannot be synced the directory is taken away: a disk that failed to write a
    name may say the next time that it did, so the next attempt has to make it anew.

    Raises:
        OSError: also: a file stands in its place.
    """
    path.mkdir(mode, exist_ok=True)
    try:
        sync_directory(path.parent)
    except OSError:
        with suppress(OSError):  # something is in it: its name was synced before
            path.rmdir()
        raise


def sync_directory(directory: Path) -> None:
    """Make sure that names in a directory are on the disk, as `fsync` does for a file."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
