"""The tables of a SQLite store, and how an older database becomes a current one.

Migrations are named, ordered and never changed once released; each runs in one transaction
together with the note that it ran. `sqlite_utils` applies them and is imported only when one
is due. Why the tables look like this: docs/decisions.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ..protocol.entry import SALT_BYTES
from .base import ForeignDatabaseError
from .schema_deletion import tables_of_deletion
from .schema_room import tables_of_room
from .words import TOKENIZER

if TYPE_CHECKING:
    import sqlite_utils

APPLICATION_ID: Final = 0x536C_6F77
"""``Slow`` in ASCII: tells a Slowlight database from any other SQLite file."""

_MIGRATION_SET: Final = "slowlight"

_LOGS: Final = (
    """
    CREATE TABLE store (
        nonce BLOB NOT NULL,
        indexed INTEGER NOT NULL  -- n of the last entry that the search index has read
    ) STRICT
    """,
    """
    CREATE TABLE identity (
        n INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        inception BLOB NOT NULL,
        petname TEXT UNIQUE,
        name TEXT NOT NULL DEFAULT '',  -- in its newest profile
        profile BLOB  -- id of the entry with that profile
    ) STRICT
    """,
    "CREATE INDEX identity_name ON identity (name) WHERE name != ''",
    """
    CREATE TABLE record (
        identity INTEGER NOT NULL,
        hash BLOB NOT NULL,
        kind INTEGER NOT NULL,
        body BLOB NOT NULL,
        signature BLOB NOT NULL,
        PRIMARY KEY (identity, hash)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE device (
        n INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        identity INTEGER NOT NULL,
        box_public BLOB NOT NULL,
        label TEXT NOT NULL,
        place TEXT NOT NULL,
        own INTEGER NOT NULL DEFAULT 0  -- 1: writes here
    ) STRICT
    """,
    "CREATE INDEX device_identity ON device (identity)",
    """
    CREATE TABLE log (
        n INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        device INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        seq INTEGER NOT NULL,  -- the newest entry held: sequence number, id, Lamport value
        head BLOB NOT NULL,
        lamport INTEGER NOT NULL,
        changed INTEGER NOT NULL  -- change counter when the newest entry changed last
    ) STRICT
    """,
    "CREATE INDEX log_device ON log (device)",
    "CREATE INDEX log_changed ON log (changed)",
    """
    CREATE TABLE held (
        log INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        prev BLOB NOT NULL,
        signature BLOB NOT NULL,
        PRIMARY KEY (log, first)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX held_above_hole ON held (log) WHERE first > 0",
    """
    CREATE TABLE source (
        n INTEGER PRIMARY KEY,
        via TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    """
    CREATE TABLE arrival (  -- consecutive entries of one log that arrived together
        n INTEGER PRIMARY KEY,  -- of the first entry; the others follow without gaps
        log INTEGER NOT NULL,
        first INTEGER NOT NULL,  -- sequence numbers
        last INTEGER NOT NULL,
        received_ms INTEGER NOT NULL,
        source INTEGER NOT NULL,
        posts INTEGER NOT NULL  -- how many of them are posts
    ) STRICT
    """,
    "CREATE UNIQUE INDEX arrival_place ON arrival (log, first)",
    """
    CREATE TABLE entry (
        n INTEGER PRIMARY KEY,  -- in order of arrival, with the payload if there is one
        id BLOB NOT NULL,
        t_ms INTEGER,  -- NULL: equal to order_ms
        lamport INTEGER NOT NULL,
        order_ms INTEGER,  -- place in the timeline; NULL: not a post
        parent BLOB,  -- first 5 bytes of the id that a post answers
        root BLOB,  -- first 5 bytes of the id that began its thread
        rest BLOB,  -- what is seldom there (_Rest in sqlite_entries.py); NULL: nothing
        signature BLOB,  -- where it is kept for good
        payload BLOB  -- NULL: a stub
    ) STRICT
    """,
    "CREATE INDEX entry_id ON entry (substr(id, 1, 5))",
    "CREATE INDEX post_order ON entry (order_ms) WHERE order_ms IS NOT NULL",
    "CREATE INDEX post_parent ON entry (parent) WHERE parent IS NOT NULL",
    "CREATE INDEX post_root ON entry (root) WHERE root IS NOT NULL",
    """
    CREATE VIEW held_entry AS  -- everything about an entry
    SELECT e.n, e.order_ms, a.first + e.n - a.n AS seq, e.id,
        coalesce(e.t_ms, e.order_ms) AS t_ms, e.lamport, e.rest, e.payload,
        d.key AS device, l.channel, i.id AS identity,
        CASE WHEN h.first = a.first + e.n - a.n THEN h.prev ELSE below.id END AS prev,
        CASE WHEN h.last = a.first + e.n - a.n THEN h.signature ELSE e.signature END AS signature,
        a.received_ms, s.via, a.log, d.own
    FROM entry AS e
    JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)
    JOIN source AS s ON s.n = a.source
    JOIN log AS l ON l.n = a.log
    JOIN device AS d ON d.n = l.device
    JOIN identity AS i ON i.n = d.identity
    JOIN held AS h ON h.log = a.log AND h.first =
        (SELECT max(first) FROM held WHERE log = a.log AND first <= a.first + e.n - a.n)
    LEFT JOIN arrival AS b ON b.log = a.log AND b.first =
        (SELECT max(first) FROM arrival WHERE log = a.log AND first < a.first + e.n - a.n)
    LEFT JOIN entry AS below ON below.n = b.n + a.first + e.n - a.n - 1 - b.first
    """,
    f"""
    CREATE VIRTUAL TABLE search USING fts5 (
        text, content = '', detail = none, columnsize = 0, tokenize = '{TOKENIZER}'
    )
    """,
)

_GRAPH: Final = (
    """
    CREATE TABLE follow (
        identity INTEGER NOT NULL,
        followed BLOB NOT NULL,
        entry BLOB NOT NULL,  -- id of the newest word about it
        channels TEXT NOT NULL,  -- JSON
        depth INTEGER NOT NULL,
        amount INTEGER NOT NULL,
        PRIMARY KEY (identity, followed)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE withdrawn (
        identity INTEGER NOT NULL,
        entry BLOB NOT NULL,
        PRIMARY KEY (identity, entry)
    ) STRICT, WITHOUT ROWID
    """,
)

_NODE: Final = (
    """
    CREATE TABLE peer (
        device BLOB PRIMARY KEY,
        identity BLOB NOT NULL,
        box_public BLOB NOT NULL,
        addresses TEXT NOT NULL,  -- JSON
        name TEXT NOT NULL,
        last_contact_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE peer_memory (
        n INTEGER PRIMARY KEY,  -- order of the last meetings
        device BLOB NOT NULL UNIQUE,
        nonce BLOB NOT NULL,
        counter INTEGER NOT NULL,
        roster BLOB NOT NULL,
        acked INTEGER NOT NULL,
        satisfied BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE roster (
        hash BLOB PRIMARY KEY,
        entries BLOB NOT NULL  -- its rows, as msgpack
    ) STRICT
    """,
    """
    CREATE TABLE invite (
        token_hash BLOB PRIMARY KEY,
        expires_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE client_key (
        name TEXT PRIMARY KEY,
        entry BLOB NOT NULL,  -- its id
        received_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE shown (
        log INTEGER PRIMARY KEY,
        seq INTEGER NOT NULL,
        entry INTEGER NOT NULL  -- its n
    ) STRICT
    """,
)

RECOUNT_PAYLOADS: Final = """
    UPDATE log SET payload_bytes = (
        SELECT coalesce(sum(length(e.payload)), 0) FROM arrival AS a
        CROSS JOIN entry AS e ON e.n BETWEEN a.n AND a.n + a.last - a.first
        WHERE a.log = log.n)
"""
"""What arrives is counted by whoever writes it, what leaves by triggers; this counts anew."""

_UPKEEP: Final = (
    """
    CREATE TABLE quarantine (  -- entries that were damaged here, until they have come back
        log INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        stored_id BLOB,  -- either of them may be the true one
        computed_id BLOB,
        reason TEXT NOT NULL,
        found_ms INTEGER NOT NULL,
        PRIMARY KEY (log, seq)
    ) STRICT, WITHOUT ROWID
    """,
    "ALTER TABLE log ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0",
    RECOUNT_PAYLOADS,
    """
    CREATE TRIGGER payload_dropped AFTER UPDATE OF payload ON entry BEGIN
        UPDATE log SET payload_bytes = payload_bytes
            + coalesce(length(new.payload), 0) - coalesce(length(old.payload), 0)
        WHERE n = (SELECT log FROM arrival WHERE n <= new.n ORDER BY n DESC LIMIT 1);
    END
    """,
    """
    CREATE TRIGGER entry_deleted AFTER DELETE ON entry WHEN old.payload IS NOT NULL BEGIN
        UPDATE log SET payload_bytes = payload_bytes - length(old.payload)
        WHERE n = (SELECT log FROM arrival WHERE n <= old.n ORDER BY n DESC LIMIT 1);
    END
    """,
)

_FORKS: Final = (
    # 1: entries of this own device came from elsewhere, so somebody else signs with its key.
    "ALTER TABLE device ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE fork (
        log INTEGER PRIMARY KEY,
        frozen_from INTEGER NOT NULL,
        proof BLOB NOT NULL,
        changed INTEGER NOT NULL  -- change counter when the proof changed last
    ) STRICT
    """,
    """
    CREATE TABLE branch_entry (  -- of a forked log, beside the branch in the ordinary tables
        log INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        id BLOB NOT NULL,
        prev BLOB NOT NULL,
        header BLOB NOT NULL,  -- _Header in sqlite_forks.py
        payload BLOB,  -- NULL: a stub
        signature BLOB,
        received_ms INTEGER NOT NULL,
        via TEXT NOT NULL,
        PRIMARY KEY (log, seq, id)
    ) STRICT
    """,
    "CREATE INDEX branch_entry_id ON branch_entry (id)",
)

_STANDING: Final = (
    # Where a record ends a log: see LogEnding in base.py.
    "ALTER TABLE log ADD COLUMN end_seq INTEGER",  # NULL: open; -1: nothing of it stands
    "ALTER TABLE log ADD COLUMN end_id BLOB",  # empty: any
    "ALTER TABLE log ADD COLUMN end_why TEXT",
    "ALTER TABLE log ADD COLUMN end_record BLOB",  # hash of the record; empty: a stranger's
    # The change counter when the records of an identity changed last; 0: it has none.
    "ALTER TABLE identity ADD COLUMN changed INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX identity_changed ON identity (changed)",
    # As signed; also beside entry 0, because what stands must not change with a damaged entry.
    "ALTER TABLE device ADD COLUMN certificate BLOB",
    "ALTER TABLE device ADD COLUMN certified BLOB",  # its signature
    "DROP VIEW held_entry",
    """
    CREATE VIEW held_entry AS  -- everything about an entry
    SELECT e.n, e.order_ms, a.first + e.n - a.n AS seq, e.id,
        coalesce(e.t_ms, e.order_ms) AS t_ms, e.lamport, e.rest, e.payload,
        d.key AS device, l.channel, i.id AS identity,
        CASE WHEN h.first = a.first + e.n - a.n THEN h.prev ELSE below.id END AS prev,
        CASE WHEN h.last = a.first + e.n - a.n THEN nullif(h.signature, x'')
            ELSE e.signature END AS signature,
        a.received_ms, s.via, l.end_seq, l.end_id, l.end_why, l.end_record, a.log, d.own
    FROM entry AS e
    JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)
    JOIN source AS s ON s.n = a.source
    JOIN log AS l ON l.n = a.log
    JOIN device AS d ON d.n = l.device
    JOIN identity AS i ON i.n = d.identity
    JOIN held AS h ON h.log = a.log AND h.first =
        (SELECT max(first) FROM held WHERE log = a.log AND first <= a.first + e.n - a.n)
    LEFT JOIN arrival AS b ON b.log = a.log AND b.first =
        (SELECT max(first) FROM arrival WHERE log = a.log AND first < a.first + e.n - a.n)
    LEFT JOIN entry AS below ON below.n = b.n + a.first + e.n - a.n - 1 - b.first
    """,
)


_DELIVERY: Final = (
    """
    CREATE TABLE delivered (  -- what peers are known to have: see Delivered in base.py
        n INTEGER PRIMARY KEY,  -- order of the last meetings
        device BLOB NOT NULL UNIQUE,
        nonce BLOB NOT NULL,
        counter INTEGER NOT NULL,
        offered BLOB NOT NULL,
        arrival INTEGER NOT NULL,
        confirmed_ms INTEGER NOT NULL,
        heard_ms INTEGER NOT NULL,
        sent BLOB NOT NULL  -- msgpack
    ) STRICT
    """,
    "CREATE INDEX follow_followed ON follow (followed)",
)


class Migration(NamedTuple):
    """One step from an older database to a newer one."""

    name: str
    apply: Callable[[sqlite3.Connection], None]


def _first_tables(connection: sqlite3.Connection) -> None:
    for statement in (*_LOGS, *_GRAPH, *_NODE):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _upkeep(connection: sqlite3.Connection) -> None:
    for statement in _UPKEEP:
        connection.execute(statement)


def _forks(connection: sqlite3.Connection) -> None:
    for statement in _FORKS:
        connection.execute(statement)


def _standing(connection: sqlite3.Connection) -> None:
    for statement in _STANDING:
        connection.execute(statement)
    for device, payload in connection.execute(
        "SELECT l.device, e.payload FROM log AS l JOIN arrival AS a ON a.log = l.n"
        " JOIN entry AS e ON e.n = a.n WHERE l.channel = 0 AND a.first = 0"
    ).fetchall():
        # The content of entry 0: an array of its kind, the certificate and the signature.
        _, body, signature, *_ = msgspec.msgpack.decode(payload[SALT_BYTES:])
        connection.execute(
            "UPDATE device SET certificate = ?, certified = ? WHERE n = ?",
            (body, signature, device),
        )


def _absent(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE peer_memory ADD COLUMN absent BLOB NOT NULL DEFAULT x''")


def _delivery(connection: sqlite3.Connection) -> None:
    for statement in _DELIVERY:
        connection.execute(statement)


MIGRATIONS: Final = (
    Migration("first_tables", _first_tables),
    Migration("upkeep", _upkeep),
    Migration("deletion", tables_of_deletion),
    Migration("forks", _forks),
    Migration("standing", _standing),
    Migration("absent", _absent),
    Migration("delivery", _delivery),
    Migration("room", tables_of_room),
)
"""In order; the names of those that ran are kept in the database."""


def pending_migrations(connection: sqlite3.Connection) -> Sequence[Migration]:
    """Return the migrations that a database still needs; all of them if it is empty.

    Raises:
        ForeignDatabaseError: it is not Slowlight's, or a newer Slowlight wrote it.
        sqlite3.DatabaseError: it is no database.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if application_id != APPLICATION_ID and not tables <= _TABLES_BEFORE_THE_FIRST:
        raise ForeignDatabaseError("this is a database of another program; it was not changed")
    applied: list[str] = []
    if "_sqlite_migrations" in tables:
        found = connection.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id",
            [_MIGRATION_SET],
        )
        applied = [name for (name,) in found]
    if applied != [migration.name for migration in MIGRATIONS[: len(applied)]]:
        raise ForeignDatabaseError(
            "a newer version of Slowlight wrote this database; it was not changed"
        )
    return MIGRATIONS[len(applied) :]


_TABLES_BEFORE_THE_FIRST: Final = {
    "_sqlite_migrations",
    "idx__sqlite_migrations_migration_set_name",
}
"""What a database holds whose making was interrupted before its first migration."""


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that are due; one that is interrupted runs again next time."""
    import sqlite_utils

    migrations = sqlite_utils.Migrations(_MIGRATION_SET)
    for migration in MIGRATIONS:
        migrations(name=migration.name)(_on_connection(migration))
    migrations.apply(sqlite_utils.Database(connection, recursive_triggers=False))


def _on_connection(migration: Migration) -> Callable[[sqlite_utils.Database], None]:
    def apply(database: sqlite_utils.Database) -> None:
        migration.apply(database.conn)

    return apply
