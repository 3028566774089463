"""Looking after the database of a home that nobody else uses meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ..store.base import DamagedFileError, StoreError
from ..store.scrub import ScrubSlice
from ..store.sqlite import SqliteStore
from ..store.sqlite_rebuild import rebuild_views
from ..store.sqlite_salvage import LostFileError, finish_rebuild, publish_rebuilt, salvage
from ..store.sqlite_words import retake_words
from .clock import WallClock
from .db_operations import DbCheckResult, DbCompactResult, DbRebuildResult
from .errors import Code, ServiceError, storage_error
from .home import Home
from .upkeep import damage_views

_ENTRIES_AT_ONCE: Final = 20_000
_POSTS_AT_ONCE: Final = 10_000

OnProgress = Callable[[int], None]
"""Told how many entries were looked at so far."""


@contextmanager
def _own_home(home: Home, purpose: str) -> Generator[Path]:
    """Take a home for maintenance; what SQLite or the disk refuse is told as usual."""
    home.require()
    with home.lock(purpose):
        finish_rebuild(home.database)
        try:
            yield home.database
        except LostFileError as error:
            raise ServiceError(
                Code.INTEGRITY,
                str(error),
                "put a backup in its place, or begin anew from your 24 words: slowlight --home DIR"
                " key restore",
            ) from error
        except StoreError as error:
            raise storage_error(error) from error


def check(home: Home, *, clock: WallClock, on_progress: OnProgress) -> DbCheckResult:
    """Read the whole database of a home, and change nothing.

    Raises:
        ServiceError: the home is in use, holds no identity, or cannot be read at all.
    """
    with _own_home(home, "slowlight db check") as path:
        total = ScrubSlice(0, 0, 0, 0, ())
        try:
            with closing(SqliteStore(path)) as store:
                complaints = store.complaints()
                if not complaints:
                    total = _scrub(store, clock, on_progress, mend=False)
        except StoreError as error:
            if not isinstance(error, DamagedFileError):
                raise
            complaints = [str(error)]
    return DbCheckResult(
        path=str(path),
        sound=not (complaints or total.damaged or total.mended),
        complaints=tuple(complaints),
        entries=total.entries,
        damaged=total.damaged,
        mended=total.mended,
        named=damage_views(total.named),
    )


def rebuild(home: Home, *, clock: WallClock, on_progress: OnProgress) -> DbRebuildResult:
    """Derive all views of a home again; where the file is damaged, save what can be read.

    Raises:
        ServiceError: the home is in use, holds no identity, or nothing can be read.
    """
    with _own_home(home, "slowlight db rebuild") as path:
        kept = None
        if not _is_whole(path):
            noted = home.installation.read_text().strip() if home.installation.exists() else ""
            part = salvage(path, bytes.fromhex(noted))
            lost = _rebuild_file(part, clock, on_progress)
            kept = publish_rebuilt(part, path)
        else:
            lost = _rebuild_file(path, clock, on_progress)
        with closing(SqliteStore(path)) as store:
            entries = store.totals().entries
    return DbRebuildResult(path=str(path), kept_aside=str(kept or ""), entries=entries, lost=lost)


def compact(home: Home) -> DbCompactResult:
    """Give the pages of a database that nothing uses back to the disk.

    Raises:
        ServiceError: the home is in use, holds no identity, or the disk lacks room.
    """
    with _own_home(home, "slowlight db compact") as path, closing(SqliteStore(path)) as store:
        before = store.database.file_bytes()
        store.compact()
        return DbCompactResult(
            path=str(path), before_bytes=before, after_bytes=store.database.file_bytes()
        )


def _is_whole(path: Path) -> bool:
    try:
        with closing(SqliteStore(path)) as store:
            return not store.complaints()
    except StoreError as error:
        if isinstance(error, DamagedFileError):
            return False
        raise


def _rebuild_file(path: Path, clock: WallClock, on_progress: OnProgress) -> int:
    """Check every entry of a file and derive its views; return how many entries were lost."""
    with closing(SqliteStore(path)) as store:
        rebuild_views(store.database, now_ms=clock())
        total = _scrub(store, clock, on_progress, mend=True)
        retake_words(store.database)
        while store.index_posts(_POSTS_AT_ONCE):
            pass
        store.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return total.damaged


def _scrub(
    store: SqliteStore, clock: WallClock, on_progress: OnProgress, *, mend: bool
) -> ScrubSlice:
    total = ScrubSlice(0, 0, 0, 0, ())
    after = 0
    while True:
        part = store.scrub(after=after, limit=_ENTRIES_AT_ONCE, now_ms=clock(), mend=mend)
        total = total.plus(part)
        on_progress(total.entries)
        after = part.next
        if not after:
            return total


def require_sound(result: DbCheckResult) -> None:
    """Raise what the command line ends with where a database is not sound.

    Raises:
        ServiceError: ``integrity``.
    """
    if result.complaints:
        raise ServiceError(
            Code.INTEGRITY,
            f"the file {result.path} is damaged: {result.complaints[0]}",
            "save what can be read: slowlight db rebuild; the damaged file is kept",
        )
    if not result.sound:
        raise ServiceError(
            Code.INTEGRITY,
            f"{result.damaged:,} of {result.entries:,} entries are damaged, and"
            f" {result.mended:,} notes about them are wrong",
            "take them out and fetch them again: slowlight db scrub, then slowlight sync",
        )
