"""Looking after the database while the node runs: what takes room, scrubbing, a backup."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from ..store.base import NodeStore, Share
from ..store.quota import Distance, distances
from ..store.scrub import Damage
from .clock import WallClock
from .db_operations import (
    DbBackupRequest,
    DbBackupResult,
    DbClassView,
    DbDamage,
    DbScrubRequest,
    DbScrubResult,
    DbShareView,
    DbStatsRequest,
    DbStatsResult,
)
from .errors import Code, ServiceError
from .views import Views

_Name: TypeAlias = Literal["self", "followed", "two_hops", "stranger"]


class Upkeep:
    """Maintenance of one node's store."""

    def __init__(self, store: NodeStore, identity: bytes, *, clock: WallClock) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock

    def stats(self, request: DbStatsRequest) -> DbStatsResult:
        """Say what takes how much room."""
        shares = self._store.shares()
        far = distances(self._store, self._identity)
        views = Views(self._store, self._identity)
        state = self._store.file_state()
        return DbStatsResult(
            entries=sum(share.entries for share in shares),
            payload_bytes=sum(share.payload_bytes for share in shares),
            header_bytes=sum(share.header_bytes for share in shares),
            database_bytes=state.database_bytes,
            free_bytes=state.free_bytes,
            log_bytes=state.log_bytes,
            index_bytes=state.index_bytes,
            lost_entries=state.lost_entries,
            classes=_classes(shares, far),
            people=tuple(
                DbShareView(
                    person=views.person(share.identity),
                    distance=_name(_distance(far, share)),
                    entries=share.entries,
                    payload_bytes=share.payload_bytes,
                    header_bytes=share.header_bytes,
                )
                for share in shares[: request.top]
            ),
        )

    def classes(self) -> tuple[DbClassView, ...]:
        """Say what is held of whom, by how far away they are."""
        return _classes(self._store.shares(), distances(self._store, self._identity))

    def scrub(self, request: DbScrubRequest) -> DbScrubResult:
        """Hash a part of all entries again."""
        part = self._store.scrub(after=request.after, limit=request.limit, now_ms=self._clock())
        return DbScrubResult(
            next=part.next,
            entries=part.entries,
            damaged=part.damaged,
            mended=part.mended,
            named=damage_views(part.named),
        )

    def backup(self, request: DbBackupRequest) -> DbBackupResult:
        """Copy the database to a new file.

        Raises:
            ServiceError: ``invalid``: the path is relative, its folder is missing, or there is a
                file.
        """
        path = Path(request.path)
        if not path.is_absolute():
            raise ServiceError(
                Code.INVALID,
                f"{path} is no whole path",
                "begin it with a slash: /media/usb/node.db",
            )
        if path.exists():
            raise ServiceError(
                Code.INVALID, f"{path} exists already", "name a file that does not exist"
            )
        if not path.parent.is_dir():
            missing = next(each for each in (*path.parents,)[::-1] if not each.is_dir())
            raise ServiceError(
                Code.INVALID,
                f"there is no folder {missing}",
                f"plug in its disk, name another file, or make it: mkdir -p"
                f" {shlex.quote(str(path.parent))}",
            )
        self._store.backup(path)
        return DbBackupResult(path=str(path), size_bytes=path.stat().st_size)


def damage_views(named: Sequence[Damage]) -> tuple[DbDamage, ...]:
    """Return damages as JSON tells them."""
    return tuple(
        DbDamage(device=one.device.hex(), channel=one.channel, seq=one.seq, reason=one.reason)
        for one in named
    )


def _distance(far: dict[bytes, Distance], share: Share) -> Distance:
    return far.get(share.identity, Distance.STRANGER)


def _name(distance: Distance) -> _Name:
    names: dict[Distance, _Name] = {
        Distance.SELF: "self",
        Distance.FOLLOWED: "followed",
        Distance.TWO_HOPS: "two_hops",
        Distance.STRANGER: "stranger",
    }
    return names[distance]


def _classes(shares: Sequence[Share], far: dict[bytes, Distance]) -> tuple[DbClassView, ...]:
    return tuple(
        _class_view(distance, [one for one in shares if _distance(far, one) is distance])
        for distance in Distance
    )


def _class_view(distance: Distance, shares: Sequence[Share]) -> DbClassView:
    return DbClassView(
        distance=_name(distance),
        people=len(shares),
        entries=sum(share.entries for share in shares),
        payload_bytes=sum(share.payload_bytes for share in shares),
        header_bytes=sum(share.header_bytes for share in shares),
    )
