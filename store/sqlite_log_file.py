"""The write-ahead log that an earlier process left: made sure of before anything builds on it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1 << 20
_NOT_WRITABLE: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


def secure_log(database: Path) -> None:
    """Put what a database's write-ahead log seems to hold really onto the disk.

    A process that is killed between a write and its sync leaves a log that reads as if all of it
    were committed; so does one whose disk answered the sync with an error, and there the system
    takes the pages for written and never tries again. SQLite believes what it reads. Entries that
    the node then shows to others would be gone after a power cut, and the log would fork; and
    whatever is committed behind them could not be found.

    So every byte is written again as it is, and synced together with the name of the file. Does
    nothing where there is no log, as after every proper end, or where nothing may be written.

    Raises:
        OSError: the disk fails.
    """
    try:
        descriptor = os.open(log_of(database), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno in _NOT_WRITABLE:
            return
        raise
    try:
        at = 0
        while data := os.pread(descriptor, _CHUNK_BYTES, at):
            at += os.pwrite(descriptor, data, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_names(database)


def log_of(database: Path) -> Path:
    """Return where the write-ahead log of a database is."""
    return database.with_name(f"{database.name}-wal")


def sync_names(database: Path) -> None:
    """Make the names of a database and its log last through a power cut.

    SQLite syncs the directory when it has made a log, but only once, and whatever the answer.

    Raises:
        OSError: the disk fails.
    """
    descriptor = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
    finally:
        os.close(descriptor)
