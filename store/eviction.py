"""Who makes room, and how: texts first, then the oldest headers, then whole strangers.

The rule is the same for every store; what a store does for it is `Room`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Protocol

from .quota import Distance, Held, Limits, excess, spare

SMALL_PERSON_BYTES: Final = 65_536
"""A stranger who takes no more than this is forgotten at once instead of piece by piece."""


class Room(Protocol):
    """What a store does to make room, inside one transaction."""

    def held(self) -> list[Held]:
        """Return what is held of everyone."""
        ...

    def drop_oldest(self, identity: bytes, wanted_bytes: int, most: int) -> int:
        """Drop the oldest payloads of a person; return how many."""
        ...

    def cut_oldest(self, identity: bytes, wanted_bytes: int, most: int) -> int:
        """Evict headers from the bottom of a person's logs; return how many entries."""
        ...

    def forget(self, identity: bytes) -> int:
        """Forget a person with all of their logs; return how many entries went.

        Nobody who has a petname, is dialled or writes here is forgotten: then 0.
        """
        ...

    def want_texts(self, identity: bytes, room_bytes: int, most: int) -> int:
        """Want evicted payloads of a person again, the newest first, as far as they fit beside
        those that are wanted already; return how many."""
        ...

    def lower_floor(self, identity: bytes, room_bytes: int) -> int:
        """Want the entries below one log of a person again, as far as they should fit; none
        while others are awaited. Return how many."""
        ...


def make_room(
    room: Room, far: Mapping[bytes, Distance], limits: Limits, most: int
) -> tuple[int, bool]:
    """Evict what is beyond the quotas, about ``most`` entries.

    Returns:
        How many entries lost something, and whether somebody was forgotten.
    """
    held = room.held()
    sizes = {one.identity: one.size_bytes for one in held}
    done, forgot = 0, False
    for identity, wanted in excess(held, far, limits).items():
        is_stranger = far.get(identity, Distance.STRANGER) is Distance.STRANGER
        gone = 0
        if is_stranger and wanted >= sizes[identity] <= SMALL_PERSON_BYTES:
            gone = room.forget(identity)
            forgot = forgot or gone > 0
        gone = gone or room.drop_oldest(identity, wanted, most - done)
        gone = gone or room.cut_oldest(identity, wanted, most - done)
        if not gone and is_stranger:
            gone = room.forget(identity)
            forgot = forgot or gone > 0
        done += gone
        if done >= most:
            break
    return done, forgot


def want_again(
    room: Room,
    far: Mapping[bytes, Distance],
    limits: Limits,
    most: int,
    evicted: Collection[bytes],
) -> int:
    """Want again what was evicted of people whose quota has become roomy.

    Args:
        evicted: the people of whom anything was evicted.
    """
    done = 0
    for identity, room_bytes in spare(room.held(), far, limits).items():
        if identity in evicted and done < most:
            done += room.want_texts(identity, room_bytes, most - done) or room.lower_floor(
                identity, room_bytes
            )
    return done
