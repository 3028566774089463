"""One SQLite database: its connection, its settings, its transactions.

A database has one connection and is used from one thread; SQLite 3.7.0 to 3.51.2 can corrupt
a write-ahead log that two connections write or checkpoint.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from .base import DamagedFileError, ReadOnlyError, StoreError
from .schema import migrate, pending_migrations
from .sqlite_log_file import log_of, secure_log, sync_names

PAGE_BYTES: Final = 8192
_CACHE_KIB: Final = 16_384
_CHECKPOINT_BYTES: Final = 16 << 20
"""The write-ahead log is copied into the database when it has grown by this."""
_BUSY_S: Final = 2.0
"""How long to wait for another program that has the database open."""
_CACHED_STATEMENTS: Final = 256
"""More than there are different ones."""
_WITHOUT_SHARED_MEMORY: Final = (
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
)
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""On the disk, for this user, or for this process."""

Arguments: TypeAlias = Sequence[Any] | Mapping[str, Any]


class Database:
    """A current Slowlight database, open."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open a database, or make one, and bring it up to date.

        Args:
            read_only: open one that cannot be written; nobody else writes it meanwhile.

        Raises:
            StoreError: it cannot be opened, or belongs to another program or a newer version.
        """
        self.path: Final = path
        self._doubtful = False
        self.is_alone = False
        """Whether the file was opened so that nobody else can open it: see `_prepare_alone`."""
        self._read_only = read_only
        if read_only:
            self.connection = _opened_to_read(path)
            return
        try:
            secure_log(path)
            self.connection = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise explained(path, error) from error
        try:
            try:
                self._prepare()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in _WITHOUT_SHARED_MEMORY:
                    raise
                self._prepare_alone()
            sync_names(path)
        except (sqlite3.Error, OSError) as error:
            self.connection.close()
            raise explained(path, error) from error
        except BaseException:
            self.connection.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path,
            timeout=_BUSY_S,
            isolation_level=None,
            cached_statements=_CACHED_STATEMENTS,
        )

    def _prepare_alone(self) -> None:
        """Open without the file that programs share, for which a full disk has no room.

        Nobody else can open the database meanwhile; all that is in it can be read.
        """
        self.connection.close()
        self.connection = self._connect()
        self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.is_alone = True
        self._prepare()

    def _prepare(self) -> None:
        execute = self.connection.execute
        pending = pending_migrations(self.connection)
        execute(f"PRAGMA page_size = {PAGE_BYTES}")  # counts where the file is still empty
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // PAGE_BYTES}")
        execute(f"PRAGMA journal_size_limit = {_CHECKPOINT_BYTES}")
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        execute("PRAGMA temp_store = MEMORY")
        execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
        if pending:
            migrate(self.connection)

    def rows(self, statement: str, arguments: Arguments = ()) -> list[Any]:
        """Return all rows of a query."""
        try:
            return self.connection.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    def row(self, statement: str, arguments: Arguments = ()) -> Any:
        """Return the first row of a query, or None."""
        try:
            return self.connection.execute(statement, arguments).fetchone()
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    def each(self, statement: str, arguments: Arguments = ()) -> Iterator[Any]:
        """Yield the rows of a query as they are asked for; nothing may be written meanwhile."""
        try:
            yield from self.connection.execute(statement, arguments)
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    def write(self, statement: str, arguments: Arguments = ()) -> int:
        """Change rows inside `writing`; return how many."""
        return self.connection.execute(statement, arguments).rowcount

    def insert(self, statement: str, arguments: Arguments = ()) -> int:
        """Insert one row inside `writing`; return its number."""
        return self.connection.execute(statement, arguments).lastrowid or 0

    def write_many(self, statement: str, rows: Iterable[Arguments]) -> None:
        """Run one change inside `writing` for each row of arguments."""
        self.connection.executemany(statement, rows)

    @contextmanager
    def writing(self) -> Generator[None]:
        """One transaction: committed to the disk when the block ends, undone if it raises.

        After an error of the disk nothing is written before `_begin_log_anew` has succeeded.
        """
        if self._read_only:
            raise ReadOnlyError(f"{self.path} can only be read here")
        try:
            if self._doubtful:
                self._begin_log_anew()
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if _primary_code(error) == sqlite3.SQLITE_IOERR:
                self._doubtful = True
            raise explained(self.path, error) from error

    def _begin_log_anew(self) -> None:
        """Write all that was committed into the database and sync it; empty the log.

        A disk that could not sync the log once may say that it did the next time, and have lost
        what it was given before. So nothing is added to such a log: what this connection knows to
        be committed is written again elsewhere, and what it undid is no more.
        """
        (busy, *_counts) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the log cannot be emptied after an error of the disk")
        self._doubtful = False

    def empty_write_ahead_log(self) -> bool:
        """Copy the write-ahead log into the database and cut it to nothing.

        Returns:
            False if another program reads and it has to wait.
        """
        return not self.row("PRAGMA wal_checkpoint(TRUNCATE)")[0]

    def write_anew(self) -> None:
        """Write the whole file anew, outside `writing`; nothing freed stays in it."""
        try:
            self.connection.execute("VACUUM")
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    def file_bytes(self) -> int:
        """Return the size on disk, write-ahead log included."""
        files = (self.path, log_of(self.path))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close the connection; the last one takes the write-ahead log away."""
        self.connection.close()


def _opened_to_read(path: Path) -> sqlite3.Connection:
    """Open a database that cannot be written, as current as it is.

    A write-ahead log that a killed process left is read with it, which needs the file that
    programs share; both are there after a kill. Without a log the file is all there is, and SQLite
    is told not to look for more.

    Raises:
        StoreError: it cannot be read so, or has to be brought up to date first.
    """
    log = log_of(path)
    how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, cached_statements=_CACHED_STATEMENTS
        )
        try:
            pending = pending_migrations(connection)
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if _primary_code(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise ReadOnlyError(
                f"{path} was left by a node that was killed, and can be read only where it can"
                " be written"
            ) from error
        raise explained(path, error) from error
    if pending:
        connection.close()
        raise ReadOnlyError(
            f"{path} is of an older version, and can be brought up to date only where it can be"
            " written"
        )
    return connection


def reading(path: Path) -> sqlite3.Connection:
    """Open a database a second time, only to read: it neither writes nor checkpoints the log.

    What it reads in one transaction is of one moment, and holds up nobody who writes.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


class SqlitePart:
    """A group of tables of one database, and what is asked of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database(self) -> Database:
        """The database itself, for maintenance."""
        return self._database


def explained(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """Say what is wrong with a database and what to do about it."""
    advice = {
        sqlite3.SQLITE_FULL: "the disk is full; make room and try again, nothing was lost",
        sqlite3.SQLITE_READONLY: "it may not be written; check its permissions and its disk",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its directory exists",
        sqlite3.SQLITE_BUSY: "another program has it open; close that and try again",
        sqlite3.SQLITE_NOTADB: "this is no database",
        sqlite3.SQLITE_CORRUPT: "the file is damaged",
        sqlite3.SQLITE_IOERR: "its disk does not answer as it should; check it",
    }.get(_primary_code(error), "this is a mistake of Slowlight; please report it")
    damaged = _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    kind = DamagedFileError if damaged else StoreError
    return kind(f"{path}: {error}: {advice}")


def _primary_code(error: sqlite3.Error | OSError) -> int:
    """Return SQLite's code of an error without its details."""
    if isinstance(error, OSError):
        return sqlite3.SQLITE_FULL if error.errno in _NO_ROOM else sqlite3.SQLITE_IOERR
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
