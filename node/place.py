"""Where a file is: on which machine, and whether it is the very file that was made there.

A copy of a file has the same bytes and another birth, even where it overwrites the one that it
was copied from, as long as that one is replaced whenever it changes. No permission, owner, path
or restart alters a birth.
"""

from __future__ import annotations

import ctypes
import os
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Final

_MACHINE_FILES: Final = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_MACHINE_BYTES: Final = 16
_MAX_MACHINE_FILE_BYTES: Final = 256

_AT_EMPTY_PATH: Final = 0x1000
_STATX_BTIME: Final = 0x800
_STATX_BYTES: Final = 256
_MASK: Final = slice(0, 4)
_BIRTH_S: Final = slice(80, 88)
_BIRTH_NS: Final = slice(88, 92)


def this_machine() -> str:
    """Return the name of this machine, 32 hexadecimal digits; empty where it has none.

    It is a hash: what systemd names a machine by is not to be told to others. Machines made
    from one image share a name unless that was reset, and a container may have none.

    Source: machine-id(5).
    """
    for name in _MACHINE_FILES:
        try:
            with Path(name).open("rb") as file:
                written = file.read(_MAX_MACHINE_FILE_BYTES).strip()
        except OSError:
            continue
        if written:
            return blake2b(written, digest_size=_MACHINE_BYTES, person=b"sl.machine").hexdigest()
    return ""


def birth_of(descriptor: int) -> str:
    """Return what tells an open file from every copy of it.

    The moment of its birth; its number in the file system where that keeps no births. Such
    numbers are used again, so a copy that takes the place of the file may pass there.
    """
    born_ns = _birth_ns(descriptor)
    return f"number {os.fstat(descriptor).st_ino}" if born_ns is None else f"born {born_ns}"


def _birth_ns(descriptor: int) -> int | None:
    """Return when a file was made, in nanoseconds, or None if nobody knows.

    Python 3.11 does not tell it on Linux, so the system is asked: statx(2).
    """
    known: float | None = getattr(os.fstat(descriptor), "st_birthtime", None)
    if known is not None:
        return round(known * 1_000_000_000)
    try:
        statx = ctypes.CDLL(None).statx
    except (OSError, AttributeError):
        return None
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer) != 0:
        return None

    def number(field: slice) -> int:
        return int.from_bytes(answer.raw[field], sys.byteorder)

    if not number(_MASK) & _STATX_BTIME:
        return None
    return number(_BIRTH_S) * 1_000_000_000 + number(_BIRTH_NS)
