"""What a disk can hold after the power went: everything that was synced, and chance for the rest.

Of what was not synced each write may be there, be missing, or be there in some of its sectors of
512 bytes, in whatever order it was made; names that were made, changed or removed may be or not.
Where the disk answered a sync with an error, what it had not written by then is never written:
the system takes the pages for clean, though whoever reads them sees what is not on the disk.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.recording import Event, Made, Removed, Renamed, Said, Synced, Truncated, Written

SECTOR_BYTES: Final = 512


@dataclass(eq=False)
class _Inode:
    """A file, or a directory, which has no bytes."""

    directory: bool
    durable: bytearray = field(default_factory=bytearray)
    cache: bytearray = field(default_factory=bytearray)
    """What programs see."""
    unsynced: list[Written | Truncated] = field(default_factory=list[Written | Truncated])
    names: list[_Change] = field(default_factory=list["_Change"])
    """Of a directory: changes of names in it that are not synced."""


class _Change(NamedTuple):
    """A name now means another file, or nothing; two names change as one."""

    gone: str | None
    name: str | None
    inode: _Inode | None


class Image(NamedTuple):
    """What is on the disk when the power comes back."""

    directories: list[str]
    files: dict[str, bytes]

    def put(self, root: str, folder: Path) -> None:
        """Write what was in directory ``root`` to a folder."""
        for path in sorted(self.directories):
            (folder / path.removeprefix(root).lstrip("/")).mkdir(mode=0o700)
        for path, data in self.files.items():
            file = folder / path.removeprefix(root).lstrip("/")
            file.write_bytes(data)
            file.chmod(0o600)


class Disk:
    """What a disk holds, and what programs see of it."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        """Begin with what is in a directory now, all of it synced.

        Args:
            root: it and its parents are there for good.
            rng: decides what a sync that failed had written by then.
        """
        self._rng = rng
        self._names: dict[str, _Inode] = {}
        self.root: Final = str(root.resolve())
        for path in (root.resolve(), *root.resolve().rglob("*")):
            if path.is_dir():
                self._names[str(path)] = _Inode(directory=True)
            elif path.is_file():
                data = path.read_bytes()
                self._names[str(path)] = _Inode(False, bytearray(data), bytearray(data))
        self._durable = dict(self._names)

    def take(self, event: Event) -> None:
        """Let one thing happen."""
        match event:
            case Written(path) | Truncated(path):
                inode = self._names[path]
                inode.unsynced.append(event)
                _apply(inode.cache, event)
            case Synced(path, good):
                self._sync(self._names[path], good=good)
            case Made(path, directory):
                self._change(path, _Change(None, path, _Inode(directory)))
            case Renamed(path, to):
                self._change(path, _Change(path, to, self._names[path]))
            case Removed(path):
                self._change(path, _Change(path, None, None))
            case Said():
                pass

    def seen(self) -> dict[str, bytes]:
        """Return the files as programs see them."""
        files = ((path, inode) for path, inode in self._names.items() if not inode.directory)
        return {path: bytes(inode.cache) for path, inode in files}

    def image(self, rng: random.Random) -> Image:
        """Return what could be found if the power went now."""
        names = dict(self._durable)
        for inode in set(self._names.values()) | set(self._durable.values()):
            for change in _survivors(inode.names, rng):
                _rename(names, change)
        there = {path for path in names if self._reachable(path, names)}
        directories = [path for path in there if names[path].directory]
        files = {path: names[path] for path in sorted(there) if not names[path].directory}
        return Image(directories, {path: _content(inode, rng) for path, inode in files.items()})

    def _reachable(self, path: str, names: dict[str, _Inode]) -> bool:
        while path != self.root:
            if path not in names:
                return False
            path = path.rpartition("/")[0]
        return True

    def _change(self, path: str, change: _Change) -> None:
        self._names[path.rpartition("/")[0]].names.append(change)
        _rename(self._names, change)

    def _sync(self, inode: _Inode, *, good: bool) -> None:
        for change in inode.unsynced if good else _kept(inode.unsynced, self._rng):
            _apply(inode.durable, change)
        for renamed in inode.names if good else _survivors(inode.names, self._rng):
            _rename(self._durable, renamed)
        inode.unsynced.clear()
        inode.names.clear()


def images(
    disk: Disk, events: Sequence[Event], rng: random.Random, count: int
) -> Iterator[tuple[list[str], Image]]:
    """Let everything happen; yield so many images from moments on the way.

    Yields:
        What had been said by then, and what could be found.
    """
    moments = sorted(rng.choices(range(len(events) + 1), k=count))
    said: list[str] = []
    for number in range(len(events) + 1):
        while moments and moments[0] == number:
            del moments[0]
            yield list(said), disk.image(rng)
        if number < len(events):
            event = events[number]
            disk.take(event)
            if isinstance(event, Said):
                said.append(event.line)


def _rename(names: dict[str, _Inode], change: _Change) -> None:
    if change.gone is not None:
        names.pop(change.gone, None)
    if change.name is not None and change.inode is not None:
        names[change.name] = change.inode


def _content(inode: _Inode, rng: random.Random) -> bytes:
    data = bytearray(inode.durable)
    for change in _kept(inode.unsynced, rng):
        _apply(data, change)
    return bytes(data)


def _survivors(changes: Sequence[_Change], rng: random.Random) -> Sequence[_Change]:
    """Choose names: as a journal does, the first so many; or any of them."""
    if rng.random() < 0.5:
        return changes[: rng.randint(0, len(changes))]
    return [change for change in changes if rng.random() < 0.5]


def _kept(
    changes: Iterable[Written | Truncated], rng: random.Random
) -> Iterator[Written | Truncated]:
    """Choose what of unsynced changes is there: all, nothing, or some, and some of that torn."""
    keep, tear = rng.choice(((1.0, 0.0), (0.0, 0.0), (0.5, 0.2), (0.8, 0.2), (0.1, 0.5)))
    for change in changes:
        chance = rng.random()
        if chance < keep:
            yield change
        elif chance < keep + tear and isinstance(change, Written):
            yield from _torn(change, rng)


def _torn(written: Written, rng: random.Random) -> Iterator[Written]:
    at = 0
    while at < len(written.data):
        end = min(len(written.data), at + SECTOR_BYTES - (written.offset + at) % SECTOR_BYTES)
        if rng.random() < 0.5:
            yield Written(written.path, written.offset + at, written.data[at:end])
        at = end


def _apply(data: bytearray, change: Written | Truncated) -> None:
    match change:
        case Written(_, offset, written):
            if len(data) < offset:
                data.extend(bytes(offset - len(data)))
            data[offset : offset + len(written)] = written
        case Truncated(_, size):
            del data[size:]
            data.extend(bytes(size - len(data)))
