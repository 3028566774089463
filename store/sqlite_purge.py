"""Dropped bodies leave the disk: pages, write-ahead log and search index.

SQLite overwrites what it frees (``secure_delete``), the search index does not: a word stays in
it until the parts that hold it are merged. So what was dropped is gone when all parts have been
merged and the write-ahead log is empty. A note in the database says what is left to do, so a
node that is killed goes on with it at the next start.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from .sqlite_database import Database

MERGED_PAGES: Final = 2_000
"""Pages of the search index written in one step, some 8 MB: a daemon is not held up for long."""


class PurgeStep(IntEnum):
    """What is left to do."""

    NOTHING = 0
    MERGING = 1
    """Parts of the search index are being merged."""
    DUE = 2
    """Bodies were dropped; the merge has yet to begin."""
    WHOLE = 3
    """The file is from a version that did not overwrite: it has to be written anew first."""


def purge_due(database: Database) -> bool:
    """Say whether something of dropped bodies may still be on the disk."""
    (step,) = database.row("SELECT purge FROM upkeep")
    return bool(step)


def purge(database: Database) -> bool:
    """Do one step; return whether another is needed.

    Raises:
        StoreError: the disk is full or fails; the note stays.
    """
    (step,) = database.row("SELECT purge FROM upkeep")
    if step == PurgeStep.WHOLE:
        return _write_anew(database)
    if step == PurgeStep.NOTHING:
        return False
    with database.writing():
        before = database.connection.total_changes
        pages = -MERGED_PAGES if step == PurgeStep.DUE else MERGED_PAGES
        database.write("INSERT INTO search (search, rank) VALUES ('merge', ?)", (pages,))
        is_merged = step == PurgeStep.MERGING and database.connection.total_changes - before < 2
        if not is_merged:
            database.write("UPDATE upkeep SET purge = ?", (PurgeStep.MERGING,))
    if not is_merged:
        return True
    if not database.empty_write_ahead_log():
        return True
    with database.writing():
        database.write("UPDATE upkeep SET purge = ?", (PurgeStep.NOTHING,))
    return False


def _write_anew(database: Database) -> bool:
    with database.writing():
        database.write("INSERT INTO search (search) VALUES ('optimize')")
    database.write_anew()
    with database.writing():
        database.write("UPDATE upkeep SET purge = ?", (PurgeStep.MERGING,))
    return True
