"""Looking after a SQLite store: scrub it, weigh it, copy it, make it small again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Final

from ..protocol.entry import log_id
from .base import FileState, LogKey, Share, StoreError
from .eviction import make_room, want_again
from .quota import Limits, distances, excess
from .scrub import MAX_NAMED, Damage, ScrubSlice
from .sqlite_database import Database, explained, reading
from .sqlite_eviction import SqliteRoom
from .sqlite_people import SqlitePeople
from .sqlite_places import disagreements, mend_places
from .sqlite_quarantine import forget_returned, has_lost_head, quarantine
from .sqlite_scrub import (
    MISPLACED,
    Fault,
    PostDates,
    entries_in,
    faults_above,
    faults_of,
    stretches_after,
)
from .sqlite_wanting import people_evicted
from .sqlite_weight import weighed

_MAX_COMPLAINTS: Final = 20


class SqliteCare(SqlitePeople):
    """Maintenance of a database that is in use. `NodeStore` describes the methods."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._dates = PostDates(database)

    def scrub(self, *, after: int, limit: int, now_ms: int, mend: bool = True) -> ScrubSlice:
        database = self._database
        notes = self._scrub_notes(now_ms, mend=mend) if after == 0 else []
        stretches = stretches_after(database, after, limit)
        faults = list(faults_of(database, stretches, self._dates))
        if mend and faults:
            faults += faults_above(database, faults)
            with database.writing():
                quarantine(database, faults, now_ms=now_ms)
        is_last = entries_in(stretches) < limit
        lost = [fault for fault in faults if fault.reason != MISPLACED]
        return ScrubSlice(
            next=0 if is_last else stretches[-1].n,
            entries=entries_in(stretches),
            damaged=len(lost),
            mended=len(notes) + len(faults) - len(lost),
            named=(*notes[:MAX_NAMED], *_named(database, faults[: MAX_NAMED - len(notes)])),
        )

    def _scrub_notes(self, now_ms: int, *, mend: bool) -> list[Damage]:
        """Compare what is noted about logs; put it right if it shall be."""
        database = self._database
        mismatches = disagreements(database)
        named = _named(database, [Fault(one.log, -1, one.reason, None, None) for one in mismatches])
        if mend:
            with database.writing():
                forget_returned(database)
                mend_places(database, mismatches, now_ms=now_ms)
        return named

    def evict(self, own: bytes, limits: Limits, *, most: int) -> int:
        far = distances(self, own)
        room = SqliteRoom(self._database)
        if not excess(room.held(), far, limits):
            return 0
        with self._database.writing():
            done, forgot = make_room(room, far, limits, most)
        if forgot:
            self._people_forgotten()
        return done

    def _people_forgotten(self) -> None:
        """Numbers of people may be given again: nothing about them may be remembered."""

    def want_evicted(self, own: bytes, limits: Limits, *, most: int) -> int:
        evicted = people_evicted(self._database)
        if not evicted:
            return 0
        with self._database.writing():
            far = distances(self, own)
            return want_again(SqliteRoom(self._database), far, limits, most, evicted)

    def shares(self) -> list[Share]:
        shares = (Share(*one[1:]) for one in weighed(self._database))
        return sorted(shares, key=lambda share: -share.bytes)

    def has_lost_head(self, key: LogKey) -> bool:
        found = self._database.row("SELECT n, seq FROM log WHERE id = ?", (log_id(*key),))
        return found is not None and has_lost_head(self._database, *found)

    def file_state(self) -> FileState:
        database = self._database
        (pages,) = database.row("PRAGMA page_count")
        (free,) = database.row("PRAGMA freelist_count")
        (page_bytes,) = database.row("PRAGMA page_size")
        (index_bytes,) = database.row("SELECT coalesce(sum(length(block)), 0) FROM search_data")
        (lost,) = database.row(
            "SELECT count(*) FROM quarantine AS q WHERE NOT EXISTS (SELECT 1 FROM held AS h"
            " WHERE h.log = q.log AND q.seq BETWEEN h.first AND h.last)"
        )
        return FileState(
            database_bytes=pages * page_bytes,
            free_bytes=free * page_bytes,
            log_bytes=max(0, database.file_bytes() - database.path.stat().st_size),
            index_bytes=index_bytes,
            lost_entries=lost,
        )

    def backup(self, path: Path) -> None:
        """Copy the database as it is now, by a second connection that only reads.

        It sees one state of the database whatever is written meanwhile, so this may run in a
        thread of its own. Nothing but the path is shared with the connection that writes, except
        where a full disk has room for one connection only.
        """
        if path.exists():
            raise StoreError(f"{path}: there is a file of this name; name another one")
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        try:
            part.touch(mode=0o600)
            with (
                self._source() as source,
                closing(sqlite3.connect(part, isolation_level=None)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                complaints = integrity_complaints(copy, quick=True)
        except sqlite3.ProgrammingError as error:  # the only connection is another thread's
            part.unlink(missing_ok=True)
            raise StoreError(
                f"{self._database.path}: its disk is full, so that only one program can read it;"
                " make room, or stop the node and try again"
            ) from error
        except (OSError, sqlite3.Error) as error:
            part.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be written: {error}") from error
        if complaints:
            part.unlink()
            raise StoreError(f"{path}: the copy is damaged: {complaints[0]}")
        publish(part, path)

    def _source(self) -> AbstractContextManager[sqlite3.Connection]:
        if self._database.is_alone:
            return nullcontext(self._database.connection)
        return closing(reading(self._database.path))

    def complaints(self) -> list[str]:
        """Return what SQLite finds wrong with the file; reads all of it."""
        try:
            return integrity_complaints(self._database.connection)
        except sqlite3.Error as error:
            return [str(error)]

    def compact(self) -> None:
        """Give pages that nothing uses back to the disk; nobody else may use the store.

        Raises:
            StoreError: the disk has no room for the second copy that is made meanwhile.
        """
        database = self._database
        state = self.file_state()
        needed = 2 * (state.database_bytes - state.free_bytes)  # the log holds it once more
        room = shutil.disk_usage(database.path.parent).free
        if room < needed:
            raise StoreError(
                f"{database.path}: {needed:,} bytes are needed meanwhile and {room:,} are free;"
                " make room and try again"
            )
        try:
            database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.connection.execute("VACUUM")
            database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise explained(database.path, error) from error


def integrity_complaints(connection: sqlite3.Connection, *, quick: bool = False) -> list[str]:
    """Return what SQLite finds wrong; empty if nothing."""
    check = "quick_check" if quick else "integrity_check"
    rows = connection.execute(f"PRAGMA {check}({_MAX_COMPLAINTS})").fetchall()
    return [text for (text,) in rows if text != "ok"]


def publish(part: Path, path: Path) -> None:
    """Give a finished file its name, for good."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _named(database: Database, faults: Iterable[Fault]) -> list[Damage]:
    named: list[Damage] = []
    for fault in faults:
        found = database.row(
            "SELECT d.key, l.channel FROM log AS l JOIN device AS d ON d.n = l.device"
            " WHERE l.n = ?",
            (fault.log,),
        )
        device, channel = found or (b"", 0)
        named.append(Damage(device, channel, fault.seq, fault.reason))
    return named
