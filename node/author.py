"""How this node speaks: it continues its own logs, and only those that it alone has written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from ..protocol.content import Content, encode_content, make_payload
from ..protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    SALT_BYTES,
    Entry,
    LogHead,
    next_lamport,
    sign_entry,
    write_entry,
)
from ..store.base import OWN, LogKey, NodeStore
from .clock import RandomBytes, WallClock
from .errors import Code, ServiceError
from .keys import DeviceKeys
from .standings import require_open

NEW_DEVICE: Final = "slowlight --home NEWDIR key add-device"
"""What makes a device with keys of its own, where those of a home must not be used any more."""

MaySign: TypeAlias = Callable[[], None]
"""Raises ServiceError where the device key must not be used."""


def signs_freely() -> None:
    """Let a device sign that has no home which could be copied or put back."""


class Author:
    """Writes the entries of this device."""

    def __init__(
        self,
        store: NodeStore,
        keys: DeviceKeys,
        *,
        clock: WallClock,
        random_bytes: RandomBytes,
        on_written: Callable[[], None],
        may_sign: MaySign = signs_freely,
    ) -> None:
        """Take the pen.

        Args:
            on_written: called after each commit.
            may_sign: asked before each signature.

        Raises:
            ServiceError: the store knows no identity for this device (``no_identity``).
        """
        identity = store.identity_of(keys.device)
        if identity is None:
            raise ServiceError(
                Code.NO_IDENTITY, "this home has keys but no identity yet", "slowlight init"
            )
        self.identity = identity
        self.device = keys.device
        self._store = store
        self._secret = keys.signing.secret
        self._clock = clock
        self._random_bytes = random_bytes
        self._on_written = on_written
        self._may_sign = may_sign

    def objection(self) -> str:
        """Return why this device must not write posts now; empty: it may."""
        try:
            self._may_sign()
            require_open(self._store, self.identity, self.device, CHANNEL_POSTS)
            self._own_head(CHANNEL_POSTS)
        except ServiceError as error:
            return error.message
        return ""

    def write(
        self,
        channel: int,
        contents: Sequence[Content],
        *,
        expire_ms: int = 0,
        client_key: str = "",
    ) -> list[Entry]:
        """Sign and commit one entry for each content, all in one commit.

        On channels 0 and 1 the first of them cites what the person was shown since the last
        own entry. Each counts as newer than whatever is held from this identity's other devices.

        Raises:
            ServiceError: ``integrity``: the log goes on with something that this home has not
                written, this home must not sign, or its device has ended; ``locked``: another
                process has taken it; ``invalid``: a content is too long for an entry.
        """
        self._may_sign()
        require_open(self._store, self.identity, self.device, channel)
        head = self._own_head(channel)
        elsewhere = self._lamports_elsewhere(channel)
        shown = self._store.shown() if channel in (CHANNEL_IDENTITY, CHANNEL_POSTS) else []
        entries: list[tuple[Entry, bytes]] = []
        for content in contents:
            cited = [held.entry for held in shown] if not entries else []
            lamport = next_lamport(head.lamport, [*elsewhere, *(one.lamport for one in cited)])
            entry = self._entry(channel, head, content, lamport, cited, expire_ms)
            entries.append((entry, sign_entry(self._secret, entry.id)))
            head = LogHead(entry.seq, entry.id, entry.lamport)
        self._store.append(
            LogKey(self.device, channel),
            entries,
            received_ms=self._clock(),
            client_key=client_key,
        )
        if shown:
            self._store.forget_shown()
        self._on_written()
        return [entry for entry, _ in entries]

    def tell(self) -> None:
        """Say that something was committed that peers should hear of."""
        self._on_written()

    def _entry(
        self,
        channel: int,
        head: LogHead,
        content: Content,
        lamport: int,
        cited: Iterable[Entry],
        expire_ms: int,
    ) -> Entry:
        try:
            payload = make_payload(self._random_bytes(SALT_BYTES), encode_content(content))
        except ValueError as error:
            raise ServiceError(Code.INVALID, str(error)) from error
        return write_entry(
            self.device,
            channel,
            head,
            payload=payload,
            t_ms=self._clock(),
            lamport=lamport,
            seen=[entry.id for entry in cited],
            expire_ms=expire_ms,
        )

    def _lamports_elsewhere(self, channel: int) -> list[int]:
        """Return the newest values of a channel of this identity's other devices."""
        return [
            self._store.head(LogKey(other.device, channel)).lamport
            for other in self._store.devices(self.identity)
            if other.device != self.device
        ]

    def _own_head(self, channel: int) -> LogHead:
        """Return where the log stands, if nobody else has continued it.

        Two entries with one number would be a lie that every reader can prove, so a home that
        was copied or put back from a backup must not go on.
        """
        head = self._store.head(LogKey(self.device, channel))
        newest = self._store.entry(head.id) if head.seq >= 0 else None
        elsewhere = newest is not None and newest.via != OWN
        if elsewhere or self._store.written_elsewhere(self.device):
            raise ServiceError(
                Code.INTEGRITY,
                "this device's log goes on with an entry that this home has not written: the"
                " home was copied, or put back from a backup, and the other copy went on",
                f"use the other copy, or a new device: {NEW_DEVICE}",
            )
        return head
