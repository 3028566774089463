"""Whom the own identity blocks, by what its devices have signed and not withdrawn."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from ..protocol.content import Block, Withdraw, decode_content, split_payload
from ..protocol.entry import CHANNEL_IDENTITY
from ..store.base import LogKey, NodeStore
from .walk import newest_first

_SETTING: Final = "blocks"


class Standing(NamedTuple):
    """A block that counts."""

    reason: str
    until_ms: int
    """0: without end."""
    entries: tuple[str, ...]
    """Ids, in hexadecimal, of all entries that say so."""


def work_out_blocks(store: NodeStore, identity: bytes, now_ms: int) -> dict[bytes, Standing]:
    """Read the blocks from the logs of an own identity and keep them for `blocks_of`."""
    found: dict[bytes, list[tuple[int, bytes, Block]]] = {}
    withdrawn: set[bytes] = set()
    for device in store.devices(identity):
        key = LogKey(device.device, CHANNEL_IDENTITY)
        for entry in newest_first(store, key, now_ms):
            if entry.payload is None:
                continue
            match decode_content(split_payload(entry.payload), CHANNEL_IDENTITY):
                case Block() as said:
                    found.setdefault(said.identity, []).append((entry.lamport, entry.id, said))
                case Withdraw(entries=named):
                    withdrawn.update(named)
                case _:
                    pass
    standing: dict[bytes, Standing] = {}
    for blocked, entries in found.items():
        left = [each for each in entries if each[1] not in withdrawn]
        if left and blocked != identity:
            newest = max(left, key=lambda each: each[:2])[2]
            names = tuple(sorted(each[1].hex() for each in left))
            standing[blocked] = Standing(newest.reason, newest.until_ms, names)
    kept = msgspec.json.encode({blocked.hex(): each for blocked, each in standing.items()})
    store.put_setting(_SETTING, kept.decode())
    return standing


def blocks_of(store: NodeStore, now_ms: int) -> dict[bytes, Standing]:
    """Return the blocks that were worked out last and have not ended."""
    kept = store.setting(_SETTING)
    found = msgspec.json.decode(kept, type=dict[str, Standing]) if kept else {}
    return {
        bytes.fromhex(blocked): each
        for blocked, each in found.items()
        if not each.until_ms or each.until_ms > now_ms
    }
