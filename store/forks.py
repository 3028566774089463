"""What stores do alike with a log that its device forked: the proof, and the other branches.

The branch that was held first stays where it is, in the ordinary tables: it is called the main
one here, though it is worth no more than another. Whatever else of a branch is taken lies beside
it, by sequence number and id. Both are read together by their ``prev``.

Pure decisions over what a store has looked up; it writes down what `Fork` says has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from ..protocol.entry import Entry
from ..protocol.errors import DecodeError, IntegrityError
from ..protocol.fork import (
    MAX_BRANCH_ENTRIES,
    Branch,
    ForkProof,
    kept_proof,
    prove_fork,
    verify_fork,
)
from ..protocol.frames import WantRange
from ..protocol.hashing import ZERO_HASH
from ..protocol.run import BLOCK, Run, build_run, open_run, rebuild_run
from .base import OWN, Ingested, LogEnding, LogKey, Outcome
from .ingest import RefusedError, filled_stub
from .serving import as_sent, longest_run

MAX_FORK_BYTES_OF_IDENTITY: Final = 1 << 20
"""All fork proofs of an identity together: thousands of usual ones, five of the longest."""
MAX_KEPT_ENTRIES: Final = 2 * MAX_BRANCH_ENTRIES
"""Entries kept beside the main branch: two branches, where the main one holds neither."""
MAX_KEPT_BYTES: Final = 4 << 20
"""Payloads kept beside the main branch; entries beyond are kept as stubs."""

_REASON: Final = "another branch of this log is held: its device forked it"


class Main(Protocol):
    """The branch of a log in the ordinary tables."""

    def id_at(self, seq: int) -> bytes | None:
        """Return the id of the entry that is held with this number, or None."""
        ...

    def id_below(self, seq: int) -> bytes | None:
        """Return the id that entry ``seq + 1`` names as its ``prev`` if that one is held."""
        ...

    def top(self) -> int:
        """Return the highest sequence number that is held; -1 if there is none."""
        ...

    def stubs_from(self, seq: int) -> Run | None:
        """Return stubs from a held entry up to the next kept signature of its block; up to where
        nothing more is held, without one, if there is none; None: the entry is not held."""
        ...


class KeptEntry(NamedTuple):
    """An entry that is kept beside the main branch."""

    prev: bytes
    entry: Entry
    signature: bytes | None
    received_ms: int
    via: str


Kept = dict[tuple[int, bytes], KeptEntry]
"""By sequence number and id."""


class Fork:
    """A forked log: its proof, and what is kept of it beside the main branch."""

    def __init__(
        self, proof: ForkProof, kept: Kept | None = None, ending: LogEnding | None = None
    ) -> None:
        self.proof = proof
        self.kept: Final[Kept] = kept or {}
        self.ending: Final = ending
        """Where a record ends the log: it vouches for the id there."""
        self.proof_changed = False
        self.written: Final[set[tuple[int, bytes]]] = set()
        """What was added or got its payload."""
        self.dropped: Final[set[tuple[int, bytes]]] = set()

    @property
    def frozen_from(self) -> int:
        """The lowest sequence number that is proven to have two entries."""
        return self.proof.frozen_from

    def copy(self, ending: LogEnding | None) -> Fork:
        """Return the same fork, of which nothing has changed yet but where it ends."""
        return Fork(self.proof, dict(self.kept), ending)

    @property
    def vouched(self) -> tuple[int, bytes] | None:
        """Number and id of the entry below the freeze, if the proof vouches for it."""
        vouched_id = self.proof.vouched_id
        return None if vouched_id is None else (self.frozen_from - 1, vouched_id)

    def selects(self, entries: Sequence[Entry], main: Main) -> bool:
        """Say whether a record ends the log at one of these entries, or above one of them."""
        if self.ending is None or not self.ending.id or self.ending.seq < self.frozen_from:
            return False
        return any(
            ends_at(self.ending, entry.seq, entry.id) or main.id_below(entry.seq) == entry.id
            for entry in entries
            if entry.seq >= self.frozen_from
        )

    def takes(self, seq: int) -> bool:
        """Say whether entries of this number are still taken of a branch."""
        return self.frozen_from <= seq < self.frozen_from + MAX_BRANCH_ENTRIES

    def names(self, seq: int, entry_id: bytes) -> bool:
        """Say whether the proof, or what is kept here, knows this entry to be on a branch."""
        return (
            (seq, entry_id) in self.kept
            or any(
                branch.first - 1 <= seq <= branch.last and branch.id_at(seq) == entry_id
                for branch in self.proof.branches
            )
            or entry_id in self.named_below(seq + 1)
            or ends_at(self.ending, seq, entry_id)
        )

    def put_aside(self, entries: Sequence[KeptEntry]) -> None:
        """Keep what leaves the main branch.

        What was held before stays, whole; only where that has happened already, and others
        wrote it, there has to be room.
        """
        has_room = len(self.kept) < MAX_KEPT_ENTRIES
        for kept in entries:
            if not (has_room or kept.via == OWN):
                continue
            place = kept.entry.seq, kept.entry.id
            self.kept[place] = kept
            self.written.add(place)
            self.dropped.discard(place)

    def take_back(self, entries: Sequence[KeptEntry]) -> None:
        """Forget what joins the main branch."""
        for kept in entries:
            place = kept.entry.seq, kept.entry.id
            del self.kept[place]
            self.written.discard(place)
            self.dropped.add(place)

    def named_below(self, seq: int) -> set[bytes]:
        """Return the ids that kept entries of number ``seq`` name as their ``prev``."""
        return {kept.prev for (number, _), kept in self.kept.items() if number == seq}

    def settle_on(self, proof: ForkProof) -> None:
        """Keep the better of two proofs, and of the branches only what it still takes."""
        better = kept_proof(self.proof, proof)
        if better is self.proof or better == self.proof:
            return
        self.proof, self.proof_changed = better, True
        beyond = self.frozen_from + MAX_BRANCH_ENTRIES
        for place in [place for place in self.kept if place[0] >= beyond]:
            del self.kept[place]
            self.written.discard(place)
            self.dropped.add(place)

    def read_run(
        self, key: LogKey, first: int, last: int, end_id: bytes, *, max_bytes: int, now_ms: int
    ) -> Run | None:
        """Return a run down from the kept entry ``last`` with this id; None if it is not kept."""
        top = self.kept.get((last, end_id))
        if top is None:
            return None
        lowest = max(first, last // BLOCK * BLOCK)
        chain = [kept for kept in self._down(last, end_id) if kept.entry.seq >= lowest]
        prevs = {kept.entry.seq: kept.prev for kept in chain}
        return longest_run(
            key,
            iter([as_sent(kept.entry, now_ms - kept.received_ms, key.channel) for kept in chain]),
            needed=1,
            signature=top.signature,
            max_bytes=max_bytes,
            prev_of=lambda seq: prevs[seq],
        )

    def _down(self, seq: int, entry_id: bytes) -> Iterator[KeptEntry]:
        while (kept := self.kept.get((seq, entry_id))) is not None:
            yield kept
            seq, entry_id = seq - 1, kept.prev

    def wants(self, log: bytes, main: Main) -> Iterator[WantRange]:
        """Yield what is missing: what is common, what joins the branches to it, and payloads.

        The state of a frozen log does not tell how much of it is held, so nobody else asks.
        """
        if main.top() < self.frozen_from - 1:
            yield WantRange(log, main.top() + 1, self.frozen_from - 1, None)
        for (seq, _), kept in sorted(self.kept.items()):
            below = seq - 1
            if below < 0 or main.id_at(below) == kept.prev or (below, kept.prev) in self.kept:
                continue
            if below >= self.frozen_from or main.id_at(below) is not None:
                yield WantRange(log, below // BLOCK * BLOCK, below, kept.prev)
        if self._kept_bytes() < MAX_KEPT_BYTES:
            yield from self._stubs(log)

    def _stubs(self, log: bytes) -> Iterator[WantRange]:
        continued = {(seq - 1, kept.prev) for (seq, _), kept in self.kept.items()}
        for seq, entry_id in sorted(place for place in self.kept if place not in continued):
            stubs = [kept.entry for kept in self._down(seq, entry_id) if kept.entry.payload is None]
            if stubs:
                yield WantRange(log, stubs[-1].seq, stubs[0].seq, stubs[0].id)

    def _kept_bytes(self) -> int:
        return sum(len(kept.entry.payload or b"") for kept in self.kept.values())

    def keep(
        self,
        main: Main,
        prev: bytes,
        entries: Sequence[Entry],
        signature: bytes | None,
        *,
        received_ms: int,
        via: str,
    ) -> tuple[int, int]:
        """Take of proven entries what is on a branch, is not held and fits.

        Returns:
            How many entries and how many payloads are new here.
        """
        added = payloads = 0
        room_bytes = MAX_KEPT_BYTES - self._kept_bytes()
        for entry in entries:
            place, below = (entry.seq, entry.id), prev
            prev = entry.id
            if not self.takes(entry.seq) or main.id_at(entry.seq) == entry.id:
                continue
            held = self.kept.get(place)
            size = len(entry.payload or b"")
            fits = 0 < size <= room_bytes
            if held is None:
                if len(self.kept) >= MAX_KEPT_ENTRIES:
                    continue
                taken = entry if fits else entry._replace(payload=None)
                held = KeptEntry(below, taken, None, received_ms, via)
                added += 1
            elif held.entry.payload is None and fits:
                taken = filled_stub(held.entry, received_ms - held.received_ms, entry)
                held = KeptEntry(below, taken, held.signature, received_ms, via)
            elif entry is not entries[-1] or signature is None or held.signature:
                continue
            else:
                fits = False
            if fits:
                payloads += 1
                room_bytes -= size
            if entry is entries[-1]:
                held = held._replace(signature=held.signature or signature)
            self.kept[place] = held
            self.written.add(place)
            self.dropped.discard(place)
        return added, payloads


def ends_at(ending: LogEnding | None, seq: int, entry_id: bytes) -> bool:
    """Say whether a record ends a log with this entry."""
    return ending is not None and (ending.seq, ending.id) == (seq, entry_id)


def widened(hole: WantRange, floor: int) -> WantRange:
    """Return a gap of a log that forked and ended down to the beginning of its block.

    Where the branches part is not known before what lies below the gap has come.

    Args:
        floor: what is below is not kept here.
    """
    return hole._replace(first=min(hole.first, max(floor, hole.last // BLOCK * BLOCK)))


def below_freeze(hole: WantRange, frozen_from: int | None) -> Iterator[WantRange]:
    """Yield what is wanted of a gap of the main branch: nothing from the freeze on.

    What lies there is on a branch, and is wanted with it.
    """
    if frozen_from is None or hole.last < frozen_from:
        yield hole
    elif hole.first < frozen_from:
        yield hole._replace(last=frozen_from - 1, last_id=None)


def require_room_for_proof(proof_bytes: int) -> None:
    """Refuse a proof if all of its identity would take so much; raises RefusedError."""
    if proof_bytes > MAX_FORK_BYTES_OF_IDENTITY:
        raise RefusedError(
            Outcome.OVER_LIMIT,
            f"the fork proofs of an identity take at most {MAX_FORK_BYTES_OF_IDENTITY} bytes",
        )


class Finding(NamedTuple):
    """What became of a run or proof of a log that is or may be forked."""

    fork: Fork
    answer: Ingested


def judge_run(
    key: LogKey,
    run: Run,
    main: Main,
    fork: Fork | None,
    ending: LogEnding | None,
    *,
    received_ms: int,
    via: str,
) -> Finding | Run:
    """Take a run that leaves the held branch, or one of a forked log.

    Returns:
        What became of it; or, if it is an ordinary part of the main branch, the run to be
        proven and written as always. It brings the payloads with it that came before.

    Raises:
        RefusedError: malformed, forged, or on a branch that is not taken here.
    """
    try:
        entries = _proven_entries(run, main, fork, ending)
    except DecodeError as error:
        raise RefusedError(Outcome.MALFORMED, str(error)) from error
    except IntegrityError as error:
        raise RefusedError(Outcome.FORGED, str(error)) from error
    difference = _lowest_difference(run.prev, entries, main)
    if difference is None:
        if fork is None:
            return run
        if _is_ordinary(run, entries, main, fork):
            filled = [
                kept.entry
                if entry.payload is None and (kept := fork.kept.get((entry.seq, entry.id)))
                else entry
                for entry in entries
            ]
            return build_run(*key, run.prev, filled, run.signature)
    else:
        signed = _signed(key, run.prev, entries, run.signature, main, fork)
        held = _held_from(key, difference, main, fork)
        proof = None if signed is None or held is None else _proof_of(held, signed)
        if proof is None:
            raise RefusedError(Outcome.CONFLICT, _REASON)
        if fork is None:
            fork = _new_fork(proof, ending)
        else:
            fork.settle_on(proof)
    added = payloads = 0
    linked = _is_linked(run.prev, entries, main, fork)
    if linked:
        added, payloads = fork.keep(
            main, run.prev, entries, run.signature, received_ms=received_ms, via=via
        )
    if not (fork.proof_changed or fork.written):
        outcome = Outcome.DUPLICATE if linked else Outcome.CONFLICT
        return Finding(fork, Ingested(outcome, 0, 0, _REASON))
    return Finding(fork, Ingested(Outcome.FORKED, added, payloads, _REASON))


def judge_proof(
    proof: ForkProof,
    main: Main,
    fork: Fork | None,
    ending: LogEnding | None,
    *,
    received_ms: int,
    via: str,
) -> Finding:
    """Take a proof: keep the best one that it leads to, and the branches that it shows.

    Raises:
        RefusedError: it does not prove anything.
    """
    if fork is not None and fork.proof == proof:
        return Finding(fork, Ingested(Outcome.DUPLICATE, 0, 0, ""))
    try:
        verify_fork(proof)
    except IntegrityError as error:
        raise RefusedError(Outcome.FORGED, str(error)) from error
    if fork is None:
        fork = _new_fork(proof, ending)
    else:
        fork.settle_on(proof)
    for branch in proof.branches:
        shown = _as_run(proof, branch)
        difference = _lowest_difference(branch.prev, branch.stubs, main)
        key = LogKey(proof.device, proof.channel)
        held = None if difference is None else _held_from(key, difference, main, fork)
        better = None if held is None else _proof_of(held, shown)
        if better is not None:
            fork.settle_on(better)
    for branch in proof.branches:
        if _is_linked(branch.prev, branch.stubs, main, fork):
            fork.keep(
                main,
                branch.prev,
                branch.stubs,
                branch.signature,
                received_ms=received_ms,
                via=via,
            )
    if fork.proof_changed:
        return Finding(fork, Ingested(Outcome.STORED, 0, 0, ""))
    return Finding(fork, Ingested(Outcome.DUPLICATE, 0, 0, ""))


def _proof_of(held: Run, other: Run) -> ForkProof | None:
    """Prove a fork from what is held; None if it proves nothing, or the disk has changed it."""
    try:
        return prove_fork(held, other)
    except (IntegrityError, DecodeError):
        return None


def _new_fork(proof: ForkProof, ending: LogEnding | None) -> Fork:
    fork = Fork(proof, None, ending)
    fork.proof_changed = True
    return fork


def _as_run(proof: ForkProof, branch: Branch) -> Run:
    return build_run(proof.device, proof.channel, branch.prev, branch.stubs, branch.signature)


def _proven_entries(
    run: Run, main: Main, fork: Fork | None, ending: LogEnding | None
) -> list[Entry]:
    """Return the entries of a run that its signature proves, or something that is held."""
    if run.signature is not None:
        return open_run(run)
    entries = rebuild_run(run)
    last, end = run.last, entries[-1].id
    if end in (main.id_at(last), main.id_below(last)) or ends_at(ending, last, end):
        return entries
    if fork is not None and fork.names(last, end):
        return entries
    raise IntegrityError("a run carries no signature and ends at no known entry")


def _lowest_difference(prev: bytes, entries: Sequence[Entry], main: Main) -> int | None:
    """Return the lowest held entry that contradicts a run, or stands on something that does."""
    first, last = entries[0].seq, entries[-1].seq
    told = [prev, *(entry.id for entry in entries)]
    for seq in range(max(0, first - 1), last + 1):
        held = main.id_at(seq)
        if held is not None and held != told[seq - first + 1]:
            return seq
    above = main.id_below(last)
    return None if above in (None, entries[-1].id) else last + 1


def _is_ordinary(run: Run, entries: Sequence[Entry], main: Main, fork: Fork) -> bool:
    """Say whether a run that contradicts nothing belongs to the main branch.

    Nothing that begins above the freeze continues it; but stubs there may get their payload.
    """
    end = run.last, entries[-1].id
    known = main.id_at(run.last), main.id_below(run.last)
    is_proven = run.signature is not None or end == fork.vouched or ends_at(fork.ending, *end)
    if not is_proven and end[1] not in known:
        return False
    if fork.selects(entries, main):
        return True
    return run.first < fork.frozen_from or all(
        main.id_at(entry.seq) is not None for entry in entries
    )


def _is_linked(prev: bytes, entries: Sequence[Entry], main: Main, fork: Fork) -> bool:
    """Say whether entries are on a branch that is known here."""
    told = [(entries[0].seq - 1, prev), *((entry.seq, entry.id) for entry in entries)]
    return any(
        seq >= fork.frozen_from
        and (main.id_at(seq) == entry_id or main.id_below(seq) == entry_id or fork.names(*place))
        for place in told
        for seq, entry_id in [place]
    )


def _held_from(key: LogKey, seq: int, main: Main, fork: Fork | None) -> Run | None:
    """Return held entries from ``seq`` on up to a signature, of whatever lies beside as well."""
    held = main.stubs_from(seq)
    if held is None or held.signature is not None:
        return held
    return _signed(key, held.prev, rebuild_run(held), None, main, fork)


def _signed(
    key: LogKey,
    prev: bytes,
    entries: Sequence[Entry],
    signature: bytes | None,
    main: Main,
    fork: Fork | None,
) -> Run | None:
    """Return proven entries with those behind them up to a signature, as stubs of one block."""
    chain = list(entries)
    while signature is None:
        seq, end = chain[-1].seq, chain[-1].id
        if (seq + 1) % BLOCK == 0:
            return None
        if main.id_below(seq) == end:
            above = main.stubs_from(seq + 1)
            if above is None:
                return None
            chain += rebuild_run(above)
            signature = above.signature
            continue
        following = None if fork is None else _following(fork, seq, end)
        if following is None:
            return None
        chain.append(following.entry)
        signature = following.signature
    stubs = [entry._replace(payload=None, remaining_ms=0) for entry in chain]
    return build_run(*key, prev if stubs[0].seq else ZERO_HASH, stubs, signature)


def _following(fork: Fork, seq: int, entry_id: bytes) -> KeptEntry | None:
    return next(
        (
            kept
            for (number, _), kept in fork.kept.items()
            if number == seq + 1 and kept.prev == entry_id
        ),
        None,
    )
