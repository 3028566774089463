"""Keeps trying to reach every peer that has an address, less and less often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import trio

from ..store.base import Peer
from .clock import RandomBytes
from .exchange import Connect, DialError
from .logs import Log
from .sessions import Bell

FIRST_WAIT_S: Final = 1.0
_JITTER: Final = 0.5
"""A wait is shortened by up to this part, so that nodes that lost one peer part again."""

_Route: TypeAlias = tuple[bytes, bytes, tuple[str, ...]]
"""What of a peer a dial depends on: device, box key and addresses."""


def redial_delay_s(failures: int, *, first_s: float, ceiling_s: float, chance: float) -> float:
    """Return how long to wait before dialling a silent peer again.

    The wait doubles after each failure, so a night out of range costs few wake-ups.

    Args:
        failures: dials failed in a row, 1 or more.
        first_s: longest wait after the first, in seconds; greater than 0.
        ceiling_s: longest wait of all, in seconds; at least ``first_s``.
        chance: 0..1; shortens the wait by up to half.

    Raises:
        ValueError: an argument is outside the range above.
    Source: doubling as in RFC 9002, section 6.2.1; jitter and ceiling are ours.
    """
    if failures < 1 or not 0 < first_s <= ceiling_s or not 0 <= chance <= 1:
        raise ValueError(f"{failures=}, {first_s=}, {ceiling_s=}, {chance=}")
    longest_s = min(ceiling_s, first_s * 2.0 ** min(failures - 1, 63))
    return longest_s * (1 - _JITTER * chance)


class Dialler:
    """One task for each peer to be dialled; they come and go with those who can be reached."""

    def __init__(
        self,
        dialled: Callable[[], Sequence[Peer]],
        connect: Connect,
        peers_moved: Bell,
        *,
        random_bytes: RandomBytes,
        ceiling_s: float,
        log: Log,
        on_tried: Callable[[Peer], None],
    ) -> None:
        """Prepare to dial.

        Args:
            dialled: says whom to dial now, each with its addresses.
            peers_moved: rings when that may have changed.
            ceiling_s: longest wait between two dials of one peer, in seconds.
            on_tried: told of a peer that was not reached, or whose session has ended.
        """
        self._dialled = dialled
        self._connect = connect
        self._peers_moved = peers_moved
        self._random_bytes = random_bytes
        self._ceiling_s = max(FIRST_WAIT_S, ceiling_s)
        self._log = log
        self._on_tried = on_tried

    async def run(self) -> None:
        """Dial until cancelled."""
        dialled: dict[_Route, trio.CancelScope] = {}
        async with trio.open_nursery() as nursery:
            while True:
                wanted = {_route(peer): peer for peer in self._dialled()}
                for gone in dialled.keys() - wanted.keys():
                    dialled.pop(gone).cancel()
                for route in wanted.keys() - dialled.keys():
                    scope = dialled[route] = trio.CancelScope()
                    nursery.start_soon(self._keep_up, wanted[route], scope)
                await self._peers_moved.wait()

    async def _keep_up(self, peer: Peer, scope: trio.CancelScope) -> None:
        """Hold a session with a peer: dial, wait until it ends, wait a while, dial again."""
        failures = 0
        with scope:
            while True:
                if await self._reach(peer):
                    failures = 0
                failures += 1
                chance = int.from_bytes(self._random_bytes(4), "big") / 0xFFFF_FFFF
                await trio.sleep(
                    redial_delay_s(
                        failures,
                        first_s=FIRST_WAIT_S,
                        ceiling_s=self._ceiling_s,
                        chance=chance,
                    )
                )

    async def _reach(self, peer: Peer) -> bool:
        """Return, after the session, whether it was a good one."""
        try:
            live = await self._connect(peer)
        except DialError as error:
            self._log.debug("not reached", peer=peer.identity, reason=str(error))
            self._on_tried(peer)
            return False
        await live.finished.wait()
        if live.replaced_by is None:
            self._on_tried(peer)
        return live.greeted and not live.is_hopeless


def _route(peer: Peer) -> _Route:
    return peer.device, peer.box_public, peer.addresses
