"""One direction of a session: what the peer wants from us.

Everything here answers the peer or tells it what changed. Entries are read from the store
when the link has room for them, so what waits costs little memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain, islice
from typing import Final

from ..protocol.entry import CHANNEL_IDENTITY, MAX_SEQ, log_id
from ..protocol.errors import ProtocolError
from ..protocol.fork import ForkProof, proof_frames
from ..protocol.frames import (
    MAX_STATES,
    SHORT_HASH_BYTES,
    DigestFrame,
    Frame,
    Have,
    IdentFrame,
    LogHint,
    LogState,
    Receipt,
    RunFrame,
    Scope,
    WantRange,
)
from ..protocol.question_frames import More, RangesFrame
from ..protocol.roster import Roster
from ..protocol.run import MAX_RUN_BYTES
from ..protocol.sketch import SketchPart
from ..protocol.version_sketch import LogDelta
from ..store.base import LogKey, LogStore
from .delivered import SentLog
from .depth import lowest_wanted, only_headers, stubs_of
from .offers import OfferIndex, Offers
from .outbox import Outbox
from .progress import Progress
from .questions import Teller

MAX_RANGES_PER_LOG: Final = 4
SPARE_RANGES: Final = 1024
"""Ranges that wait for one peer at most: four for each log offered to it, and these besides."""

MAX_IN_FLIGHT: Final = 1024
"""Runs sent and not yet confirmed; more wait, so a silent peer costs no more than this."""


class Outgoing:
    """What the peer wants from us, from its digest to the last confirmed run."""

    def __init__(self, store: LogStore, offers: Offers, progress: Progress) -> None:
        self._store = store
        self._offers = offers
        self._progress = progress
        self._outbox = Outbox(store)
        self._answers: deque[Frame] = deque()
        self._proofs: deque[Frame] = deque()
        """Fork proofs, which go before everything else."""
        self._proofs_counter = 0
        """Change counter of the store up to which its proofs were looked at."""
        self._known_proofs: set[bytes] = set()
        """Those that the peer has sent or was sent."""
        self._index: OfferIndex | None = None
        self._position = 0
        self._changed = False
        self._digest_due = False
        self._told_digest = b""
        self._told_counter = 0
        self._wants_taken = 0
        self._queued: dict[bytes, int] = {}
        """Up to where the logs were wanted that waited here in this session."""
        self._teller = Teller(known=False)
        self._runs_sent = 0
        self._runs_confirmed = 0
        self.sent: Final = SentLog()
        """What the peer was sent and has not confirmed."""
        self._peer_complete = False
        self._introduced: set[bytes] = set()
        self._peer_has: dict[bytes, int] = {}
        self._peer_records: dict[bytes, bytes] = {}
        self.roster: Roster | None = None
        self.confirmed_counter = 0
        """Change counter of the store up to which the peer has all that it wants."""

    def met_before(self) -> None:
        """The peer is remembered: it may send large sketches."""
        self._teller = Teller(known=True)

    def set_roster(self, roster: Roster, *, acked: int) -> None:
        """The peer wants this from now on: tell it the digest of what we have of it.

        Args:
            acked: our change counter up to which the peer has confirmed everything under this
                roster; fork proofs that came later go first.
        """
        self.roster = roster
        self._queue_proofs(acked)
        self._outbox.forget_unmet()
        self._index = self._offers.index(roster)
        self._position = self._index.position
        self._digest_due = True
        self._peer_complete = False

    def greeting_digest(self) -> bytes:
        """Return the digest of the offer, to be said in a HELLO; empty if there is no roster."""
        frame = self._digest_frame()
        self._digest_due = False
        return b"" if frame is None else frame.digest

    def agreed(self) -> None:
        """The peer holds just what is offered, or said that it wants nothing of it."""
        self._peer_complete = True
        if self.complete:
            self.confirmed_counter = self._told_counter

    @property
    def quiet(self) -> bool:
        """Nothing is on its way to the peer, or about to be."""
        return (
            not (self._outbox or self._changed or self._answers or self._proofs)
            and self._runs_confirmed == self._runs_sent
        )

    @property
    def complete(self) -> bool:
        """The peer has confirmed everything that it wants and we have."""
        return self._peer_complete and not self._digest_due and self.quiet

    def offers_changed(self) -> None:
        """What may be offered is another now: tell its digest, if it is news."""
        if self.roster is None:
            return
        before, self._index = self._index, self._offers.index(self.roster)
        if self._index is not before:
            self._position = self._index.position
            if self._index.digest() != self._told_digest:
                self._digest_due = True
                self._peer_complete = False

    @property
    def chosen(self) -> Roster | None:
        """The part of its roster that is offered to the peer; None: not known yet."""
        return None if self.roster is None else self._offers.chosen(self.roster)

    @property
    def offered(self) -> bytes:
        """Hash of that part; empty: not known yet."""
        chosen = self.chosen
        return b"" if chosen is None else chosen.hash

    def _offers_log(self, identity: bytes, channel: int) -> bool:
        """Say whether the peer wants a log, and may have it."""
        return (
            self.roster is not None
            and identity not in self._offers.blocked
            and self.roster.wants(identity, channel)
        )

    def store_changed(self) -> None:
        """Something new may be held: offer it when the link has room."""
        self._changed = self._index is not None

    def peer_proved(self, proof: ForkProof) -> None:
        """The peer has sent this fork proof: never send that back to it."""
        self._known_proofs.add(proof.encode())

    def peer_holds(self, log: bytes, seq: int) -> None:
        """The peer showed that it has a log up to ``seq``: never push that back to it."""
        if seq > self._peer_has.get(log, -1):
            self._peer_has[log] = seq

    def offer_again(self) -> None:
        """What the peer sent has changed the offer that it compares with: tell it the digest."""
        if self._index is not None and not self._peer_complete:
            self._index.refresh()
            self._digest_due |= self._index.digest() != self._told_digest

    def reconcile(self) -> None:
        """The peer holds next to nothing of the offer: answer with all states."""
        self._answers.clear()
        states = [_hint(state) for state in self._offered().states()]
        self._tell(Scope.ALL, states)

    def _offered(self) -> OfferIndex:
        if self._index is None:
            raise ProtocolError("the peer asked for states before it said what it wants")
        self._index.refresh()
        return self._index

    def _tell(self, scope: Scope, states: list[LogHint]) -> None:
        for start in range(0, max(1, len(states)), MAX_STATES):
            part = tuple(states[start : start + MAX_STATES])
            self._answers.append(Have(scope, start + MAX_STATES >= len(states), part))

    def sketch(self, part: SketchPart) -> list[LogHint]:
        """The peer told what it holds: send what it lacks.

        Returns:
            Where the peer seems to be ahead of us.
        """
        index = self._offered()
        if part.digest != self._told_digest[:SHORT_HASH_BYTES]:
            return []  # a newer digest is on its way, and the peer will ask about that
        found = self._teller.read(index, part)
        if isinstance(found, More):
            self._answers.append(found)
            return []
        self._position = index.position
        self._told_counter = index.counter
        ahead: list[LogHint] = []
        hints: list[LogHint] = []
        for delta in found:
            self._answer_delta(index, delta, hints, ahead)
        self._tell(Scope.NAMED, hints)
        self._digest_due = True
        self._peer_complete = False
        return ahead

    def _answer_delta(
        self, index: OfferIndex, delta: LogDelta, hints: list[LogHint], ahead: list[LogHint]
    ) -> None:
        """Send what a peer lacks of a log that differs; what cannot be sent unasked is told."""
        for place in delta.places:
            state = index.state(place.log)
            if state is None:
                continue
            key = self._store.log_key(state.log)
            if key is None:
                self._want_records(state.log)
                ahead.append(LogHint(state.log, 0, bytes(SHORT_HASH_BYTES)))
            elif len(delta.places) > 1 or not state.id or self._store.ending(key) is not None:
                hints.append(_hint(state))
                self._queue_proof_of(key)
            elif delta.theirs > delta.ours:
                seen = min(delta.theirs - 1, MAX_SEQ)
                ahead.append(LogHint(state.log, seen, bytes(SHORT_HASH_BYTES)))
            else:
                self._push_from(key, delta.theirs, state)

    def _push_from(self, key: LogKey, first: int, state: LogState) -> None:
        """Let a log wait from an entry on, as far as it did not do so before."""
        first = max(
            first,
            self._queued.get(state.log, -1) + 1,
            self._has(state.log) + 1,
            self._lowest_wanted(key, state.seq),
        )
        if first <= state.seq:
            self._queued[state.log] = state.seq
            self._outbox.add(key, first, state.seq, end_known=False)

    def still_absent(self, names: frozenset[bytes]) -> frozenset[bytes]:
        """Return those logs, by their first 8 bytes, of which the peer is not known to have any."""
        if not names:
            return names
        known = (log[:SHORT_HASH_BYTES] for log in chain(self._peer_has, self._peer_records))
        return names.difference(known)

    def _lowest_wanted(self, key: LogKey, newest: int) -> int:
        identity = self._store.identity_of(key.device)
        if identity is None or self.roster is None:
            return 0
        return lowest_wanted(self.roster, identity, key.channel, newest)

    def _has(self, log: bytes) -> int:
        return self._peer_has.get(log, -1)

    def ranges(self, frame: RangesFrame) -> None:
        """The peer compares ranges with the offer; what it lacks it will want."""
        told = self._teller.answer(self._offered(), frame)
        if told.reply is not None:
            self._answers.append(told.reply)
        for ours, theirs in ((each.ours, each.theirs) for each in told.differences):
            if ours is not None and not ours.id and not (theirs is not None and theirs.frozen):
                key = self._store.log_key(ours.log)
                if key is not None:
                    self._queue_proof_of(key)

    def want(self, ranges: Iterable[WantRange]) -> None:
        """The peer wants these ranges; those that its roster does not cover are left out.

        So are those beyond what a peer can need that was told what is here; if it needs them,
        its next digest leads it to ask again.
        """
        self._wants_taken += 1
        offered = 0 if self._index is None else len(self._index)
        room = SPARE_RANGES + MAX_RANGES_PER_LOG * offered - len(self._outbox)
        for wanted in islice(ranges, max(0, room)):
            key = self._store.log_key(wanted.log)
            if key is None:
                self._want_records(wanted.log)
            elif self._covers(key) and self._holds_end(key, wanted):
                end_known = wanted.last_id is not None
                first = wanted.first
                if not first and not end_known:  # of a log that the peer does not know yet
                    first = self._lowest_wanted(key, wanted.last)
                self._queued[wanted.log] = max(wanted.last, self._queued.get(wanted.log, -1))
                self._outbox.add(
                    key,
                    first,
                    wanted.last,
                    end_known=end_known,
                    end_id=wanted.last_id,
                )
        self._digest_due = True
        self._peer_complete = False

    def _want_records(self, identity: bytes) -> None:
        """The peer wants the records of an identity, which travel in its IDENT."""
        if self._offers_log(identity, CHANNEL_IDENTITY):
            frame = self._ident_frame(identity)
            if frame is not None and frame not in self._answers:
                self._answers.append(frame)

    def _holds_end(self, key: LogKey, wanted: WantRange) -> bool:
        """Say whether the last id of a range, if the peer names it, may be the one here.

        If it is not, the log forks or the peer knows another end of it than we do, and what we
        have would not lead to what it expects.
        """
        if wanted.last_id is None or self._store.fork(key) is not None:
            return True
        return self._store.id_at(key, wanted.last) in (None, wanted.last_id)

    def peer_knows(self, identity: bytes, records: bytes) -> None:
        """The peer showed which records of an identity it has: never send it those.

        Args:
            records: the beginning of their name (8 bytes).
        """
        if self.roster is not None and self.roster.wants(identity, CHANNEL_IDENTITY):
            self._peer_records[identity] = records

    def receipt(self, receipt: Receipt) -> None:
        """The peer has dealt with more of our runs, or wants nothing more."""
        if not self._runs_confirmed <= receipt.runs <= self._runs_sent:
            raise ProtocolError("the peer confirmed runs that were never sent")
        self._runs_confirmed = receipt.runs
        self._peer_complete = receipt.complete
        if self.complete:
            self.confirmed_counter = self._told_counter

    def next_frame(self, now_ms: int) -> Frame | None:
        """Return the next frame of this direction, or None if there is nothing to send now."""
        if self._changed:
            self._queue_changes()
        if self._proofs:
            return self._proofs.popleft()
        if self._answers:
            return self._answers.popleft()
        while self._outbox and self._runs_sent - self._runs_confirmed < MAX_IN_FLIGHT:
            frame = self._next_run(now_ms)
            if frame is not None:
                return frame
        if self._digest_due and not self._outbox:
            self._digest_due = False
            return self._digest_frame()
        return None

    def closing_digest(self) -> Frame | None:
        """Return the digest of all that the peer has confirmed, if it does not know it yet."""
        if self._index is None or not self.complete:
            return None
        self._index.refresh()
        return None if self._index.digest() == self._told_digest else self._digest_frame()

    def _covers(self, key: LogKey) -> bool:
        identity = self._store.identity_of(key.device)
        return identity is not None and self._offers_log(identity, key.channel)

    def _digest_frame(self) -> DigestFrame | None:
        if self._index is None or self.roster is None:
            return None
        self._index.refresh()
        self._position = self._index.position
        self._told_counter = self._index.counter
        self._told_digest = self._index.digest()
        return DigestFrame(
            self.roster.hash[:SHORT_HASH_BYTES], self._wants_taken, self._told_digest
        )

    def _queue_changes(self) -> None:
        """Put what is new since the last look into the outbox, or fall back to the digest."""
        self._changed = False
        if self._index is None:
            return
        self._outbox.retry()
        self._digest_due |= self._queue_proofs(self._proofs_counter)
        self._index.refresh()
        changes = self._index.changes_after(self._position)
        self._position = self._index.position
        self._told_counter = self._index.counter
        if changes is None:
            self._digest_due = True
            return
        for change in changes:
            self._push(change.before, change.state)

    def _queue_proofs(self, since: int) -> bool:
        """Let the fork proofs wait that came after a change; return whether there was one."""
        if self.roster is None:
            return False
        self._proofs_counter = self._store.change_counter
        queued = len(self._proofs)
        for proof in self._store.forks(self._offers.chosen(self.roster), since=since):
            self._queue_proof(proof)
        return len(self._proofs) > queued

    def _queue_proof_of(self, key: LogKey) -> None:
        proof = self._store.fork(key)
        if proof is not None:
            self._queue_proof(proof)

    def _queue_proof(self, proof: ForkProof) -> None:
        """Let a fork proof wait that the peer has neither sent nor been sent."""
        data = proof.encode()
        if data in self._known_proofs:
            return
        self._known_proofs.add(data)
        if proof.device not in self._introduced:
            introduction = self._introduction(proof.device)
            self._proofs.extend([introduction] if introduction is not None else [])
        self._proofs.extend(proof_frames(proof))

    def _push(self, before: int, state: LogState) -> None:
        """Put what is new of a log into the outbox, or the records of an identity before it.

        What a log has lost, or where it ends now, the digest tells: only who knows the record
        that ended it can ask for its end.
        """
        key = self._store.log_key(state.log)
        if key is None:
            if self._peer_records.get(state.log) != state.id[:SHORT_HASH_BYTES]:
                self._want_records(state.log)
            return
        last = state.seq if state.id else state.seq - 1
        if (state.id and state.seq <= before) or self._store.ending(key) is not None:
            self._digest_due = True
            self._peer_complete = False
            return
        first = max(max(before, self._has(state.log)) + 1, self._lowest_wanted(key, last))
        if first <= last:
            self._queued[state.log] = max(last, self._queued.get(state.log, -1))
            self._outbox.add(key, first, last, end_known=False)

    def _next_run(self, now_ms: int) -> Frame | None:
        """Return the IDENT that must go first, or the next run; None if the range was empty."""
        waiting = self._outbox.next_log()
        if waiting is None:
            return None
        key, first = waiting
        if first == 0:
            if key.device not in self._introduced:
                return self._introduction(key.device)
            if key.channel == CHANNEL_IDENTITY:
                self._outbox.drop_first_entry()
                return None
        run = self._outbox.pop_run(max_bytes=MAX_RUN_BYTES, now_ms=now_ms)
        if run is None:
            return None
        identity = self._store.identity_of(key.device)
        if identity and self.roster and only_headers(self.roster, identity, key.channel):
            run = stubs_of(run)
        self._runs_sent += 1
        self._progress.runs_out += 1
        self._progress.entries_out += run.count
        self._progress.payload_bytes_out += len(run.bodies)
        log = log_id(run.device, run.channel)
        self.peer_holds(log, run.last)
        self.sent.add(log, run.first, run.last)
        return RunFrame(run.encode())

    def _introduction(self, device: bytes) -> Frame | None:
        """Return the IDENT of a device, which proves whose the run behind it is."""
        self._introduced.add(device)
        identity = self._store.identity_of(device)
        return None if identity is None else self._ident_frame(identity)

    def _ident_frame(self, identity: bytes) -> IdentFrame | None:
        """Return what proves the devices of an identity, with its records."""
        ident = self._store.ident(identity)
        if ident is None:
            return None
        for run in ident.first_entries:
            self._introduced.add(run.device)
            self.peer_holds(log_id(run.device, CHANNEL_IDENTITY), 0)
        self._progress.idents_out += 1
        self._progress.entries_out += len(ident.first_entries)
        return IdentFrame(ident.encode())


def _hint(state: LogState) -> LogHint:
    return LogHint(state.log, state.seq, state.id[:SHORT_HASH_BYTES])
