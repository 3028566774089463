"""What the database remembers so that whole logs and people can make room."""

from __future__ import annotations

import sqlite3
from typing import Final

RECOUNT_HEADERS: Final = """
    UPDATE log SET header_bytes = (
        SELECT coalesce(sum(coalesce(length(e.rest), 0) + coalesce(length(e.signature), 0)), 0)
        FROM arrival AS a CROSS JOIN entry AS e ON e.n BETWEEN a.n AND a.n + a.last - a.first
        WHERE a.log = log.n)
"""
"""What arrives is counted by whoever writes it, what leaves by triggers; this counts anew."""

_STATEMENTS: Final = (
    # Entries below this were evicted and are not taken again.
    "ALTER TABLE log ADD COLUMN floor INTEGER NOT NULL DEFAULT 0",
    # Of unusual fields and kept signatures.
    "ALTER TABLE log ADD COLUMN header_bytes INTEGER NOT NULL DEFAULT 0",
    RECOUNT_HEADERS,
    # The change counter when people were forgotten last.
    "ALTER TABLE upkeep ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0",
    # The highest number that an entry had when some went: numbers are used once.
    "ALTER TABLE upkeep ADD COLUMN newest INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX expiry_place ON expiry (log, seq)",
    """
    CREATE TRIGGER header_changed AFTER UPDATE OF rest ON entry BEGIN
        UPDATE log SET header_bytes = header_bytes
            + coalesce(length(new.rest), 0) - coalesce(length(old.rest), 0)
        WHERE n = (SELECT log FROM arrival WHERE n <= new.n ORDER BY n DESC LIMIT 1);
    END
    """,
    """
    CREATE TRIGGER header_deleted AFTER DELETE ON entry
    WHEN old.rest IS NOT NULL OR old.signature IS NOT NULL BEGIN
        UPDATE log SET header_bytes = header_bytes
            - coalesce(length(old.rest), 0) - coalesce(length(old.signature), 0)
        WHERE n = (SELECT log FROM arrival WHERE n <= old.n ORDER BY n DESC LIMIT 1);
    END
    """,
)


def tables_of_room(connection: sqlite3.Connection) -> None:
    """Add what quotas on whole logs and people need."""
    for statement in _STATEMENTS:
        connection.execute(statement)
