"""Logs in a SQLite database: where they stand, and what of them goes to peers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from ..protocol.entry import CHANNEL_IDENTITY, EMPTY_LOG, Entry, LogHead, log_id
from ..protocol.fork import ForkProof, decode_fork
from ..protocol.frames import LogState, WantRange
from ..protocol.ident import Ident, records_id
from ..protocol.identity import decode_inception
from ..protocol.roster import Roster
from ..protocol.run import BLOCK, Run
from ..protocol.standing import Standing
from .base import ForkedLog, Interval, LogEnding, LogKey
from .forks import below_freeze, widened
from .intervals import Held
from .serving import as_sent, longest_run, within
from .sqlite_database import Database, SqlitePart
from .sqlite_entries import EntryTable, PlacedEntry, UnreadableError, ending_in
from .sqlite_forks import ForkTable, SqliteMain
from .sqlite_marks import payload_holes
from .sqlite_outgoing import DamagedError, checked_entries, take_out_damage
from .sqlite_standing import Standings, change_counter, held_records, last_standing
from .standings import floor_of

_SELECT_STATE: Final = """
    SELECT l.id, l.seq, l.head, l.channel, i.id, l.n, l.end_seq, l.end_id, l.end_why, l.end_record
    FROM log AS l
    JOIN device AS d ON d.n = l.device
    JOIN identity AS i ON i.n = d.identity
"""


_MAX_DAMAGES: Final = 16
"""Damaged entries that one reading takes out; where there are more, the next one goes on."""


class _End(NamedTuple):
    """Where a run for a peer ends, and how it proves itself."""

    asked: int
    """The highest entry that was asked for and is held."""
    seq: int
    """The last entry of the run; those above ``asked`` travel as stubs."""
    signature: bytes | None


class _Place(NamedTuple):
    """Where a log is, and whose it is."""

    n: int
    identity: bytes
    device: bytes
    channel: int

    @property
    def log(self) -> LogKey:
        """Which log it is."""
        return LogKey(self.device, self.channel)


class SqliteLogs(SqlitePart):
    """Logs of known devices, with gaps or without. `LogStore` describes the methods."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._entries = EntryTable(database)
        self._forks = ForkTable(database)
        self._standings = Standings(database)

    @property
    def nonce(self) -> bytes:
        (nonce,) = self._database.row("SELECT nonce FROM store")
        return bytes(nonce)

    @property
    def change_counter(self) -> int:
        return change_counter(self._database)

    @property
    def forgotten_at(self) -> int:
        (counter,) = self._database.row("SELECT forgotten FROM upkeep")
        return int(counter)

    def floor(self, key: LogKey) -> int:
        found = self._database.row(
            "SELECT floor, end_seq, end_id, end_why, end_record FROM log WHERE id = ?",
            (log_id(*key),),
        )
        return floor_of(found[0], ending_in(found[1:])) if found else 0

    def standing(self, identity: bytes) -> Standing | None:
        found = self._database.row("SELECT n FROM identity WHERE id = ?", (identity,))
        return found and self._standings.of(found[0])

    def ending(self, key: LogKey) -> LogEnding | None:
        found = self._database.row(
            "SELECT end_seq, end_id, end_why, end_record FROM log WHERE id = ?", (log_id(*key),)
        )
        return found and ending_in(found)

    def identity_of(self, device: bytes) -> bytes | None:
        found = self._database.row(
            "SELECT i.id FROM device AS d JOIN identity AS i ON i.n = d.identity WHERE d.key = ?",
            (device,),
        )
        return found[0] if found else None

    def ident(self, identity: bytes) -> Ident | None:
        found = self._database.row("SELECT n, inception FROM identity WHERE id = ?", (identity,))
        if found is None:
            return None
        n, inception = found
        devices = self._database.rows("SELECT key FROM device WHERE identity = ? ORDER BY n", (n,))
        records = held_records(self._database, n)
        # A body proves all that it holds, so a device that nothing proves any more stays out.
        proven = self._standings.of(n).devices if records else None
        first_entries = (
            self._first_entry(device) for (device,) in devices if proven is None or device in proven
        )
        return Ident(
            decode_inception(inception),
            tuple(records),
            tuple(run for run in first_entries if run is not None),
        )

    def _first_entry(self, device: bytes) -> Run | None:
        return self.read_run(
            LogKey(device, CHANNEL_IDENTITY), 0, 0, end_known=False, max_bytes=0, now_ms=0
        )

    def log_key(self, log: bytes) -> LogKey | None:
        found = self._database.row(
            "SELECT d.key, l.channel FROM log AS l JOIN device AS d ON d.n = l.device"
            " WHERE l.id = ?",
            (log,),
        )
        return LogKey(*found) if found else None

    def head(self, key: LogKey) -> LogHead:
        found = self._database.row(
            "SELECT seq, head, lamport FROM log WHERE id = ?", (log_id(*key),)
        )
        return LogHead(*found) if found else EMPTY_LOG

    def logs_of(self, device: bytes) -> list[tuple[int, LogHead]]:
        rows = self._database.rows(
            "SELECT l.channel, l.seq, l.head, l.lamport FROM device AS d"
            " JOIN log AS l ON l.device = d.n WHERE d.key = ? AND l.seq >= 0 ORDER BY l.channel",
            (device,),
        )
        return [(channel, LogHead(*head)) for channel, *head in rows]

    def id_at(self, key: LogKey, seq: int) -> bytes | None:
        found = self._database.row(
            "SELECT e.id FROM log AS l JOIN arrival AS a ON a.log = l.n"
            " JOIN entry AS e ON e.n = a.n + ? - a.first"
            " WHERE l.id = ? AND a.first <= ? AND a.last >= ?",
            (seq, log_id(*key), seq, seq),
        )
        return found[0] if found else None

    def held(self, key: LogKey) -> list[Interval]:
        rows = self._database.rows(
            "SELECT first, last FROM held WHERE log = (SELECT n FROM log WHERE id = ?)"
            " ORDER BY first",
            (log_id(*key),),
        )
        return [Interval(*row) for row in rows]

    def states(self, roster: Roster, *, since: int = 0) -> Iterator[LogState]:
        if since:
            rows: Iterable[Any] = self._database.rows(
                _SELECT_STATE + "WHERE l.changed > ?", (since,)
            )
        else:
            rows = itertools.chain.from_iterable(
                self._database.rows(_SELECT_STATE + "WHERE i.id = ?", (identity,))
                for identity in roster.identities
            )
        frozen = self._forks.frozen()
        for log, seq, head, channel, identity, n, *end in rows:
            if not roster.wants(identity, channel):
                continue
            if log in frozen:
                yield LogState(log, frozen[log], b"")
                continue
            ending = ending_in(end)
            newest = (seq, head) if ending is None else self._newest_standing(n, ending)
            if newest is not None and seq >= 0:
                yield LogState(log, *newest)
        yield from self._record_states(roster, since)

    def gone(self, roster: Roster, *, since: int) -> Iterator[bytes]:
        rows = self._database.rows(
            _SELECT_STATE + "WHERE l.changed > ? AND (l.end_seq IS NOT NULL OR l.seq < 0)", (since,)
        )
        frozen = self._forks.frozen()
        for log, seq, _, channel, identity, n, *end in rows:
            ending = ending_in(end)
            if log in frozen:
                continue
            if seq < 0 and roster.wants(identity, channel):
                yield log  # damage took all of it
            elif (
                ending is not None
                and roster.wants(identity, channel)
                and self._newest_standing(n, ending) is None
            ):
                yield log

    def _newest_standing(self, log: int, ending: LogEnding) -> tuple[int, bytes] | None:
        """Return number and id of the newest entry held of an ended log that stands."""
        (seq,) = self._database.row(
            "SELECT max(min(last, :end)) FROM held WHERE log = :log AND first <= :end",
            {"log": log, "end": last_standing(self._database, log, ending)},
        )
        return None if seq is None else (seq, self._entries.id_at(log, seq))

    def _record_states(self, roster: Roster, since: int) -> Iterator[LogState]:
        rows = self._database.rows("SELECT n, id FROM identity WHERE changed > ?", (since,))
        for n, identity in rows:
            if roster.wants(identity, CHANNEL_IDENTITY):
                hashes = self._database.rows("SELECT hash FROM record WHERE identity = ?", (n,))
                yield LogState(identity, 0, records_id(each for (each,) in hashes))

    def holes(self, roster: Roster) -> Iterator[WantRange]:
        rows = self._database.rows(
            """
            SELECT l.id, l.channel, i.id, l.floor, h.first, h.prev,
                l.end_seq, l.end_id, l.end_why, l.end_record,
                (SELECT max(last) FROM held WHERE log = h.log AND first < h.first)
            FROM held AS h
            JOIN log AS l ON l.n = h.log
            JOIN device AS d ON d.n = l.device
            JOIN identity AS i ON i.n = d.identity
            WHERE h.first > 0
            """
        )
        frozen, ended = self._forks.frozen(), self._forks.ended()
        for log, channel, identity, noted, first, prev, *end, below in rows:
            floor = floor_of(noted, ending_in(end))
            lowest = max(0 if below is None else below + 1, floor)
            if lowest < first and roster.wants(identity, channel):
                hole = WantRange(log, lowest, first - 1, prev)
                hole = widened(hole, floor) if log in ended else hole
                for below_fork in below_freeze(hole, frozen.get(log)):
                    yield from within(below_fork, ending_in(end))
        yield from self._branch_holes(roster, frozen)
        yield from payload_holes(self._database, roster)

    def _branch_holes(self, roster: Roster, frozen: Iterable[bytes]) -> Iterator[WantRange]:
        for log in frozen:
            key = self._key_of(log)
            if roster.wants(key.identity, key.log.channel):
                fork = self._forks.load(key.n)
                if fork is not None:
                    yield from fork.wants(log, SqliteMain(self._database, key.n, key.log))

    def fork(self, key: LogKey) -> ForkProof | None:
        found = self._database.row(
            "SELECT proof FROM fork WHERE log = (SELECT n FROM log WHERE id = ?)", (log_id(*key),)
        )
        return decode_fork(found[0]) if found else None

    def forks(self, roster: Roster, *, since: int = 0) -> Iterator[ForkProof]:
        for _, channel, identity, proof in self._forks.proofs(since):
            if roster.wants(identity, channel):
                yield proof

    def forked_logs(self, identity: bytes | None = None) -> list[ForkedLog]:
        found = [
            ForkedLog(
                LogKey(proof.device, channel),
                author,
                proof,
                self._database.row(
                    "SELECT count(*) FROM branch_entry"
                    " WHERE log = (SELECT n FROM log WHERE id = ?)",
                    (log,),
                )[0],
            )
            for log, channel, author, proof in self._forks.proofs(since=0, identity=identity)
        ]
        return sorted(found, key=lambda each: (each.identity, each.log))

    def read_branch(
        self, key: LogKey, first: int, last: int, end_id: bytes, *, max_bytes: int, now_ms: int
    ) -> Run | None:
        found = self._database.row("SELECT n FROM log WHERE id = ?", (log_id(*key),))
        fork = self._forks.load(found[0]) if found else None
        if fork is None:
            return None
        return fork.read_run(key, first, last, end_id, max_bytes=max_bytes, now_ms=now_ms)

    def written_elsewhere(self, device: bytes) -> bool:
        return bool(
            self._database.row("SELECT 1 FROM device WHERE key = ? AND elsewhere", (device,))
        )

    def _key_of(self, log: bytes) -> _Place:
        return _Place(
            *self._database.row(
                "SELECT l.n, i.id, d.key, l.channel FROM log AS l JOIN device AS d"
                " ON d.n = l.device JOIN identity AS i ON i.n = d.identity WHERE l.id = ?",
                (log,),
            )
        )

    def written_ms(self, key: LogKey, seq: int) -> int:
        found = self._database.row(
            "SELECT coalesce(e.t_ms, e.order_ms)"
            " FROM arrival AS a JOIN entry AS e ON e.n = a.n + min(?, a.last) - a.first"
            " WHERE a.log = (SELECT n FROM log WHERE id = ?) AND a.first <= ?"
            " ORDER BY a.first DESC LIMIT 1",
            (seq, log_id(*key), seq),
        )
        return found[0] if found else 0

    def read_run(
        self, key: LogKey, first: int, last: int, *, end_known: bool, max_bytes: int, now_ms: int
    ) -> Run | None:
        for _ in range(_MAX_DAMAGES):
            try:
                return self._read_run(key, first, last, end_known, max_bytes, now_ms)
            except (DamagedError, UnreadableError):
                held = [each for each in self.held(key) if each.first <= last]
                end = min(last, held[-1].last) if held else last
                if not take_out_damage(self._database, key, end, now_ms=now_ms):
                    raise
        return None

    def _read_run(
        self, key: LogKey, first: int, last: int, end_known: bool, max_bytes: int, now_ms: int
    ) -> Run | None:
        """Read a run as it is on the disk; raises DamagedError where that is not as signed."""
        found = self._database.row(
            """
            SELECT l.n, end_seq, end_id, end_why, end_record, h.first, h.last, h.prev, h.signature
            FROM log AS l JOIN held AS h ON h.log = l.n
            WHERE l.id = ? AND h.first <= ? ORDER BY h.first DESC LIMIT 1
            """,
            (log_id(*key), last),
        )
        if found is None:
            return None
        log, *end_columns = found[:5]
        ending = ending_in(end_columns)
        if ending is not None:
            standing = last_standing(self._database, log, ending)
            if first > standing:
                return None
            if last > standing:
                return self._read_run(key, first, standing, False, max_bytes, now_ms)
        low, high, prev, signature = found[5:]
        interval = Held(low, high, prev, signature or None)
        if interval.last < first:
            return None
        at_end = ending is not None and last == ending.seq
        end = self._run_end(log, interval, first, last, end_known=end_known, at_end=at_end)
        if end is None or end.asked < first:
            return None
        lowest = max(first, interval.first, end.seq // BLOCK * BLOCK)

        def prev_of(seq: int) -> bytes:
            return interval.prev if seq == interval.first else self._entries.id_at(log, seq - 1)

        placed = self._entries.newest_first(log, lowest, end.seq)
        checked = checked_entries(key, placed, signature=end.signature, prev_of=prev_of)
        return longest_run(
            key,
            self._sent_now(checked, key.channel, end, now_ms),
            needed=end.seq - end.asked + 1,
            signature=end.signature,
            max_bytes=max_bytes,
            prev_of=prev_of,
        )

    def _run_end(
        self, log: int, interval: Held, first: int, last: int, *, end_known: bool, at_end: bool
    ) -> _End | None:
        """Choose where a run for ``first..last`` ends.

        Args:
            at_end: a record ends the log at ``last``.
        """
        asked = min(last, interval.last)
        vouched = end_known and asked == last
        if vouched and asked % BLOCK != BLOCK - 1 and not at_end:
            return _End(asked, asked, None)
        if asked == interval.last and interval.signature:
            return _End(asked, asked, interval.signature)
        if vouched and at_end:
            (placed,) = self._entries.newest_first(log, asked, asked)
            return _End(asked, asked, placed.signature)
        block_end = asked // BLOCK * BLOCK + BLOCK - 1
        signed = [
            _End(asked, placed.entry.seq, placed.signature)
            for placed in self._entries.newest_first(log, asked, min(block_end, interval.last))
            if placed.signature
        ]
        if signed:
            return signed[-1]
        if interval.signature:
            return _End(asked, interval.last, interval.signature)
        # Only the record that ended the log vouched for its end: what is below can be proven.
        lowest = max(first, interval.first, asked // BLOCK * BLOCK)
        below = self._entries.newest_first(log, lowest, asked)
        proof = next((each for each in below if each.signature), None)
        return proof and _End(proof.entry.seq, proof.entry.seq, proof.signature)

    def _sent_now(
        self, placed: Iterator[PlacedEntry], channel: int, end: _End, now_ms: int
    ) -> Iterator[Entry]:
        """Yield the entries of a run from its end downwards, as they are sent now."""
        for n, _, entry in placed:
            sent = entry
            if entry.expire_ms:
                sent = as_sent(entry, now_ms - self._entries.received_ms(n), channel)
            yield sent._replace(payload=None) if entry.seq > end.asked else sent
