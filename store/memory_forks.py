"""Forked logs of a store in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..protocol.entry import Entry
from ..protocol.fork import ForkProof
from ..protocol.frames import WantRange
from ..protocol.run import BLOCK, Run, build_run
from .base import ForkedLog, HeldEntry, Ingested
from .branches import void_beside
from .forks import (
    Finding,
    Fork,
    KeptEntry,
    judge_proof,
    judge_run,
    require_room_for_proof,
)
from .intervals import Held
from .memory_log import Arrival, MemoryLog


class MemoryMain:
    """The branch of a log that was held first; keeps `forks.Main`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log: Final = log

    def id_at(self, seq: int) -> bytes | None:
        held = self._log.entries.get(seq)
        return held.entry.id if held else None

    def id_below(self, seq: int) -> bytes | None:
        held = self._log.entries.get(seq + 1)
        return held.prev if held else None

    def top(self) -> int:
        return self._log.head.seq

    def stubs_from(self, seq: int) -> Run | None:
        held = self._log.entries.get(seq)
        if held is None:
            return None
        stubs: list[Entry] = []
        for at in range(seq, min(self._interval(seq).last, seq // BLOCK * BLOCK + BLOCK - 1) + 1):
            here = self._log.entries[at]
            stubs.append(here.entry._replace(payload=None, remaining_ms=0))
            if here.signature:
                return build_run(*self._log.key, held.prev, stubs, here.signature)
        return build_run(*self._log.key, held.prev, stubs, None)

    def _interval(self, seq: int) -> Held:
        return next(each for each in self._log.intervals if each.first <= seq <= each.last)


class MemoryForks:
    """The forked logs of a store."""

    def __init__(self) -> None:
        self._logs: Final[dict[bytes, MemoryLog]] = {}
        """By id."""
        self._place_of: Final[dict[bytes, tuple[MemoryLog, int]]] = {}

    def __iter__(self) -> Iterator[MemoryLog]:
        return iter(self._logs.values())

    def judge_run(self, log: MemoryLog, run: Run, arrival: Arrival) -> Ingested | Run:
        """Take a run that leaves the held branch, or one of a forked log (see `judge_run`)."""
        fork = log.fork and log.fork.copy(log.ending)
        found = judge_run(log.key, run, MemoryMain(log), fork, log.ending, **arrival._asdict())
        return found if isinstance(found, Run) else self._keep(log, found)

    def judge_proof(self, log: MemoryLog, proof: ForkProof, arrival: Arrival) -> Ingested:
        """Take a proof (see `judge_proof`)."""
        fork = log.fork and log.fork.copy(log.ending)
        found = judge_proof(proof, MemoryMain(log), fork, log.ending, **arrival._asdict())
        return self._keep(log, found)

    def _keep(self, log: MemoryLog, found: Finding) -> Ingested:
        fork = found.fork
        if fork.proof_changed:
            others = (each for each in self if each.identity == log.identity and each is not log)
            size = sum(len(each.fork.proof.encode()) for each in others if each.fork)
            require_room_for_proof(size + len(fork.proof.encode()))
        log.fork = fork
        self._logs[log.log] = log
        self.note(log, fork)
        return found.answer

    def note(self, log: MemoryLog, fork: Fork) -> None:
        """Make findable what is kept beside a log now, and nothing that was."""
        for _, entry_id in fork.dropped:
            self._place_of.pop(entry_id, None)
        for seq, entry_id in fork.written:
            self._place_of[entry_id] = log, seq

    def wants(self, log: MemoryLog) -> Iterable[WantRange]:
        """Return what is missing of the branches of a log."""
        if log.fork is None or log.ending is not None:
            return ()
        return log.fork.wants(log.log, MemoryMain(log))

    def entry(self, entry_id: bytes) -> HeldEntry | None:
        """Return an entry that is kept beside a log."""
        place = self._place_of.get(entry_id)
        if place is None or place[0].fork is None:
            return None
        return _held(place[0], place[0].fork.kept[place[1], entry_id])

    def forget(self, log: MemoryLog) -> None:
        """Nothing of a log is held any more."""
        self._logs.pop(log.log, None)
        for entry_id in [each for each, place in self._place_of.items() if place[0] is log]:
            del self._place_of[entry_id]

    def ids(self) -> Iterable[bytes]:
        """Return the ids of all entries that are kept beside logs."""
        return self._place_of

    def listed(self) -> list[ForkedLog]:
        """Return the forked logs in order."""
        found = [
            ForkedLog(log.key, log.identity, log.fork.proof, len(log.fork.kept))
            for log in self
            if log.fork
        ]
        return sorted(found, key=lambda each: (each.identity, each.log))


def _held(log: MemoryLog, kept: KeptEntry) -> HeldEntry:
    return HeldEntry(
        log.key,
        log.identity,
        kept.prev,
        kept.entry,
        kept.signature,
        kept.received_ms,
        kept.via,
        void_beside(log.ending, kept.entry.seq),
    )
