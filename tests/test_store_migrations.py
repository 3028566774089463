"""An older database becomes a current one, wholly or not at all; a newer one is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pytest

from slowlight.store import schema
from slowlight.store.base import StoreError
from slowlight.store.schema import MIGRATIONS, Migration
from slowlight.store.sqlite import SqliteStore


def tables(path: Path) -> list[Any]:
    """Return what a database consists of."""
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()


def old_database(path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a database as the version with so many migrations made it."""
    with (
        monkeypatch.context() as older,
        closing(sqlite3.connect(path, isolation_level=None)) as raw,
    ):
        older.setattr(schema, "MIGRATIONS", MIGRATIONS[:count])
        schema.migrate(raw)


@pytest.mark.parametrize("count", range(1, len(MIGRATIONS)))
def test_every_older_version_becomes_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """With the same tables as a new database."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    old_database(old, count, monkeypatch)
    for path in (old, new):
        SqliteStore(path).close()
    assert {name for _, name, _ in tables(old)} == {name for _, name, _ in tables(new)}


@pytest.mark.parametrize("failing", range(1, len(MIGRATIONS)))
def test_a_migration_that_breaks_off_has_not_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Neither half of it is there; the next start does it again."""
    path = tmp_path / "node.db"
    old_database(path, failing, monkeypatch)
    before = tables(path)
    migration = MIGRATIONS[failing]

    def break_off(connection: sqlite3.Connection) -> NoReturn:
        migration.apply(connection)
        raise OSError("the power is gone")

    broken = Migration(migration.name, break_off)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*MIGRATIONS[:failing], broken))
        with pytest.raises(StoreError, match="power"):
            SqliteStore(path)
    assert tables(path) == before
    SqliteStore(path).close()
    assert tables(path) != before


def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """To the byte: a downgrade must not cost anything."""
    path = tmp_path / "node.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " SELECT migration_set, 'of_the_future', applied_at FROM _sqlite_migrations LIMIT 1"
        )
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match="newer version"):
            SqliteStore(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["node.db"]
