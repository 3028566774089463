"""Tables about payloads that went, are wanted, or were replaced by a newer version."""

from __future__ import annotations

import sqlite3
from typing import Final

_STATEMENTS: Final = (
    "ALTER TABLE entry ADD COLUMN hole INTEGER",  # 1: a stub whose payload is wanted
    "UPDATE entry SET hole = 1 WHERE payload IS NULL",
    "CREATE INDEX entry_hole ON entry (n) WHERE hole IS NOT NULL",
    """
    CREATE TABLE mark (  -- payloads that are not wanted, and why (MarkKind)
        log BLOB NOT NULL,  -- id: a deletion may name a log of which nothing is held yet
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        ordered_by BLOB NOT NULL,  -- id of the entry that ordered a deletion; else empty
        PRIMARY KEY (log, first)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX mark_order ON mark (ordered_by) WHERE ordered_by != x''",
    """
    CREATE TABLE deletion (  -- entries that order deletions
        log INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        id BLOB NOT NULL,
        identity INTEGER NOT NULL,
        lifted INTEGER NOT NULL DEFAULT 0,  -- 1: void, its marks are lifted
        PRIMARY KEY (log, seq)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX deletion_identity ON deletion (identity)",
    """
    CREATE TABLE edit (  -- edits that are held with their payload
        target BLOB NOT NULL,  -- id of the entry with the first version
        id BLOB NOT NULL,
        identity INTEGER NOT NULL,
        log INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        n INTEGER NOT NULL,
        void INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (target, id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX edit_place ON edit (log, seq)",
    """
    CREATE TABLE edited (  -- posts that are shown in a newer version
        post INTEGER PRIMARY KEY,  -- numbers of entries
        edit INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE expiry (
        ends_ms INTEGER NOT NULL,  -- by the clock of lives
        log INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (ends_ms, log, seq)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE upkeep (
        purge INTEGER NOT NULL,  -- what is left to do until dropped bodies are off the disk
        clock_ms INTEGER NOT NULL,  -- when lifetimes were looked at last
        lived_ms INTEGER NOT NULL  -- the clock of lives then
    ) STRICT
    """,
)


def tables_of_deletion(connection: sqlite3.Connection) -> None:
    """Add what deletion, expiry and edits need.

    A database from before never overwrote what it freed, so its first purge writes it anew.
    """
    (used,) = connection.execute("SELECT EXISTS (SELECT 1 FROM entry)").fetchone()
    for statement in _STATEMENTS:
        connection.execute(statement)
    connection.execute("INSERT INTO upkeep VALUES (?, 0, 0)", [3 if used else 0])
    # The time that lives went on before is not known; all of what remains counts from now on.
    connection.execute("UPDATE upkeep SET clock_ms = 0")
