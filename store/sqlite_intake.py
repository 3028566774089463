"""One batch on its way into the tables: every write that new entries cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

from ..protocol.entry import (
    CHANNEL_IDENTITY,
    EMPTY_LOG,
    Entry,
    LogHead,
    log_id,
)
from ..protocol.fork import ForkProof
from ..protocol.hashing import ZERO_HASH
from ..protocol.ident import CertifiedDevice, VerifiedIdent
from ..protocol.roots import SignatureCheck, signed_by
from ..protocol.run import Run
from ..protocol.standing import Standing
from .base import Ingested, Item, LogEnding, LogKey, LostHeadError, Outcome
from .forks import Finding, judge_proof, judge_run, require_room_for_proof
from .ingest import (
    Proven,
    RefusedError,
    answer_to_ident,
    filled_stub,
    from_floor,
    is_duplicate,
    keeps_signature,
    prove,
    require_continuing,
    require_room_for_log,
    require_same_first_entry,
)
from .intervals import Held, missing
from .sqlite_arrivals import Arrivals, Stretch
from .sqlite_branches import settle_branches
from .sqlite_database import Database
from .sqlite_deletion import carry_out_all, without_marked
from .sqlite_entries import EntryTable, ending_columns, ending_in
from .sqlite_forks import ForkTable, SqliteMain, note_strange
from .sqlite_held import join_interval, touched_intervals
from .sqlite_quarantine import has_lost_head, reclaim
from .sqlite_standing import change_counter, held_records, settle, standing_by
from .standings import (
    KindedRecord,
    ending_of,
    floor_of,
    parted,
    require_room_beside,
    standing_kept,
)

OWN: Final = "own"
"""How own entries came."""


class _Log(NamedTuple):
    """A log that is written to."""

    n: int | None
    """None: nothing of it is held yet."""
    key: LogKey
    device: int
    own: bool
    """Whether the device writes here."""
    identity: int
    head: LogHead
    ending: LogEnding | None
    """Where a record ends it."""
    floor: int = 0
    """What lies below was evicted and is not taken."""


class Intake:
    """Writes one batch inside one transaction; `finish` ends it."""

    def __init__(
        self,
        database: Database,
        *,
        received_ms: int,
        via: str,
        check: SignatureCheck = signed_by,
    ) -> None:
        """Begin a batch.

        Args:
            check: how the signatures of records are checked.
        """
        self._database = database
        self._check = check
        self._standings: dict[int, Standing] = {}
        self._received_ms = received_ms
        self._via = via
        self._forks = ForkTable(database)
        self._some_forked = self._forks.has_any()
        self._entries = EntryTable(database)
        self._arrivals = Arrivals(database, received_ms=received_ms, via=via)
        self._changed = change_counter(database) + 1
        self.settled: Final[list[int]] = []
        """Numbers of the identities whose standing may be another one now."""
        self._payload_bytes: Counter[int] = Counter()
        """What each log gained, by its number."""
        self._unsettled_branches: set[int] = set()
        """Logs of which another branch may be the one that their end selects."""
        self._moved_forks: set[int] = set()
        """Forked logs that end elsewhere than before."""
        self._own_logs: set[int] = set()
        """Logs of this node of which a peer brought something."""

    def take(self, item: Item) -> Ingested:
        """Prove and write one item; one that is refused changes nothing."""
        try:
            if isinstance(item, ForkProof):
                return self._take_proof(item)
            return self._take_run(item) if isinstance(item, Run) else self._take_ident(item)
        except RefusedError as refused:
            return refused.answer

    def append(self, key: LogKey, signed: Sequence[tuple[Entry, bytes]]) -> None:
        """Write own entries with their signatures, all of which are kept.

        Raises:
            ValueError: they do not continue the head of their log, or its device is unknown.
        """
        log = self._log(key)
        if log is None:
            raise ValueError("an entry of a device that no identity certified here")
        if log.own and has_lost_head(self._database, log.n or 0, log.head.seq):
            raise LostHeadError
        require_continuing(key, log.head, signed)
        if not signed:
            return
        proven = Proven([entry for entry, _ in signed], signed[-1][1])
        touched = [] if log.n is None else self._touched(log.n, log.head.seq, log.head.seq)
        signatures = {entry.seq: signature for entry, signature in signed}
        self._keep(log, log.head.id, proven, touched, signatures)
        if not log.own:
            self._database.write("UPDATE device SET own = 1 WHERE n = ?", (log.device,))

    def finish(self) -> None:
        """Write what waits, and let the records that entries brought take effect."""
        self._arrivals.write()
        self._database.write_many(
            "UPDATE log SET payload_bytes = payload_bytes + ?, header_bytes = header_bytes + ?"
            " WHERE n = ?",
            [
                (gained, self._arrivals.header_bytes[log], log)
                for log, gained in self._payload_bytes.items()
            ],
        )
        for log in self._own_logs:
            reclaim(self._database, log)
        if self._via != OWN:
            note_strange(self._database, self._own_logs)
        for identity, records in self._arrivals.records.items():
            self._settle(identity, records)
        for log in sorted(self._unsettled_branches | self._moved_forks):
            moved = log in self._moved_forks
            settle_branches(self._database, log, changed=self._changed, moved=moved)

    # Logs

    def _log(self, key: LogKey) -> _Log | None:
        """Find a log, or where it would belong; None if its device is unknown."""
        found = self._database.row(
            "SELECT d.n, d.own, d.identity, l.n, l.seq, l.head, l.lamport,"
            " l.floor, l.end_seq, l.end_id, l.end_why, l.end_record"
            " FROM device AS d LEFT JOIN log AS l ON l.id = ? WHERE d.key = ?",
            (log_id(*key), key.device),
        )
        if found is None:
            return None
        device, own, identity, n, seq, head, lamport, floor, *end = found
        if n is None:
            ending = self._ending_of_new(identity, key)
            return _Log(None, key, device, own, identity, EMPTY_LOG, ending)
        newest = LogHead(seq, head, lamport)
        ending = ending_in(end)
        return _Log(n, key, device, own, identity, newest, ending, floor_of(floor, ending))

    def _ending_of_new(self, identity: int, key: LogKey) -> LogEnding | None:
        if not self._has_records(identity):
            return None
        standing = self._standings.get(identity)
        if standing is None:
            records = held_records(self._database, identity)
            standing = standing_by(self._database, identity, records, self._check)
            self._standings[identity] = standing
        return ending_of(standing, *key)

    def _touched(self, log: int, first: int, last: int) -> list[Held]:
        """Return the held intervals that overlap or adjoin ``first..last``."""
        return touched_intervals(self._database, log, first, last)

    # Runs

    def _take_run(self, run: Run) -> Ingested:
        log = self._log(LogKey(run.device, run.channel))
        if log is None:
            raise RefusedError(Outcome.UNATTRIBUTED, "nobody vouches for its device here")
        if log.n is None:
            self._check_room(log.device)
        if run.last < log.floor:
            raise RefusedError(Outcome.UNWANTED, "there is no room here for what lies so deep")
        vouched = None
        if log.n is not None and self._some_forked:
            judged = self._judge_run(log.n, log, run, forked_before=True)
            if isinstance(judged, Ingested):
                return judged
            run, vouched = judged
        touched = [] if log.n is None else self._touched(log.n, run.first, run.last)
        id_at = partial(self._id_at, log.n or 0)
        if (
            touched
            and is_duplicate(run, touched, id_at, log.ending)
            and not self._has_stubs(log, run)
        ):
            return Ingested(Outcome.DUPLICATE, 0, 0, "")
        try:
            proven = prove(run, touched, id_at, log.ending, vouched)
        except RefusedError as refused:
            if log.n is None or refused.answer.outcome is not Outcome.CONFLICT:
                raise
            judged = self._judge_run(log.n, log, run, forked_before=False)
            if not isinstance(judged, Ingested):
                raise
            return judged
        kept = proven.signature if keeps_signature(run.last) else None
        proven, prev = from_floor(proven, run.prev, log.floor)
        return self._keep(log, prev, proven, touched, {run.last: kept} if kept else {})

    # Forks

    def _judge_run(
        self, n: int, log: _Log, run: Run, *, forked_before: bool
    ) -> Ingested | tuple[Run, tuple[int, bytes] | None]:
        """Take a run of a log that is or may be forked, or return it as an ordinary part, with
        the entry for which a proof vouches."""
        fork = self._forks.load(n)
        if forked_before != (fork is not None):
            return run, None
        self._arrivals.write()
        main = SqliteMain(self._database, n, log.key)
        found = judge_run(
            log.key, run, main, fork, log.ending, received_ms=self._received_ms, via=self._via
        )
        if fork is not None and log.ending is not None:
            self._unsettled_branches.add(n)
        if isinstance(found, Run):
            return found, None if fork is None else fork.vouched
        return self._keep_fork(log, found)

    def _take_proof(self, proof: ForkProof) -> Ingested:
        log = self._log(LogKey(proof.device, proof.channel))
        if log is None:
            raise RefusedError(Outcome.UNATTRIBUTED, "nobody vouches for its device here")
        self._arrivals.write()
        if log.n is None:
            self._check_room(log.device)
        main = SqliteMain(self._database, log.n or 0, log.key)
        fork = None if log.n is None else self._forks.load(log.n)
        found = judge_proof(
            proof, main, fork, log.ending, received_ms=self._received_ms, via=self._via
        )
        return self._keep_fork(log, found)

    def _keep_fork(self, log: _Log, found: Finding) -> Ingested:
        fork = found.fork
        if fork.proof_changed:
            others = self._forks.proof_bytes(log.identity, besides=log.n or 0)
            require_room_for_proof(others + len(fork.proof.encode()))
            self._some_forked = True
        n = self._new_log(log, EMPTY_LOG) if log.n is None else log.n
        self._forks.save(n, fork, self._changed)
        if log.ending is not None:
            self._unsettled_branches.add(n)
        if found.answer.outcome in (Outcome.FORKED, Outcome.STORED):
            self._note_elsewhere(log)
        return found.answer

    def _note_elsewhere(self, log: _Log) -> None:
        """Remember that somebody else signs with the key of a device that writes here."""
        if log.own and self._via != OWN:
            self._database.write("UPDATE device SET elsewhere = 1 WHERE n = ?", (log.device,))

    def _id_at(self, log: int, seq: int) -> bytes:
        waiting = (stretch.id_at(seq) for stretch in self._arrivals.waiting(log))
        return next(filter(None, waiting), None) or self._entries.id_at(log, seq)

    def _has_stubs(self, log: _Log, run: Run) -> bool:
        n = log.n or 0
        held = (placed.entry for placed in self._entries.newest_first(n, run.first, run.last))
        waiting = (stretch.entries for stretch in self._arrivals.waiting(n))
        return any(entry.payload is None for entry in chain(held, *waiting))

    def _keep(
        self,
        log: _Log,
        prev: bytes,
        proven: Proven,
        touched: Sequence[Held],
        signatures: Mapping[int, bytes],
    ) -> Ingested:
        """Write what is new of proven entries.

        Args:
            prev: id of the entry before the first.
            touched: the held intervals that they overlap or adjoin.
            signatures: those to be kept for good, by sequence number.
        """
        taken = without_marked(self._database, log_id(*log.key), log.key.channel, proven.entries)
        entries, newest = list(taken), proven.entries[-1]
        n = self._new_log(log, newest) if log.n is None else log.n
        filled: list[Entry] = []
        if any(each.last >= entries[0].seq and each.first <= newest.seq for each in touched):
            filled, kept = self._take_stubs(n, entries)
            signatures = {**signatures, **kept}
            gaps = list(missing(entries[0].seq, newest.seq, touched))
            entries = [e for e in entries if any(gap.first <= e.seq <= gap.last for gap in gaps)]
        written = sorted((*entries, *filled)) if filled else entries
        if not written:
            return Ingested(Outcome.DUPLICATE, 0, 0, "")
        # What was written here and filled again by a peer is no sign of a copy of this home.
        for own, these in ((True, filled), (False, entries)) if log.own else ((False, written),):
            for part, stands in zip(parted(these, log.ending), (True, False), strict=True):
                if part:
                    place = n, log.identity, log.key.channel
                    self._arrivals.add(Stretch(*place, part, signatures, stands, own))
        if entries:
            piece = Held(proven.entries[0].seq, newest.seq, prev, proven.signature)
            join_interval(self._database, n, piece, touched)
            if log.n is not None and newest.seq > log.head.seq:
                self._database.write(
                    "UPDATE log SET seq = ?, head = ?, lamport = ?, changed = ? WHERE n = ?",
                    (newest.seq, newest.id, newest.lamport, self._changed, n),
                )
            elif log.n is not None and log.ending is not None:
                # Below what is void the newest entry that stands may be another one now.
                self._database.write("UPDATE log SET changed = ? WHERE n = ?", (self._changed, n))
        sizes = [entry.size for entry in written if entry.payload is not None]
        self._payload_bytes[n] += sum(sizes)
        if log.own:
            self._own_logs.add(n)
        return Ingested(Outcome.STORED, len(entries), len(sizes), "")

    def _check_room(self, device: int) -> None:
        (logs,) = self._database.row("SELECT count(*) FROM log WHERE device = ?", (device,))
        require_room_for_log(logs)

    def _new_log(self, log: _Log, newest: Entry | LogHead) -> int:
        return self._database.insert(
            "INSERT INTO log (id, device, channel, seq, head, lamport, changed,"
            " end_seq, end_id, end_why, end_record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                log_id(*log.key),
                log.device,
                log.key.channel,
                newest.seq,
                newest.id,
                newest.lamport,
                self._changed,
                *ending_columns(log.ending),
            ),
        )

    def _take_stubs(
        self, log: int, entries: Sequence[Entry]
    ) -> tuple[list[Entry], dict[int, bytes]]:
        """Take held stubs out of the table for which entries bring the payload.

        Returns:
            Those entries, to be written anew, and the signatures kept with the stubs.
        """
        self._arrivals.write()
        first, filled, signatures = entries[0].seq, list[Entry](), dict[int, bytes]()
        for n, signature, stub in list(self._entries.newest_first(log, first, entries[-1].seq)):
            entry = entries[stub.seq - first]
            if stub.payload is not None or entry.payload is None:
                continue
            held_ms = self._received_ms - self._entries.received_ms(n)
            filled.append(filled_stub(stub, held_ms, entry))
            if signature is not None:
                signatures[stub.seq] = signature
            self._entries.take_out(n)
        return filled, signatures

    # Identities

    def _take_ident(self, ident: VerifiedIdent) -> Ingested:
        found = self._database.row("SELECT n FROM identity WHERE id = ?", (ident.identity,))
        identity: int | None = found and found[0]
        standing = None
        if ident.records or self._has_records(identity):
            self._arrivals.write()
            standing = self._standing_with(identity, ident)
        refused: list[RefusedError] = []
        added = 0
        for certified in ident.devices:
            try:
                if self._takes_back(certified):
                    added += 1
                elif self._is_new_device(identity, certified, standing):
                    identity = identity or self._new_identity(ident)
                    self._add_device(identity, certified)
                    added += 1
            except RefusedError as error:
                refused.append(error)
        if added and identity is not None:
            self.settled.append(identity)
            self._carry_out_orders(identity)
        records = False
        if identity is not None and standing is not None:
            self._arrivals.write()
            records = self._settle(identity, ident.records)
        return answer_to_ident(added, records, refused)

    def _takes_back(self, certified: CertifiedDevice) -> bool:
        """Take up entry 0 of a known device again if it was lost here; return whether it was.

        Raises:
            RefusedError: another entry 0 belongs to what is held.
        """
        known = self._log(LogKey(certified.certificate.device, CHANNEL_IDENTITY))
        signature = certified.run.signature
        if known is None or signature is None:
            return False
        touched = [] if known.n is None else self._touched(known.n, 0, 0)
        if any(each.first == 0 for each in touched):
            return False
        for each in touched:
            require_same_first_entry(each.prev, certified.first_entry.id)
        self._keep(
            known, ZERO_HASH, Proven([certified.first_entry], signature), touched, {0: signature}
        )
        return True

    def _carry_out_orders(self, identity: int) -> None:
        """A new device may be one whose entries were ordered to be deleted before it was known."""
        if self._database.row("SELECT 1 FROM deletion WHERE identity = ? LIMIT 1", (identity,)):
            self._arrivals.write()
            carry_out_all(self._database, identity)

    def _has_records(self, identity: int | None) -> bool:
        found = self._database.row("SELECT 1 FROM record WHERE identity = ? LIMIT 1", (identity,))
        return found is not None

    def _standing_with(self, identity: int | None, ident: VerifiedIdent) -> Standing:
        """Decide what would stand with all that an identity brings."""
        brought = [device.record for device in ident.devices]
        if identity is None:
            return standing_kept(ident.inception, ident.records, brought, self._check)
        records = [*held_records(self._database, identity), *ident.records]
        return standing_by(self._database, identity, records, self._check, brought)

    def _settle(self, identity: int, records: Sequence[KindedRecord]) -> bool:
        """Let records take effect once all entries are written; see `settle`."""
        self._standings.pop(identity, None)
        self.settled.append(identity)
        settled = settle(
            self._database, identity, records, changed=self._changed, check=self._check
        )
        self._moved_forks.update(settled.forked)
        return settled.records_changed

    def _is_new_device(
        self, identity: int | None, certified: CertifiedDevice, standing: Standing | None
    ) -> bool:
        """Say whether a device has to be added.

        Raises:
            RefusedError: it belongs to another identity, or there are too many.
        """
        device = certified.certificate.device
        known = self._log(LogKey(device, CHANNEL_IDENTITY))
        if known is not None:
            first_id = self._id_at(known.n or 0, 0)
            require_same_first_entry(first_id, certified.first_entry.id)
            return False
        rows = self._database.rows("SELECT key FROM device WHERE identity = ?", (identity,))
        require_room_beside(standing, [key for (key,) in rows], device)
        return True

    def _new_identity(self, ident: VerifiedIdent) -> int:
        return self._database.insert(
            "INSERT INTO identity (id, inception) VALUES (?, ?)",
            (ident.identity, ident.inception.encode()),
        )

    def _add_device(self, identity: int, certified: CertifiedDevice) -> None:
        certificate = certified.certificate
        device = self._database.insert(
            "INSERT INTO device (key, identity, box_public, label, place, own, certificate,"
            " certified) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                certificate.device,
                identity,
                certificate.box_public,
                certificate.label,
                certificate.place,
                int(self._via == OWN),
                *certified.record,
            ),
        )
        key = LogKey(certificate.device, CHANNEL_IDENTITY)
        log = _Log(None, key, device, False, identity, EMPTY_LOG, None)
        signature = certified.run.signature
        if signature is None:
            raise ValueError("a verified entry 0 without its signature")
        proven = Proven([certified.first_entry], signature)
        self._keep(log, ZERO_HASH, proven, [], {0: signature})
