"""What is missing here of a log of which a peer told its state."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.entry import CHANNEL_IDENTITY, MAX_SEQ
from ..protocol.frames import SHORT_HASH_BYTES, LogHint, WantRange
from ..protocol.ident import records_id
from ..protocol.roster import Roster
from ..store.base import LogEnding, LogStore
from ..store.serving import within
from .depth import lowest_wanted
from .endings import endings_named
from .offers import Offers


class Missing:
    """Compares what peers tell with what is held."""

    def __init__(self, store: LogStore, offers: Offers, own_identity: bytes) -> None:
        self._store = store
        self._offers = offers
        self._own_identity = own_identity
        self._endings: dict[bytes, LogEnding] | None = None

    def forget_endings(self) -> None:
        """Records may have come: look again where logs end of which nothing is held."""
        self._endings = None

    def _interested(self, roster: Roster, identity: bytes) -> bool:
        return identity == self._own_identity or roster.wants(identity, CHANNEL_IDENTITY)

    def of(self, roster: Roster, state: LogHint) -> Iterator[WantRange]:
        """Yield the end of a log that the peer has and we do not; gaps below are asked for last.

        Of a frozen log nothing from the freeze on: that is wanted with its branches. Where the
        peer has another entry than we have, that one is wanted: it proves the fork. One that
        forked and ended is a log like others.
        """
        key = self._store.log_key(state.log)
        if key is None and self._interested(roster, state.log):
            if self._records_differ(state):
                yield WantRange(state.log, 0, state.seq, None)
            return
        if key is None:
            ending = self._endings_of_unheld(roster).get(state.log)
            last = state.seq if state.id else state.seq - 1
            if last >= 0:
                yield from within(WantRange(state.log, 0, last, None), ending)
            return
        ending = self._store.ending(key)
        proof = self._store.fork(key)
        last = state.seq if state.id else state.seq - 1
        if proof is not None and ending is None:
            last = min(last, proof.frozen_from - 1)
        end = MAX_SEQ if ending is None else ending.seq
        held = [each for each in self._store.held(key) if each.first <= end]
        first = min(held[-1].last, end) + 1 if held else self._store.floor(key)
        identity = self._store.identity_of(key.device)
        if identity is not None:
            first = max(first, lowest_wanted(roster, identity, key.channel, last))
        if first <= last:
            vouched = proof.vouched_id if proof and last == proof.frozen_from - 1 else None
            yield from within(WantRange(state.log, first, last, vouched), ending)
        elif (proof is None or ending is not None) and state.id:
            ours = self._store.id_at(key, state.seq)
            if ours is not None and ours[:SHORT_HASH_BYTES] != state.id:
                yield from within(WantRange(state.log, state.seq, state.seq, None), ending)

    def _endings_of_unheld(self, roster: Roster) -> dict[bytes, LogEnding]:
        """Return where logs end of which nothing may be held here, by log id."""
        if self._endings is None:
            index = self._offers.index(roster)
            self._endings = endings_named(self._store, roster, index.with_records)
        return self._endings

    def _records_differ(self, state: LogHint) -> bool:
        """Say whether the peer has other records of an identity than we have."""
        known = self._store.ident(state.log)
        if known is None:
            return True
        return not records_id(record.hash for _, record in known.records).startswith(state.id)
