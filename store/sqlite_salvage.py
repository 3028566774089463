"""Read what can still be read of a damaged SQLite file into a new one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from .base import StoreError
from .sqlite_care import publish
from .sqlite_database import Database

_LAST_ROW: Final = 1 << 40
"""Above every number of a row."""


class LostFileError(StoreError):
    """Nothing is left of a store."""


def rebuilt_path(path: Path) -> Path:
    """Return where the whole new database stands before it takes its place."""
    return path.with_name(f"{path.name}.rebuilt")


def salvage(path: Path, nonce: bytes) -> Path:
    """Copy every row that can be read of a damaged database into a new one beside it.

    The damaged file is not changed. What the rows say has yet to be checked.

    Args:
        nonce: of the store, where it cannot be read any more.

    Returns:
        The new file, still under a name of its own.

    Raises:
        StoreError: nothing at all can be read, or the new file cannot be written.
    """
    part = rebuilt_path(path).with_suffix(".part")
    for file in _files(part):
        file.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as damaged,
        closing(Database(part)) as new,
    ):
        damaged.text_factory = _text
        tables = [
            (name, "WITHOUT ROWID" not in sql)
            for name, sql in new.rows(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'table'"
                " AND name NOT LIKE 'search%' AND name NOT LIKE '%sqlite%'"
            )
        ]
        copied = 0
        with new.writing():
            for table, has_numbers in tables:
                copied += _copy(damaged, new, table, has_numbers=has_numbers)
            if new.row("SELECT 1 FROM store") is None:
                new.write("INSERT INTO store (nonce, indexed) VALUES (?, 0)", (nonce,))
            new.write("UPDATE store SET indexed = 0")
            _drop_what_hangs(new)
    if copied == 0:
        part.unlink()
        raise LostFileError(f"{path}: nothing can be read of it any more")
    return part


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _copy(damaged: sqlite3.Connection, new: Database, table: str, *, has_numbers: bool) -> int:
    columns = [name for _, name, *_ in new.rows(f"PRAGMA table_info({table})")]
    with suppress(sqlite3.Error):
        known = {row[1] for row in damaged.execute(f"PRAGMA table_info({table})")}
        columns = [name for name in columns if name in known]
    if not columns:
        return 0
    listed = ", ".join(columns)
    statement = f"INSERT OR IGNORE INTO {table} ({listed}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    copied = 0
    for row in _numbered(damaged, table, listed) if has_numbers else _keyed(damaged, table, listed):
        with suppress(sqlite3.Error, OverflowError):  # a value that no table of ours takes
            copied += new.write(statement, row)
    return copied


def _numbered(damaged: sqlite3.Connection, table: str, columns: str) -> Iterator[Sequence[Any]]:
    """Yield the rows of a table by number, from both sides of each place that cannot be read."""
    select = f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? AND rowid < ? ORDER BY rowid"  # noqa: S608
    low = -1
    while True:
        broke = False
        try:
            for number, *row in damaged.execute(select, (low, _LAST_ROW)):
                low = number
                yield row
        except sqlite3.Error:
            broke = True
        if not broke:
            return
        above = _next_readable(damaged, table, low)
        between: list[Sequence[Any]] = []
        with suppress(sqlite3.Error):
            for _, *row in damaged.execute(f"{select} DESC", (low, above)):
                between.append(row)
        yield from between
        if above >= _LAST_ROW:
            return
        low = above - 1


def _next_readable(damaged: sqlite3.Connection, table: str, low: int) -> int:
    """Return a number above ``low`` from which on rows can be read, or `_LAST_ROW`."""
    step = 1
    while low + step < _LAST_ROW:
        try:
            found = damaged.execute(
                f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT 1",  # noqa: S608
                (low + step,),
            ).fetchone()
        except sqlite3.Error:
            step *= 2
        else:
            return int(found[0]) if found else _LAST_ROW
    return _LAST_ROW


def _keyed(damaged: sqlite3.Connection, table: str, columns: str) -> Iterator[Sequence[Any]]:
    """Yield the rows of a small table from its beginning and from its end."""
    for order in ("", " ORDER BY 1 DESC, 2 DESC"):
        try:
            yield from damaged.execute(f"SELECT {columns} FROM {table}{order}")  # noqa: S608
        except sqlite3.Error:
            continue
        return


def _drop_what_hangs(new: Database) -> None:
    """Forget devices and logs of which nobody knows any more whose they are.

    What peers confirmed counts in numbers of entries that may be others now.
    """
    new.write("DELETE FROM delivered")
    new.write("DELETE FROM device WHERE identity NOT IN (SELECT n FROM identity)")
    new.write("DELETE FROM log WHERE device NOT IN (SELECT n FROM device)")


def publish_rebuilt(part: Path, path: Path) -> Path:
    """Let a new database, closed and whole, take the place of a damaged one.

    Returns:
        Where the damaged one is kept.
    """
    publish(part, rebuilt_path(path))
    kept = finish_rebuild(path)
    if kept is None:
        raise StoreError(f"{rebuilt_path(path)} has vanished")
    return kept


def finish_rebuild(path: Path) -> Path | None:
    """Go on where a replacement was interrupted; costs one look where there was none.

    The damaged file gets a second name before it loses its own, and its write-ahead log goes
    with it: it must never be read into the new one.

    Returns:
        Where the damaged file is kept; None if nothing was waiting.
    """
    rebuilt = rebuilt_path(path)
    if not rebuilt.exists():
        return None
    kept = _kept_name(path)
    if path.exists() and not kept.exists():
        os.link(path, kept)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").rename(kept.with_name(f"{kept.name}{suffix}"))
    rebuilt.rename(path)
    return kept


def _kept_name(path: Path) -> Path:
    """Return the name that a damaged file gets, or has got already."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.damaged-{number}")
        if not kept.exists() or (path.exists() and kept.samefile(path)):
            return kept
        number += 1


def _files(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
