"""What this node offers under a roster, as a digest and a sketch that are kept up to date.

The offer is the newest state of every log that the roster wants and that is held here, and the
records of the identities in it. The digest of it costs one addition for each log that changed,
never a scan. The same index says what changed, so that a peer can be sent it at once.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from itertools import chain, islice
from typing import Final, NamedTuple

from ..protocol.closing import NO_ENTRY
from ..protocol.digest import LtHash, frozen_log_state, log_state, offer_digest
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.frames import LogState
from ..protocol.roster import Roster
from ..protocol.roster_order import RosterOrder
from ..protocol.sketch import BASE_SYMBOLS
from ..protocol.version_sketch import Counted, VersionSketch
from ..store.base import LogStore

MAX_INDEXES: Final = 64
"""Rosters whose digests are kept up to date: the most sessions a node has at once."""

MAX_JOURNAL: Final = 8192
"""Changes that are remembered one by one; who fell further behind compares digests again."""


class Change(NamedTuple):
    """The newest entry of a log moved, a fork proof froze it, or the records of an identity
    changed."""

    before: int
    """Sequence number of the newest entry before; -1 if nothing of the log stood here."""
    state: LogState
    """As it is now; `NO_ENTRY` and no id where nothing of the log stands any more."""


class OfferIndex:
    """The offer under one roster."""

    def __init__(self, store: LogStore, roster: Roster, chosen: Roster | None = None) -> None:
        """Count what is held.

        Args:
            roster: what the offer answers.
            chosen: the part of it that may be offered; None: all.
        """
        self._store = store
        self._roster = roster
        self._chosen = chosen or roster
        self._hash = LtHash()
        self._states: dict[bytes, LogState] = {}
        self._counter = 0
        self._journal: deque[Change] = deque(maxlen=MAX_JOURNAL)
        self._journal_end = 0
        self._order: RosterOrder | None = None
        self._sketch: VersionSketch | None = None
        """Made when the first difference is looked for, and kept from then on."""
        self.with_records: Final[set[bytes]] = set()
        """The identities of which signed records are held."""
        self.refresh()

    def refresh(self) -> None:
        """Take in what changed in the store since the last time."""
        counter = self._store.change_counter
        if counter == self._counter:
            return
        for state in self._store.states(self._chosen, since=self._counter):
            before = self._states.get(state.log)
            if before == state:
                continue
            if before is not None:
                self._hash.remove(_canonical(before))
            self._hash.add(_canonical(state))
            self._states[state.log] = state
            if self._sketch is not None:
                log, seq, frozen, slot = self._counted(state)
                self._sketch.set(log, seq, frozen=frozen, slot=slot)
            if self._roster.wants(state.log, CHANNEL_IDENTITY):
                self.with_records.add(state.log)
            self._note(Change(NO_ENTRY if before is None else before.seq, state))
        for log in chain(self._store.gone(self._chosen, since=self._counter), self._forgotten()):
            before = self._states.pop(log, None)
            if before is not None:
                self._hash.remove(_canonical(before))
                if self._sketch is not None:
                    self._sketch.drop(log)
                self._note(Change(before.seq, LogState(log, NO_ENTRY, b"")))
        self._counter = counter

    def _forgotten(self) -> list[bytes]:
        """Return what was offered of people whom the store has forgotten since."""
        if self._store.forgotten_at <= self._counter:
            return []
        return [
            log
            for log in self._states
            if self._store.log_key(log) is None and self._store.ident(log) is None
        ]

    def _note(self, change: Change) -> None:
        self._journal.append(change)
        self._journal_end += 1

    def __len__(self) -> int:
        """Return how many logs are offered."""
        return len(self._states)

    def state(self, log: bytes) -> LogState | None:
        """Return the state of one log, if it is offered."""
        return self._states.get(log)

    def states(self) -> Collection[LogState]:
        """Return all states, in no order."""
        return self._states.values()

    @property
    def counter(self) -> int:
        """The store's change counter that this index has taken in."""
        return self._counter

    @property
    def position(self) -> int:
        """The end of the journal: changes after it are new."""
        return self._journal_end

    def digest(self, *, without: Iterable[bytes] = ()) -> bytes:
        """Return the digest of the offer (16 bytes).

        Args:
            without: logs that are left out; each costs as much as a change.
        """
        counted = self._hash
        left_out = [self._states[log] for log in without if log in self._states]
        if left_out:
            counted = counted.copy()
            for state in left_out:
                counted.remove(_canonical(state))
        return offer_digest(counted.digest(), self._roster.hash)

    def sketch(
        self,
        *,
        symbols: int = BASE_SYMBOLS,
        shard_bits: int = 0,
        without: Collection[bytes] = (),
    ) -> VersionSketch:
        """Return the sketch of the offer as it is now.

        Up to `BASE_SYMBOLS` unsharded it is kept up to date; a larger one is made of all states
        each time.

        Args:
            without: logs that are left out.
        """
        if shard_bits:
            chosen = [state for state in self._states.values() if state.log not in without]
            return self._made(chosen, symbols, shard_bits)
        if self._sketch is None:
            self._sketch = self._made(self._states.values(), BASE_SYMBOLS, 0)
        copy = self._sketch.copy()
        for log in without:
            copy.drop(log)
        if symbols > BASE_SYMBOLS:
            copy.lengthen(symbols)
        return copy

    def _made(self, states: Iterable[LogState], symbols: int, shard_bits: int) -> VersionSketch:
        order = self._slots()
        sketch = VersionSketch(
            slots=order.count if order.fits else None, symbols=symbols, shard_bits=shard_bits
        )
        sketch.fill(map(self._counted, states))
        return sketch

    def _slots(self) -> RosterOrder:
        if self._order is None:
            self._order = RosterOrder(self._roster)
        return self._order

    def _counted(self, state: LogState) -> Counted:
        """Return what a sketch counts of a state: of records the beginning of their name."""
        order = self._slots()
        of_records = self._roster.wants(state.log, CHANNEL_IDENTITY)
        seq = int.from_bytes(state.id[:2], "big") if of_records else state.seq
        slot = None
        if order.fits:
            if of_records:
                slot = order.slot(state.log, None)
            else:
                key = self._store.log_key(state.log)
                identity = None if key is None else self._store.identity_of(key.device)
                if key is not None and identity is not None:
                    slot = order.slot(identity, key.channel)
        return Counted(state.log, seq, not state.id, slot)

    def changes_after(self, position: int) -> list[Change] | None:
        """Return the changes behind a position of the journal, oldest first.

        Returns:
            None if so many came since that the journal forgot some.
        """
        missing = self._journal_end - position
        if missing > len(self._journal):
            return None
        return list(islice(self._journal, len(self._journal) - missing, None))


def _canonical(state: LogState) -> bytes:
    return log_state(*state) if state.id else frozen_log_state(state.log, state.seq)


class Offers:
    """The indexes of one node, one for each roster in use; shared by its sessions."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._indexes: OrderedDict[bytes, OfferIndex] = OrderedDict()
        self.blocked: frozenset[bytes] = frozenset()
        """Identities of which nothing is offered."""

    def block(self, identities: frozenset[bytes]) -> None:
        """Offer nothing of these from now on, and of all others."""
        if identities != self.blocked:
            self.blocked = identities
            self._indexes.clear()

    def chosen(self, roster: Roster) -> Roster:
        """Return the part of a roster that may be offered."""
        return offered_of(roster, self.blocked)

    def index(self, roster: Roster) -> OfferIndex:
        """Return the up-to-date index of a roster."""
        index = self._indexes.get(roster.hash)
        if index is None:
            index = self._indexes[roster.hash] = OfferIndex(
                self._store, roster, self.chosen(roster)
            )
            if len(self._indexes) > MAX_INDEXES:
                self._indexes.popitem(last=False)
        else:
            self._indexes.move_to_end(roster.hash)
            index.refresh()
        return index


def offered_of(roster: Roster, blocked: frozenset[bytes]) -> Roster:
    """Return the part of a roster that may be offered where these identities are blocked."""
    if blocked.isdisjoint(roster.identities):
        return roster
    return Roster(row for row in roster.rows if row.identity not in blocked)
