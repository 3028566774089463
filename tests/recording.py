"""What a process asked of the disk, and what it said meanwhile, in order: read from strace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

TRACED: Final = (
    "openat,close,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,"
    "?rename,renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,?rmdir,?link,linkat"
)
"""Every call that changes a disk in a way that matters here; ``?``: not on every system."""
ARGUMENTS: Final = ("-xx", "-s", "9999999", "-e", f"trace={TRACED}", "-e", "signal=none")

_CALL: Final = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)")
_ARGUMENT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?|([^",\s][^",]*)')


class Written(NamedTuple):
    """Bytes that were put into a file."""

    path: str
    offset: int
    data: bytes


class Truncated(NamedTuple):
    """A file got another length."""

    path: str
    size: int


class Synced(NamedTuple):
    """A file or directory was asked to be on the disk; whether the disk said yes."""

    path: str
    good: bool


class Made(NamedTuple):
    """A name for a new file or directory."""

    path: str
    directory: bool


class Renamed(NamedTuple):
    """A name changed, and what had the new one is gone."""

    path: str
    to: str


class Removed(NamedTuple):
    """A name is gone."""

    path: str


class Said(NamedTuple):
    """A line that others have heard."""

    line: str


Event: TypeAlias = Written | Truncated | Synced | Made | Renamed | Removed | Said


class Recorder:
    """Reads what lives of processes did in one directory, one life after the other."""

    def __init__(self, root: Path) -> None:
        self._root = str(root.resolve())
        self._known = {self._root, *(str(path) for path in root.resolve().rglob("*"))}
        self._open: dict[int, str] = {}
        self._at: dict[int, int] = {}

    def read(self, log: Path, says: int) -> Iterator[Event]:
        """Yield what a process did.

        Args:
            log: what strace wrote with `ARGUMENTS`.
            says: descriptor on which the process says what others hear.
        """
        self._open, self._at = {}, {}
        for line in log.read_text(encoding="ascii").splitlines():
            found = _CALL.match(line)
            if found is None:
                assert line.startswith(("+++", "---")) or "unfinished" in line, line[:200]
                continue
            name, arguments, result = found[1], _arguments(found[2]), found[3]
            if name in ("fsync", "fdatasync"):
                path = self._open.get(int(arguments[0]))
                if path is not None and result != "?":
                    yield Synced(path, result == "0")
            elif result not in ("?", "-1"):
                yield from self._event(name, arguments, int(result), says)

    def _event(
        self, name: str, arguments: list[str | bytes], result: int, says: int
    ) -> Iterator[Event]:
        match name:
            case "openat":
                yield from self._opened(_path(arguments[1]), str(arguments[2]), result)
            case "close":
                self._open.pop(int(arguments[0]), None)
            case "write" | "pwrite64":
                yield from self._wrote(arguments, result, says)
            case "ftruncate":
                if path := self._open.get(int(arguments[0])):
                    yield Truncated(path, int(arguments[1]))
            case "fallocate" | "link" | "linkat":
                raise AssertionError(f"{name} is not modelled")
            case _:
                yield from self._named(name, [_path(a) for a in arguments if isinstance(a, bytes)])

    def _opened(self, path: str, flags: str, descriptor: int) -> Iterator[Event]:
        self._open.pop(descriptor, None)
        if not self._ours(path):
            return
        self._open[descriptor], self._at[descriptor] = path, 0
        if "O_CREAT" in flags and path not in self._known:
            self._known.add(path)
            yield Made(path, directory=False)
        if "O_TRUNC" in flags:
            yield Truncated(path, 0)

    def _wrote(self, arguments: list[str | bytes], count: int, says: int) -> Iterator[Event]:
        descriptor, data = int(arguments[0]), arguments[1]
        assert isinstance(data, bytes)
        if descriptor == says:
            yield Said(data.decode().strip())
        elif path := self._open.get(descriptor):
            at = int(arguments[3]) if len(arguments) > 3 else self._at[descriptor]
            if len(arguments) == 3:
                self._at[descriptor] += count
            yield Written(path, at, data[:count])

    def _named(self, name: str, paths: list[str]) -> Iterator[Event]:
        if not any(map(self._ours, paths)):
            return
        if name.startswith("rename"):
            self._known.discard(paths[0])
            self._known.add(paths[1])
            yield Renamed(*paths)
        elif name.startswith(("unlink", "rmdir")):
            self._known.discard(paths[0])
            yield Removed(paths[0])
        else:
            self._known.add(paths[0])
            yield Made(paths[0], directory=True)

    def _ours(self, path: str) -> bool:
        return path == self._root or path.startswith(f"{self._root}/")


def _arguments(text: str) -> list[str | bytes]:
    found: list[str | bytes] = []
    for match in _ARGUMENT.finditer(text):
        assert not match[2], "strace cut a string short"
        word = match[3]
        found.append(bytes.fromhex(match[1].replace("\\x", "")) if word is None else word.strip())
    return found


def _path(argument: str | bytes) -> str:
    assert isinstance(argument, bytes)
    return argument.decode()
