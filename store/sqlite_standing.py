"""What stands in a SQLite store: records, the ends of logs, and what follows from a change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..protocol.entry import CHANNEL_IDENTITY, MAX_SEQ
from ..protocol.ident import RecordKind
from ..protocol.identity import SignedRecord, decode_inception
from ..protocol.roots import SignatureCheck
from ..protocol.standing import Standing
from .base import LogEnding
from .sqlite_database import Database
from .sqlite_deletion import apply, lift
from .sqlite_entries import EntryTable, ending_columns, ending_in
from .sqlite_people import relearn
from .sqlite_visibility import hide, show
from .standings import (
    KindedRecord,
    RememberedChecks,
    ending_of,
    new_records,
    record_said,
    same_rotations,
    standing_kept,
)

MAX_REMEMBERED_STANDINGS: Final = 1_024
"""Identities whose standing is kept at hand."""


class Standings:
    """The standings of one database, decided when they are asked for and kept at hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[int, Standing] = OrderedDict()
        self.check: Final = RememberedChecks()

    def of(self, identity: int) -> Standing:
        """Return what stands of the identity with this number."""
        standing = self._known.get(identity)
        if standing is None:
            standing = self._known[identity] = standing_by(
                self._database, identity, held_records(self._database, identity), self.check
            )
            if len(self._known) > MAX_REMEMBERED_STANDINGS:
                self._known.popitem(last=False)
        return standing

    def forget_all(self) -> None:
        """Decide about everyone anew."""
        self._known.clear()

    def forget(self, identities: Sequence[int]) -> None:
        """Decide about these anew when they are asked for again."""
        for identity in identities:
            self._known.pop(identity, None)


def change_counter(database: Database) -> int:
    """Return the number of the last commit that changed a state."""
    (counter,) = database.row(
        "SELECT max(coalesce((SELECT max(changed) FROM log), 0),"
        " coalesce((SELECT max(changed) FROM identity), 0), (SELECT forgotten FROM upkeep))"
    )
    return int(counter)


def held_records(database: Database, identity: int) -> list[KindedRecord]:
    """Return the signed records that are held of an identity."""
    rows = database.rows(
        "SELECT kind, body, signature FROM record WHERE identity = ? ORDER BY hash", (identity,)
    )
    return [(RecordKind(kind), SignedRecord(body, signature)) for kind, body, signature in rows]


def held_certificates(database: Database, identity: int) -> dict[bytes, SignedRecord]:
    """Return the certificates of the devices of an identity, by device."""
    rows = database.rows(
        "SELECT key, certificate, certified FROM device"
        " WHERE identity = ? AND certificate IS NOT NULL",
        (identity,),
    )
    return {device: SignedRecord(*certificate) for device, *certificate in rows}


def standing_by(
    database: Database,
    identity: int,
    records: Sequence[KindedRecord],
    check: SignatureCheck,
    besides: Sequence[SignedRecord] = (),
) -> Standing:
    """Decide what stands of an identity by these records.

    Args:
        besides: certificates of devices that are not held.
    """
    (inception,) = database.row("SELECT inception FROM identity WHERE n = ?", (identity,))
    certificates = [*held_certificates(database, identity).values(), *besides]
    return standing_kept(decode_inception(inception), records, certificates, check)


class Settled(NamedTuple):
    """What came of records."""

    records_changed: bool
    """Whether others are kept now."""
    forked: Sequence[int]
    """Forked logs that end elsewhere now: their branches have to be settled."""


def settle(
    database: Database,
    identity: int,
    brought: Sequence[KindedRecord],
    *,
    changed: int,
    check: SignatureCheck,
) -> Settled:
    """Take in records that came, and let what stands now take effect.

    Belongs inside `Database.writing`, after the entries that came are written.

    Args:
        identity: number of the identity that they are about.
        changed: what the change counter will be.
    """
    held = held_records(database, identity)
    standing = standing_by(database, identity, [*held, *brought], check)
    if not same_rotations(held, standing.records):
        # What its logs say under the new epoch counted for nothing before.
        said = [*held, *brought, *said_in_logs(database, identity)]
        standing = standing_by(database, identity, said, check)
    dropped, added = new_records(held, standing.records)
    database.write_many(
        "DELETE FROM record WHERE identity = ? AND hash = ?", [(identity, each) for each in dropped]
    )
    database.write_many(
        "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
        [
            (identity, record.hash, int(kind), record.body, record.signature)
            for kind, record in added
        ],
    )
    if dropped or added:
        database.write("UPDATE identity SET changed = ? WHERE n = ?", (changed, identity))
    forked = _take_effect(database, identity, standing, changed)
    return Settled(bool(dropped or added), forked)


def said_in_logs(database: Database, identity: int) -> list[KindedRecord]:
    """Return all records in the logs of an identity, void or not."""
    entries = EntryTable(database)
    logs = database.rows(
        "SELECT l.n, l.seq FROM device AS d JOIN log AS l ON l.device = d.n AND l.channel = ?"
        " WHERE d.identity = ?",
        (CHANNEL_IDENTITY, identity),
    )
    said = (
        record_said(placed.entry)
        for log, newest in logs
        for placed in entries.newest_first(log, 1, newest)
    )
    return [record for record in said if record is not None]


def _take_effect(database: Database, identity: int, standing: Standing, changed: int) -> list[int]:
    """Write where each log ends now, and hide or show what changed sides.

    Of a forked log what is from the freeze on is only hidden: which of its branches counts is
    settled when all has come.
    """
    logs = database.rows(
        "SELECT l.n, l.channel, d.key, end_seq, end_id, end_why, end_record"
        " FROM device AS d JOIN log AS l ON l.device = d.n WHERE d.identity = ?",
        (identity,),
    )
    words_changed = False
    frozen_from: dict[int, int] = dict(database.rows("SELECT log, frozen_from FROM fork"))
    forked: list[int] = []
    for log, channel, device, *end in logs:
        before, after = ending_in(end), ending_of(standing, device, channel)
        if before == after:
            continue
        was, now = last_standing(database, log, before), last_standing(database, log, after)
        if log in frozen_from:
            forked.append(log)
            now = min(now, frozen_from[log] - 1)
        database.write(
            "UPDATE log SET end_seq = ?, end_id = ?, end_why = ?, end_record = ?, changed = ?"
            " WHERE n = ?",
            (*ending_columns(after), changed, log),
        )
        words_changed = words_changed or channel == CHANNEL_IDENTITY
        if now < was:
            hide(database, log, now + 1, was)
            lift(database, log, now + 1, was)
        elif now > was:
            show(database, log, was + 1, now)
            apply(database, log, was + 1, now)
    if words_changed:
        relearn(database, identity)
    return forked


def last_standing(database: Database, log: int, ending: LogEnding | None) -> int:
    """Return the last sequence number of a log at which a held entry can stand."""
    if ending is None:
        return MAX_SEQ
    if ending.id:
        found = database.row(
            "SELECT e.id FROM arrival AS a JOIN entry AS e ON e.n = a.n + ? - a.first"
            " WHERE a.log = ? AND a.first <= ? AND a.last >= ?",
            (ending.seq, log, ending.seq, ending.seq),
        )
        if found is not None and found[0] != ending.id:
            return ending.seq - 1
    return ending.seq
