"""One direction of a session: what we want from the peer.

The peer's digest is the judge. Where it differs from ours we ask for the states that changed,
then for all, want what is missing, and compare again. A digest after which we wanted nothing
more is remembered, because a peer may lack things that we have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import Final

from ..protocol.entry import MAX_SEQ
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
    Reconcile,
    Scope,
    Want,
    WantRange,
)
from ..protocol.ident import VerifiedIdent, decode_ident, records_id, verify_ident
from ..protocol.roster import Roster
from ..protocol.run import Run, decode_run
from ..store.base import Ingested, Item, LogEnding, LogStore, Outcome
from ..store.serving import within
from .endings import endings_named
from .offers import Offers
from .progress import Progress

COMMIT_BYTES: Final = 1 << 20
"""Staged bytes at which a commit is due: large enough for one fsync per thousand posts."""

STATE_BYTES: Final = 50
"""What a listed state counts towards a commit: its most bytes on the wire."""

MAX_ROUNDS: Final = 8
"""Exchanges of states in one session; a peer that always differs gets no more."""

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
        self._last_part: Have | None = None
        self._endings: dict[bytes, LogEnding] | None = None
        self._rounds = 0
        self._scope = Scope.CHANGED
        self._ranges_this_round = 0
        self._stored_at_round = 0
        self._forks_at_round = 0
        self._holes_asked = False
        self._fork_rounds_left = MAX_FORK_ROUNDS
        self._runs_taken = 0
        self._receipt_due = False
        self.phase = Phase.AWAITING_DIGEST
        self.roster = roster
        self.satisfied = b""
        """The peer's digest after which nothing more was wanted; a hint for the next session."""

    def set_roster(self, roster: Roster) -> None:
        """We want something else now; the peer's next digest will answer it."""
        self.roster = roster
        self.phase = Phase.AWAITING_DIGEST
        self._rounds = 0
        self._holes_asked = False
        self.satisfied = b""

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
        if not self._interested(ident.identity):
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
        self._digest = frame.digest
        self._digest_pending = True

    def take_states(self, frame: Have) -> None:
        """The peer lists states; compared at the next commit."""
        if self.phase is not Phase.AWAITING_STATES:
            return  # it answers a question that a newer roster made void
        self._states.extend(frame.states)
        self._staged_bytes += STATE_BYTES * len(frame.states)
        self._last_part = frame

    def remember_closing_digest(self) -> None:
        """The peer ends with the digest of what we confirmed: nothing to compare any more."""
        if self._digest_pending and self.complete:
            self.satisfied = self._digest
        self._digest_pending = False

    def commit(self, now_ms: int) -> list[Run]:
        """Store what was staged, in one transaction; return the runs that were dealt with.

        Raises:
            IntegrityError: a run was forged or malformed; the good ones are stored.
        """
        staged, self._staged, self._staged_bytes = self._staged, [], 0
        self._endings = None
        wanted = [item for item in staged if isinstance(item, VerifiedIdent) or self._wants(item)]
        self._progress.refused_in += len(staged) - len(wanted)
        runs = [item for item in staged if isinstance(item, Run)]
        self._runs_taken += len(runs)
        self._progress.runs_in += len(runs)
        self._progress.payload_bytes_in += sum(len(run.bodies) for run in runs)
        if wanted:
            self._count(wanted, self._store.ingest(wanted, received_ms=now_ms, via=self._via))
        return runs

    def decide(self) -> list[Frame]:
        """Judge digests and states that came, and return what must be answered."""
        frames: list[Frame] = []
        if self._last_part is not None:
            frames += self._compare_states(self._last_part)
        if any(isinstance(frame, Want) for frame in frames):
            self._digest_pending = False  # it is older than our wants: another one answers them
        if self._digest_pending:
            frames += self._judge()
        if self._receipt_due or any(isinstance(frame, Receipt) for frame in frames):
            frames = [frame for frame in frames if not isinstance(frame, Receipt)]
            frames.append(Receipt(self._runs_taken, self.complete))
        self._receipt_due = False
        return frames

    def _interested(self, identity: bytes) -> bool:
        return identity == self._own_identity or self.roster.wants(identity, 0)

    def _wants(self, item: Run | ForkProof) -> bool:
        identity = self._staged_devices.get(item.device) or self._store.identity_of(item.device)
        return identity is not None and (
            identity == self._own_identity or self.roster.wants(identity, item.channel)
        )

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
            if result.outcome is Outcome.DUPLICATE:
                progress.duplicates_in += 1
            elif result.outcome in (
                Outcome.UNATTRIBUTED,
                Outcome.CONFLICT,
                Outcome.OVER_LIMIT,
            ):
                progress.refused_in += 1
            elif result.outcome in (Outcome.FORGED, Outcome.MALFORMED):
                forged = forged or result.reason
            progress.entries_wanted = max(0, progress.entries_wanted - result.entries)
        if forged:
            raise IntegrityError(f"the peer sent what its author never signed: {forged}")

    def _look_at_branches(self) -> None:
        """A fork was found or is known better: ask again what is missing of its branches."""
        if self._fork_rounds_left:
            self._fork_rounds_left -= 1
            self._holes_asked = False

    def _compare_states(self, part: Have) -> list[Frame]:
        states, self._states, self._last_part = self._states, [], None
        ranges = [wanted for state in states for wanted in self._missing(state)]
        self._ranges_this_round += len(ranges)
        if self._ranges_this_round > MAX_WANTED_RANGES:
            raise ProtocolError("the peer offers more logs than any roster can name")
        frames = self._want(ranges)
        if part.final:
            if self._ranges_this_round:
                self.phase = Phase.FETCHING
            elif part.scope is Scope.ALL:
                frames += self._finish_round()
            else:
                frames += self._ask(Scope.ALL)
        return frames

    def _missing(self, state: LogHint) -> Iterator[WantRange]:
        """Yield the end of a log that the peer has and we do not; gaps below are asked for last.

        Of a frozen log nothing from the freeze on: that is wanted with its branches. Where the
        peer has another entry than we have, that one is wanted: it proves the fork.
        """
        key = self._store.log_key(state.log)
        if key is None and self._interested(state.log):
            if self._records_differ(state):
                yield WantRange(state.log, 0, state.seq, None)
            return
        if key is None:
            ending = self._endings_of_unheld().get(state.log)
            last = state.seq if state.id else state.seq - 1
            if last >= 0:
                yield from within(WantRange(state.log, 0, last, None), ending)
            return
        ending = self._store.ending(key)
        proof = self._store.fork(key)
        last = state.seq if state.id else state.seq - 1
        if proof is not None:
            last = min(last, proof.frozen_from - 1)
        end = MAX_SEQ if ending is None else ending.seq
        held = [each for each in self._store.held(key) if each.first <= end]
        first = min(held[-1].last, end) + 1 if held else 0
        if first <= last:
            yield from within(WantRange(state.log, first, last, None), ending)
        elif proof is None and state.id:
            ours = self._store.id_at(key, state.seq)
            if ours is not None and ours[:SHORT_HASH_BYTES] != state.id:
                yield from within(WantRange(state.log, state.seq, state.seq, None), ending)

    def _endings_of_unheld(self) -> dict[bytes, LogEnding]:
        """Return where logs end of which nothing may be held here, by log id."""
        if self._endings is None:
            index = self._offers.index(self.roster)
            self._endings = endings_named(self._store, self.roster, index.with_records)
        return self._endings

    def _records_differ(self, state: LogHint) -> bool:
        """Say whether the peer has other records of an identity than we have."""
        known = self._store.ident(state.log)
        if known is None:
            return True
        return not records_id(record.hash for _, record in known.records).startswith(state.id)

    def _want(self, ranges: list[WantRange]) -> list[Frame]:
        self._progress.entries_wanted += sum(wanted.last - wanted.first + 1 for wanted in ranges)
        return [
            Want(tuple(ranges[start : start + MAX_WANTS]))
            for start in range(0, len(ranges), MAX_WANTS)
        ]

    def _judge(self) -> list[Frame]:
        """Compare the peer's last digest with ours."""
        self._digest_pending = False
        if self.phase is Phase.AWAITING_STATES:
            return []  # the states that are on their way will be compared first
        ours = self._offers.index(self.roster).digest()
        if self._digest in (ours, self.satisfied):
            return self._finish_round()
        gained = (
            self._progress.stored_in > self._stored_at_round
            or self._progress.forks_in > self._forks_at_round
        )
        if self._rounds and self._scope is Scope.ALL and not gained:
            return self._finish_round()
        if self._rounds >= MAX_ROUNDS:
            return self._finish_round()
        return self._ask(Scope.ALL if self._rounds else Scope.CHANGED)

    def _ask(self, scope: Scope) -> list[Frame]:
        self._rounds += 1
        self._scope = scope
        self._ranges_this_round = 0
        self._stored_at_round = self._progress.stored_in
        self._forks_at_round = self._progress.forks_in
        self.phase = Phase.AWAITING_STATES
        return [Reconcile(scope)]

    def _finish_round(self) -> list[Frame]:
        """End the exchange of states, after our own gaps were asked for once."""
        if not self._holes_asked:
            self._holes_asked = True
            frames = self._want(list(self._store.holes(self.roster)))
            if frames:
                self.phase = Phase.FETCHING
                return frames
        self.phase = Phase.COMPLETE
        self.satisfied = self._digest
        self._progress.entries_wanted = 0
        return [Receipt(self._runs_taken, True)]
