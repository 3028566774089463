"""A running node makes room by itself when something arrived, and not before."""

from __future__ import annotations

import trio
import trio.testing

from slowlight.node.config import StorageConfig
from slowlight.node.logs import Log
from slowlight.node.room import keep_room, limits_of
from slowlight.node.sessions import Bell
from slowlight.store.base import NodeStore
from slowlight.store.quota import Limits
from tests.people import Person
from tests.stores import meet, take


def test_settings_are_in_mebibytes() -> None:
    """The defaults are those of the design."""
    assert limits_of(StorageConfig()) == Limits(64 << 20, 8 << 20, 16 << 20, 0)


def test_what_is_beyond_goes_after_it_arrived(store: NodeStore) -> None:
    """The node sleeps until something was stored; then only what fits is left."""
    own, stranger = Person(1), Person(2)
    stranger.posts(100)
    meet(store, own, stranger)
    lines: list[str] = []

    def bytes_held() -> int:
        return sum(one.bytes for one in store.shares() if one.identity == stranger.identity)

    async def main() -> None:
        bell = Bell()
        async with trio.open_nursery() as nursery:

            async def keep() -> None:
                limits = Limits(strangers_bytes=8_000)
                await keep_room(store, own.identity, limits, bell, log=Log(lines.append))

            nursery.start_soon(keep)
            await trio.sleep(10)
            assert lines == []
            take(store, stranger.run())
            assert bytes_held() > 8_000
            bell.ring()
            await trio.sleep(10)
            assert bytes_held() <= 8_000
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(lines) == 1
    assert "evicted" in lines[0]
