"""The node keeps within its quotas: after something arrived, what is beyond them goes."""

from __future__ import annotations

from typing import Final

import trio

from ..store.base import NodeStore, StoreError
from ..store.quota import Limits
from .config import StorageConfig
from .logs import Log
from .sessions import Bell

_EVICTED_AT_ONCE: Final = 200
"""Payloads that go before others have their turn."""
_WANTED_AT_ONCE: Final = 4_096
"""Evicted payloads that are wanted again after one look: as many as a session asks for."""
_SETTLE_S: Final = 1.0
"""What arrives within this time is weighed once."""
_MIB: Final = 1 << 20


def limits_of(config: StorageConfig) -> Limits:
    """Return the quotas that the settings ask for."""
    return Limits(
        followed_bytes=config.followed_mib * _MIB,
        two_hops_bytes=config.two_hops_mib * _MIB,
        strangers_bytes=config.strangers_mib * _MIB,
        total_bytes=config.total_mib * _MIB,
    )


async def keep_room(
    store: NodeStore, own: bytes, limits: Limits, stored: Bell, *, log: Log
) -> None:
    """Evict what is beyond the quotas whenever something was stored; no timer runs at rest."""
    while True:
        try:
            dropped = 0
            while gone := store.evict(own, limits, most=_EVICTED_AT_ONCE):
                dropped += gone
                await trio.lowlevel.checkpoint()
            if dropped:
                log.info("evicted", entries=dropped)
            elif wanted := store.want_evicted(own, limits, most=_WANTED_AT_ONCE):
                log.info("wanted again", entries=wanted)
        except StoreError as error:
            log.failure("database failed", reason=str(error))
        await stored.wait()
        await trio.sleep(_SETTLE_S)
