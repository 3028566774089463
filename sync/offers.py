"""What this node offers under a roster, as a digest that is kept up to date.

The offer is the newest state of every log that the roster wants and that is held here, and the
records of the identities in it. The digest of it costs one addition for each log that changed,
never a scan. The same index says what changed, so that a peer can be sent it at once.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import Final, NamedTuple

from ..protocol.closing import NO_ENTRY
from ..protocol.digest import LtHash, frozen_log_state, log_state
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.frames import LogState
from ..protocol.roster import Roster
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

    def __init__(self, store: LogStore, roster: Roster) -> None:
        self._store = store
        self._roster = roster
        self._hash = LtHash()
        self._states: dict[bytes, LogState] = {}
        self._counter = 0
        self._journal: deque[Change] = deque(maxlen=MAX_JOURNAL)
        self._journal_end = 0
        self.with_records: Final[set[bytes]] = set()
        """The identities of which signed records are held."""
        self.refresh()

    def refresh(self) -> None:
        """Take in what changed in the store since the last time."""
        counter = self._store.change_counter
        if counter == self._counter:
            return
        for state in self._store.states(self._roster, since=self._counter):
            before = self._states.get(state.log)
            if before == state:
                continue
            if before is not None:
                self._hash.remove(_canonical(before))
            self._hash.add(_canonical(state))
            self._states[state.log] = state
            if self._roster.wants(state.log, CHANNEL_IDENTITY):
                self.with_records.add(state.log)
            self._note(Change(NO_ENTRY if before is None else before.seq, state))
        for log in self._store.gone(self._roster, since=self._counter):
            before = self._states.pop(log, None)
            if before is not None:
                self._hash.remove(_canonical(before))
                self._note(Change(before.seq, LogState(log, NO_ENTRY, b"")))
        self._counter = counter

    def _note(self, change: Change) -> None:
        self._journal.append(change)
        self._journal_end += 1

    def __len__(self) -> int:
        """Return how many logs are offered."""
        return len(self._states)

    @property
    def counter(self) -> int:
        """The store's change counter that this index has taken in."""
        return self._counter

    @property
    def position(self) -> int:
        """The end of the journal: changes after it are new."""
        return self._journal_end

    def digest(self) -> bytes:
        """Return the digest of the offer (16 bytes)."""
        return self._hash.digest()

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

    def index(self, roster: Roster) -> OfferIndex:
        """Return the up-to-date index of a roster."""
        index = self._indexes.get(roster.hash)
        if index is None:
            index = self._indexes[roster.hash] = OfferIndex(self._store, roster)
            if len(self._indexes) > MAX_INDEXES:
                self._indexes.popitem(last=False)
        else:
            self._indexes.move_to_end(roster.hash)
            index.refresh()
        return index
