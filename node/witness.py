"""The witness: a file beside the database that knows what this device has let out.

A database that was put back from an older copy has forgotten entries that others may hold, and
would sign other ones under their numbers. The witness stands outside of it and names the newest
entry of each own log, before any of them is sent: what was never sent can be signed again.

It also knows its own birth and the machine it was written on, and is replaced whenever it
changes. A copy of a home, wherever it lies, has a witness that was born elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ..protocol.entry import (
    CHANNEL_GROUPS,
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    CHANNEL_PRIVATE,
)
from ..store.base import LogKey, LostHeadError, NodeStore
from .author import NEW_DEVICE
from .errors import Code, ServiceError, storage_error
from .files import write_whole
from .home import Home
from .place import birth_of

WRITTEN_CHANNELS: Final = (CHANNEL_IDENTITY, CHANNEL_POSTS, CHANNEL_PRIVATE, CHANNEL_GROUPS)
"""All that a node writes to."""

MAX_WITNESS_BYTES: Final = 4_096
_SETTING: Final = "witness"


class WrittenHead(msgspec.Struct, frozen=True):
    """The newest entry of one own log that may have been sent."""

    channel: int
    seq: int
    id: str
    """In hexadecimal."""


class _Statement(msgspec.Struct, frozen=True):
    """What stands in the file."""

    device: str
    machine: str
    birth: str
    """Of the file itself."""
    heads: tuple[WrittenHead, ...]


class Witness:
    """The witness of one home, for one device key."""

    def __init__(self, home: Home, store: NodeStore, device: bytes) -> None:
        self._home = home
        self._store = store
        self._device = device
        self._covered: tuple[WrittenHead, ...] | None = None
        self._stated: tuple[WrittenHead, ...] | None = None
        self.waits = False
        """Whether own entries are lacking that may come back from peers."""

    def objection(self) -> ServiceError | None:
        """Say why this home must not sign with its device key; None if nothing speaks against it.

        A home that began before there were witnesses gets one. Those of another device are of
        a time before this key, and are replaced.

        Raises:
            OSError: the home cannot be read or written.
        """
        path = self._home.witness
        try:
            with path.open("rb") as file:
                written = file.read(MAX_WITNESS_BYTES)
                birth = birth_of(file.fileno())
        except FileNotFoundError:
            if self._store.setting(_SETTING):
                return self._refusal(f"{path} is missing: this home was put together from parts")
            self.cover()
            return None
        try:
            stated = msgspec.json.decode(written, type=_Statement)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._refusal(f"{path} is damaged: what this device has sent is not known")
        if stated.device != self._device.hex():
            self.cover()
            return None
        self._stated = stated.heads
        return self._doubt(stated, birth)

    @property
    def names_all(self) -> bool:
        """Whether every own entry held here was sent before, as far as the witness says.

        Below entries that the disk damaged there is nothing that was not sent with them.
        """
        return self._kept_in_mind() == self._stated

    def cover(self) -> None:
        """Name the newest own entries, before they are sent to anyone.

        Costs a file that is written and synced if there is an entry that it does not name yet,
        and nothing otherwise.

        Raises:
            OSError: it cannot be written; then nothing may be sent.
        """
        heads = self._kept_in_mind()
        if heads == self._covered:
            return
        write_whole(self._home.witness, self._line(heads))
        self._stated = heads
        if not self._store.setting(_SETTING):
            self._store.put_setting(_SETTING, "kept")
        self._covered = heads

    def _line(self, heads: tuple[WrittenHead, ...]) -> Callable[[int], str]:
        def line(descriptor: int) -> str:
            stated = _Statement(
                self._device.hex(), self._home.machine(), birth_of(descriptor), heads
            )
            return msgspec.json.encode(stated).decode("ascii")

        return line

    def _heads(self) -> tuple[WrittenHead, ...]:
        heads = ((c, self._store.head(LogKey(self._device, c))) for c in WRITTEN_CHANNELS)
        return tuple(WrittenHead(c, head.seq, head.id.hex()) for c, head in heads if head.seq >= 0)

    def _kept_in_mind(self) -> tuple[WrittenHead, ...]:
        """Return the own heads; where the disk damaged the newest entries, those that were sent."""
        heads = {head.channel: head for head in self._heads()}
        for sent in self._stated or ():
            if self._store.has_lost_head(LogKey(self._device, sent.channel)):
                heads[sent.channel] = sent
        return tuple(heads[channel] for channel in sorted(heads))

    def _doubt(self, stated: _Statement, birth: str) -> ServiceError | None:
        machine = self._home.machine()
        if machine and stated.machine and machine != stated.machine:
            return self._refusal(f"{self._home.path} was made on another machine")
        if birth != stated.birth:
            return self._refusal(f"{self._home.path} is a copy, or was put back from a backup")
        lacking = [h for h in stated.heads if self._store.entry(bytes.fromhex(h.id)) is None]
        for head in lacking:
            if not self._store.has_lost_head(LogKey(self._device, head.channel)):
                return self._refusal(
                    f"{self._home.database} is older than what this device has sent already:"
                    f" it lacks entry {head.seq} of channel {head.channel}"
                )
        self.waits = bool(lacking)
        if lacking:
            return storage_error(LostHeadError())
        self._covered = stated.heads
        return None

    def _refusal(self, what: str) -> ServiceError:
        return ServiceError(
            Code.INTEGRITY,
            f"{what}; signing with its key again could contradict what others hold of this device",
            f"it can still read; to write on this machine, begin a new device: {NEW_DEVICE}",
        )
