"""One direction of a session: what we want from the peer.

The peer's digest is the judge. Where it differs from ours we send a sketch of what we hold, and
the peer sends what we lack; where it still differs, ranges find the rest, which we want. A digest
after which we wanted nothing more is remembered, because a peer may lack things that we have.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from ..protocol.entry import CHANNEL_IDENTITY, log_id
from ..protocol.errors import IntegrityError, ProtocolError
from ..protocol.fork import ForkProof, ProofAssembly
from ..protocol.frames import (
    MAX_WANTS,
    SHORT_HASH_BYTES,
    DigestFrame,
    Frame,
    Have,
    LogHint,
    ProofFrame,
    Receipt,
    Want,
    WantRange,
)
from ..protocol.hashing import PERSON_RANGE, hash32
from ..protocol.ident import VerifiedIdent, decode_ident, records_id, verify_ident
from ..protocol.question_frames import MAX_QUESTION, More, RangesFrame, Reconcile, SketchFrame
from ..protocol.range_messages import SALT_BYTES
from ..protocol.reconcile import Reconciler
from ..protocol.roster import Roster
from ..protocol.run import Run, decode_run
from ..store.base import Ingested, Item, LogKey, LogStore, Outcome
from .depth import wanted_holes
from .missing import Missing
from .offers import OfferIndex, Offers
from .progress import Progress
from .questions import SketchQuestion

COMMIT_BYTES: Final = 1 << 20
"""Staged bytes at which a commit is due: large enough for one fsync per thousand posts."""

STATE_BYTES: Final = 50
"""What a listed state counts towards a commit: its most bytes on the wire."""

MAX_ROUNDS: Final = 8
"""Questions about one offer; a peer that always differs gets no more."""

MAX_IDLE_QUESTIONS: Final = 64
"""Questions in one session that brought nothing."""

FEW_LOGS: Final = 8
"""Who holds no more of what it wants asks for the list of all states at once."""

MAX_ABSENT: Final = 8192
"""Logs that a peer is remembered not to offer though we hold them; 8 bytes each."""

MAX_FORK_ROUNDS: Final = 64
"""How often in a session a fork that was found lets us ask anew what its branches lack; each
time a branch is followed down by up to a block."""

MAX_WANTED_RANGES: Final = 131_072
"""Ranges asked for in one round: two for each row of the largest roster."""


class Phase(Enum):
    """Where this direction stands."""

    AWAITING_DIGEST = auto()
    AWAITING_STATES = auto()
    FETCHING = auto()
    COMPLETE = auto()


class Incoming:
    """What we want from the peer, from its digest to the last committed run."""

    def __init__(
        self,
        store: LogStore,
        offers: Offers,
        roster: Roster,
        progress: Progress,
        *,
        own_identity: bytes,
        via: str,
        salt: bytes,
    ) -> None:
        self._store = store
        self._offers = offers
        self._progress = progress
        self._own_identity = own_identity
        self._via = via
        self._staged: list[Item] = []
        self._assembly = ProofAssembly()
        self._staged_bytes = 0
        self._staged_devices: dict[bytes, bytes] = {}
        self._states: list[LogHint] = []
        self._digest = b""
        self._digest_pending = False
        self._wants_sent = 0
        self._salt = salt
        self._last_part: Have | None = None
        self._missing = Missing(store, offers, own_identity)
        self._rounds = 0
        self._sketch: SketchQuestion | None = None
        self._ranges: Reconciler | None = None
        self._reconciliations = 0
        self._stale_left = MAX_ROUNDS
        self._idle_left = MAX_IDLE_QUESTIONS
        self._asked_digest = b""
        """What the last question was about."""
        self._listed: set[bytes] = set()
        """Logs of ours that the list of the peer named so far."""
        self._was_exact = False
        """The last question was one whose answer names every difference."""
        self._ranges_this_round = 0
        self._stored_at_round = 0
        self._forks_at_round = 0
        self._holes_asked = False
        self._fork_rounds_left = MAX_FORK_ROUNDS
        self._unproven: dict[bytes, WantRange | None] = {}
        """What a record alone proves and what is held contradicts, by log: to be asked for once
        with a signature, which proves the fork; None: it was asked for."""
        self._runs_taken = 0
        self._receipt_due = False
        self.phase = Phase.AWAITING_DIGEST
        self.roster = roster
        self.satisfied = b""
        """The peer's digest after which nothing more was wanted; a hint for the next session."""
        self.absent: frozenset[bytes] = frozenset()
        """Logs, by their first 8 bytes, that we hold and the peer did not offer; a hint."""
        self.known = False
        """The two have met before."""
        self.expected: int | None = None
        """Logs that are likely to differ, by what is remembered; None: nothing is."""

    def set_roster(self, roster: Roster) -> None:
        """We want something else now; the peer's next digest will answer it."""
        self.roster = roster
        self.phase = Phase.AWAITING_DIGEST
        self._rounds = 0
        self._holes_asked = False
        self._sketch = self._ranges = None
        self.satisfied = b""
        self.absent = frozenset()

    def restart(self) -> None:
        """The peer did not know what we want: its next digest answers that."""
        self.phase = Phase.AWAITING_DIGEST
        self._holes_asked = False  # what it sent for them was as deep as it thought
        self._sketch = self._ranges = None
        self._digest_pending = False

    def held_digest(self) -> bytes:
        """Return the digest of an offer of which nothing would be wanted, or nothing."""
        if next(wanted_holes(self._store, self.roster), None) is not None:
            return b""
        return self.satisfied or self._offers.index(self.roster).digest()

    def agreed(self, digest: bytes) -> None:
        """The peer offers what we said that we hold (`held_digest`)."""
        self._digest = self.satisfied = digest
        self.phase = Phase.COMPLETE

    @property
    def deferred(self) -> bool:
        """A digest waits to be judged until the peer has what we send it."""
        return self._digest_pending

    @property
    def complete(self) -> bool:
        """Nothing more is wanted of what the peer offered last."""
        return self.phase is Phase.COMPLETE and not self._staged

    @property
    def wants_commit(self) -> bool:
        """So much is staged that it should be committed before more is read."""
        return self._staged_bytes >= COMMIT_BYTES

    def stage_ident(self, body: bytes) -> tuple[bytes, bytes] | None:
        """Verify an IDENT of someone in our roster and stage it.

        Returns:
            The identity and the beginning of the name of its records; None: nobody wants it.
        """
        ident = decode_ident(body)
        if not self._cares_for(ident.identity, CHANNEL_IDENTITY):
            return None
        name = records_id(record.hash for _, record in ident.records)[:SHORT_HASH_BYTES]
        known = self._store.ident(ident.identity)
        if known is not None and known.encode() == body:
            return ident.identity, name
        verified = verify_ident(ident)
        self._staged.append(verified)
        for device in verified.devices:
            self._staged_devices[device.run.device] = verified.identity
        self._staged_bytes += len(body)
        self._progress.idents_in += 1
        return verified.identity, name

    def stage_run(self, body: bytes) -> None:
        """Stage a run; it is proven when it is committed."""
        self._staged.append(decode_run(body))
        self._staged_bytes += len(body)
        self._receipt_due = True

    def stage_proof(self, frame: ProofFrame) -> ForkProof | None:
        """Stage the fork proof that a frame ends; its signatures are checked by the commit.

        Raises:
            DecodeError: not a proof.
        """
        proof = self._assembly.add(frame)
        self._staged_bytes += len(frame.data)
        if proof is not None:
            self._staged.append(proof)
        return proof

    def take_digest(self, frame: DigestFrame) -> None:
        """The peer says what it offers; judged at the next commit."""
        if frame.wants == self._wants_sent:  # else it is older than our wants, and another follows
            self._digest = frame.digest
            self._digest_pending = True

    def take_states(self, frame: Have) -> None:
        """The peer lists states; compared at the next commit."""
        if self.phase is not Phase.AWAITING_STATES:
            return  # it answers a question that a newer roster made void
        self._states.extend(frame.states)
        self._staged_bytes += STATE_BYTES * len(frame.states)
        self._last_part = frame

    def take_more(self, frame: More) -> list[Frame]:
        """The peer could not read a sketch: return what has to be said to that."""
        if self._sketch is None or self.phase is not Phase.AWAITING_STATES:
            return []
        part = self._sketch.more(frame.shards) if frame.again else None
        if part is None:
            return self._begin_ranges()
        return [SketchFrame(part.body())]

    def take_ranges(self, frame: RangesFrame) -> list[Frame]:
        """The peer goes on comparing ranges; return what has to be said to that."""
        number = self._reconciliations
        if self._ranges is None or self._ranges.finished or frame.number != number:
            return []  # of a reconciliation that a newer roster made void
        message = self._ranges.receive(frame.message)
        return [] if message is None else [RangesFrame(False, number, message)]

    def want_ahead(self, hints: Iterable[LogHint]) -> list[Frame]:
        """The peer's own sketch shows that it is ahead: want that, if it concerns us."""
        wanted: list[WantRange] = []
        for hint in hints:
            key = self._store.log_key(hint.log)
            identity = hint.log if key is None else self._store.identity_of(key.device)
            channel = CHANNEL_IDENTITY if key is None else key.channel
            if identity is not None and self._cares_for(identity, channel):
                wanted += self._missing.of(self.roster, hint)
        if wanted and self.phase is not Phase.AWAITING_STATES:
            self._digest_pending = False  # the peer's next digest will follow what is wanted
            self.phase = Phase.FETCHING
        return self._want(wanted)

    def remember_closing_digest(self) -> None:
        """The peer ends with the digest of its offer: remember it if it shows nothing new.

        What we confirmed may be less: a record that we sent can let logs of the peer stand again.
        """
        if self._digest_pending and self.complete and self._holds(self._digest):
            self.satisfied = self._digest
        self._digest_pending = False

    def commit(self, now_ms: int) -> list[Run]:
        """Store what was staged, in one transaction; return the runs that were dealt with.

        Raises:
            IntegrityError: a run was forged or malformed; the good ones are stored.
        """
        staged, self._staged, self._staged_bytes = self._staged, [], 0
        self._missing.forget_endings()
        wanted = [item for item in staged if isinstance(item, VerifiedIdent) or self._wants(item)]
        self._progress.refused_in += len(staged) - len(wanted)
        runs = [item for item in staged if isinstance(item, Run)]
        self._runs_taken += len(runs)
        self._progress.runs_in += len(runs)
        self._progress.payload_bytes_in += sum(len(run.bodies) for run in runs)
        if wanted:
            self._count(wanted, self._store.ingest(wanted, received_ms=now_ms, via=self._via))
        return runs

    def decide(self, *, quiet: bool) -> list[Frame]:
        """Judge digests and states that came, and return what must be answered.

        Args:
            quiet: nothing of ours is on its way to the peer. As long as something is, its digest
                need not be what it will be, and only one that agrees is believed.
        """
        frames: list[Frame] = self._want([want for want in self._unproven.values() if want])
        self._unproven = dict.fromkeys(self._unproven)
        if frames:
            self.phase = Phase.FETCHING
        if self._last_part is not None:
            frames += self._compare_states(self._last_part)
        if self._ranges is not None and self._ranges.finished:
            frames += self._compare_ranges(self._ranges)
        if any(isinstance(frame, Want) for frame in frames):
            self._digest_pending = False  # it is older than our wants: another one answers them
        if self._digest_pending:
            frames += self._judge(quiet=quiet)
        if self._receipt_due or any(isinstance(frame, Receipt) for frame in frames):
            frames = [frame for frame in frames if not isinstance(frame, Receipt)]
            frames.append(Receipt(self._runs_taken, self.complete))
        self._receipt_due = False
        return frames

    def _wants(self, item: Run | ForkProof) -> bool:
        identity = self._staged_devices.get(item.device) or self._store.identity_of(item.device)
        return identity is not None and self._cares_for(identity, item.channel)

    def _cares_for(self, identity: bytes, channel: int) -> bool:
        return identity == self._own_identity or self.roster.wants(identity, channel)

    def _count(self, items: Iterable[Item], results: Iterable[Ingested]) -> None:
        progress = self._progress
        forged = ""
        for item, result in zip(items, results, strict=True):
            if result.outcome is Outcome.FORKED or (
                isinstance(item, ForkProof) and result.outcome is Outcome.STORED
            ):
                progress.forks_in += 1
                self._look_at_branches()
            progress.entries_in += result.entries
            progress.stored_in += result.outcome is Outcome.STORED
            progress.graph_in += (
                isinstance(item, Run)
                and item.channel == CHANNEL_IDENTITY
                and result.outcome is Outcome.STORED
            )
            if result.outcome is Outcome.DUPLICATE:
                progress.duplicates_in += 1
            elif result.outcome in (
                Outcome.UNATTRIBUTED,
                Outcome.CONFLICT,
                Outcome.OVER_LIMIT,
                Outcome.UNWANTED,
            ):
                progress.refused_in += 1
                self._note_unproven(item, result)
            elif result.outcome in (Outcome.FORGED, Outcome.MALFORMED):
                forged = forged or result.reason
            progress.entries_wanted = max(0, progress.entries_wanted - result.entries)
        if forged:
            raise IntegrityError(f"the peer sent what its author never signed: {forged}")

    def _note_unproven(self, item: Item, result: Ingested) -> None:
        if not isinstance(item, Run) or item.signature or result.outcome is not Outcome.CONFLICT:
            return
        ending = self._store.ending(LogKey(item.device, item.channel))
        if ending is not None:
            log = log_id(item.device, item.channel)
            self._unproven.setdefault(log, WantRange(log, item.first, item.last, None))

    def _look_at_branches(self) -> None:
        """A fork was found or is known better: ask again what is missing of its branches."""
        if self._fork_rounds_left:
            self._fork_rounds_left -= 1
            self._holes_asked = False

    def _compare_states(self, part: Have) -> list[Frame]:
        states, self._states, self._last_part = self._states, [], None
        if self._sketch is None:
            index = self._offers.index(self.roster)
            self._listed.update(state.log for state in states if index.state(state.log))
            if part.final:
                mine = {state.log for state in index.states()}
                self._set_absent(mine - self._listed)
        ranges = [wanted for state in states for wanted in self._missing.of(self.roster, state)]
        self._ranges_this_round += len(ranges)
        if self._ranges_this_round > MAX_WANTED_RANGES:
            raise ProtocolError("the peer offers more logs than any roster can name")
        frames = self._want(ranges)
        if part.final:
            if self._ranges_this_round or self._sketch is not None:
                self.phase = Phase.FETCHING  # after a sketch what we lack comes unasked
            else:
                frames += self._finish_round()
            self._sketch = None
        return frames

    def _compare_ranges(self, ranges: Reconciler) -> list[Frame]:
        """Want what the ranges have shown to be missing, and remember what the peer has not."""
        self._ranges = None
        wanted: list[WantRange] = []
        absent: set[bytes] = set()
        for log, _, theirs in ranges.differences:
            if theirs is None:
                absent.add(log)
            else:
                # The check stands for the id: it differs where the ids do.
                told = LogHint(log, theirs.seq, b"" if theirs.frozen else theirs.check)
                wanted += self._missing.of(self.roster, told)
        self._set_absent(absent)
        if not wanted:
            return self._finish_round()
        self.phase = Phase.FETCHING
        return self._want(wanted)

    def _set_absent(self, logs: set[bytes]) -> None:
        """Remember which logs of ours the peer does not offer, unless they are too many."""
        names = (log[:SHORT_HASH_BYTES] for log in logs)
        self.absent = frozenset(names if len(logs) <= MAX_ABSENT else ())

    def _want(self, ranges: list[WantRange]) -> list[Frame]:
        self._progress.entries_wanted += sum(wanted.last - wanted.first + 1 for wanted in ranges)
        frames = [
            Want(tuple(ranges[start : start + MAX_WANTS]))
            for start in range(0, len(ranges), MAX_WANTS)
        ]
        self._wants_sent += len(frames)
        return list(frames)

    def _judge(self, *, quiet: bool) -> list[Frame]:
        """Compare the peer's last digest with ours."""
        if self.phase is Phase.AWAITING_STATES and (
            self._sketch is None or self._sketch.digest == self._digest
        ):
            self._digest_pending = False
            return []  # what is on its way will be compared first
        if self.phase is Phase.AWAITING_STATES and self._stale_left:
            self._stale_left -= 1
            self._rounds -= 1  # the sketch named a digest that was no longer the newest
        if self._holds(self._digest):
            self._rounds = 0
            return self._finish_round()
        if not quiet:
            return []
        gained = (
            self._progress.stored_in > self._stored_at_round
            or self._progress.forks_in > self._forks_at_round
        )
        if self.phase is Phase.COMPLETE:
            self._rounds = 0  # a new offer
        elif self._rounds >= MAX_ROUNDS or (
            self._rounds and self._was_exact and not gained and self._digest == self._asked_digest
        ):
            return self._finish_round()
        if not gained:
            self._idle_left -= 1
            if self._idle_left < 0:
                return self._finish_round()
        return self._ask()

    def _holds(self, digest: bytes) -> bool:
        """Say whether an offer of this digest has nothing that we lack."""
        index = self._offers.index(self.roster)
        if digest in (index.digest(), self.satisfied):
            return True
        without = self._absent_logs(index)
        return bool(without) and digest == index.digest(without=without)

    def _absent_logs(self, index: OfferIndex) -> set[bytes]:
        if not self.absent:
            return set()
        logs = (state.log for state in index.states())
        return {log for log in logs if log[:SHORT_HASH_BYTES] in self.absent}

    def _ask(self) -> list[Frame]:
        """Ask what differs: with a sketch first, by ranges if that did not explain it."""
        self._digest_pending = False
        self._asked_digest = self._digest
        self._listed.clear()
        self._rounds += 1
        self._ranges_this_round = 0
        self._stored_at_round = self._progress.stored_in
        self._forks_at_round = self._progress.forks_in
        self.phase = Phase.AWAITING_STATES
        self._ranges = None
        index = self._offers.index(self.roster)
        if len(index) <= FEW_LOGS:
            self._sketch = None
            self._was_exact = True
            return [Reconcile()]
        if self._rounds > 1:
            return self._begin_ranges()
        self._was_exact = False
        self._sketch = SketchQuestion(
            index,
            self._digest,
            differences=self.expected,
            known=self.known,
            without=self._absent_logs(index),
        )
        return [SketchFrame(self._sketch.part.body())]

    def _begin_ranges(self) -> list[Frame]:
        self._sketch = None
        self._was_exact = True
        self._reconciliations += 1
        number = self._reconciliations
        if number > MAX_QUESTION:
            return [Reconcile()]
        self._ranges = Reconciler(self._offers.index(self.roster).states())
        salt = hash32(PERSON_RANGE, self._salt + bytes((number,)))[:SALT_BYTES]
        return [RangesFrame(False, number, self._ranges.start(salt))]

    def _finish_round(self) -> list[Frame]:
        """End the exchange of states, after our own gaps were asked for once."""
        self._digest_pending = False
        if not self._holes_asked:
            self._holes_asked = True
            frames = self._want(list(wanted_holes(self._store, self.roster)))
            if frames:
                self.phase = Phase.FETCHING
                return frames
        self.phase = Phase.COMPLETE
        self.satisfied = self._digest
        self._progress.entries_wanted = 0
        return [Receipt(self._runs_taken, True)]
