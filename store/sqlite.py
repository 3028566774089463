"""The store of a node: one SQLite database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ..protocol.entry import Entry
from ..protocol.frames import NONCE_BYTES
from .base import MAX_CLIENT_KEYS, Ingested, Item, LogKey, StoreError, Totals
from .sqlite_bodies import SqliteBodies
from .sqlite_care import SqliteCare
from .sqlite_database import Database
from .sqlite_delivery import SqliteDelivery
from .sqlite_intake import OWN, Intake
from .sqlite_logs import SqliteLogs
from .sqlite_timeline import SqliteTimeline

CLIENT_KEYS_FORGOTTEN_EVERY: Final = 1_000
"""Own entries between two looks at how many client keys there are, which reads them all."""


class SqliteStore(SqliteLogs, SqliteTimeline, SqliteBodies, SqliteDelivery, SqliteCare):
    """Everything that a node remembers. Keeps `NodeStore`, which describes the methods."""

    def __init__(
        self,
        path: Path,
        *,
        make_nonce: Callable[[int], bytes] = secrets.token_bytes,
        read_only: bool = False,
    ) -> None:
        """Open the database at ``path``, or make it.

        Args:
            path: its directory must exist; the write-ahead log stands beside it.
            make_nonce: returns so many random bytes, for the nonce of a new store.
            read_only: it cannot be written, and nobody else writes it meanwhile; whatever would
                change it raises `ReadOnlyError`.

        Raises:
            StoreError: it cannot be opened, or belongs to another program or a newer version.
        """
        super().__init__(Database(path, read_only=read_only))
        try:
            if self._database.row("SELECT 1 FROM store") is None:
                with self._database.writing():
                    self._database.write(
                        "INSERT INTO store (nonce, indexed) VALUES (?, 0)",
                        (make_nonce(NONCE_BYTES),),
                    )
        except StoreError:
            self.close()
            raise

    def ingest(self, batch: Sequence[Item], *, received_ms: int, via: str) -> list[Ingested]:
        with self._database.writing():
            intake = self._intake(received_ms, via)
            answers = [intake.take(item) for item in batch]
            intake.finish()
        self._standings.forget(intake.settled)
        return answers

    def append(
        self,
        key: LogKey,
        entries: Sequence[tuple[Entry, bytes]],
        *,
        received_ms: int,
        client_key: str = "",
    ) -> None:
        with self._database.writing():
            intake = self._intake(received_ms, OWN)
            if client_key and self.entry_of_client_key(client_key) is not None:
                raise ValueError(f"client key {client_key!r} was used before")
            intake.append(key, entries)
            intake.finish()
            if client_key and entries:
                self._keep_client_key(client_key, entries[0][0], received_ms)
        self._standings.forget(intake.settled)

    def _intake(self, received_ms: int, via: str) -> Intake:
        return Intake(self._database, received_ms=received_ms, via=via, check=self._standings.check)

    def entry_of_client_key(self, client_key: str) -> bytes | None:
        found = self._database.row("SELECT entry FROM client_key WHERE name = ?", (client_key,))
        return found[0] if found else None

    def _keep_client_key(self, client_key: str, entry: Entry, received_ms: int) -> None:
        self._database.write(
            "INSERT INTO client_key VALUES (?, ?, ?)", (client_key, entry.id, received_ms)
        )
        if entry.seq % CLIENT_KEYS_FORGOTTEN_EVERY == 0:
            self._database.write(
                "DELETE FROM client_key WHERE received_ms <= (SELECT received_ms FROM client_key"
                " ORDER BY received_ms DESC LIMIT 1 OFFSET ?)",
                (MAX_CLIENT_KEYS,),
            )

    def _people_forgotten(self) -> None:
        self._standings.forget_all()

    def totals(self) -> Totals:
        identities, logs, entries, posts, forks = self._database.row(
            "SELECT (SELECT count(*) FROM identity), (SELECT count(*) FROM log),"
            " (SELECT coalesce(sum(last - first + 1), 0) FROM held),"
            " (SELECT coalesce(sum(posts), 0) FROM arrival), (SELECT count(*) FROM fork)"
        )
        return Totals(
            identities=identities,
            logs=logs,
            entries=entries,
            posts=posts,
            file_bytes=self._database.file_bytes(),
            search_behind=self.search_behind(),
            forks=forks,
        )

    def close(self) -> None:
        self._database.close()
