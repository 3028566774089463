"""Which branch of a forked log its end selects, and what has to change places for it.

An ended log stands as far as its end says. So of the entries from the freeze on only those stay
in the ordinary tables that are known to lead to the end; the others are kept beside them. Which
ones that are follows from what is held alone, whatever came first.

Pure decisions over what a store has looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..protocol.hashing import ZERO_HASH
from ..protocol.standing import Void
from .base import OWN, Interval, LogEnding, Voided
from .forks import Fork, KeptEntry, Main
from .intervals import Held


class Changes(NamedTuple):
    """What changes places between the main branch of a forked log and what is beside it."""

    aside: Sequence[Interval] = ()
    """Leaves the main branch, lowest first."""
    joins: Sequence[KeptEntry] = ()
    """Comes into the main branch, in rising order, once the others have left it."""


class _Chain(NamedTuple):
    """What is known to lead to an end, from the freeze on."""

    held: Sequence[Interval]
    """In the main branch; at most one in each of its intervals."""
    kept: Sequence[KeptEntry]
    """Beside it, from the end downwards."""


def changes_of(fork: Fork, main: Main, held: Sequence[Held], ending: LogEnding | None) -> Changes:
    """Return what has to change places so that the main branch is the one that an end selects.

    Args:
        held: the intervals of the main branch.
        ending: where a record ends the log; None: it is open again, and what was put aside
            comes back if nothing took its place.
    """
    if ending is None:
        return Changes((), list(_returning(fork, main)))
    if not ending.id or ending.seq < fork.frozen_from:
        return Changes()
    chain = _chain_to(fork, main, held, ending)
    aside = [span for each in held for span in _off_chain(each, chain, fork.frozen_from, ending)]
    return Changes(aside, [*chain.kept[::-1], *_proving(fork, chain, held, ending)])


def void_beside(ending: LogEnding | None, seq: int) -> Voided | None:
    """Return why an entry beside the main branch does not stand; None: its log is frozen.

    What leads to the end is not beside the main branch.
    """
    if ending is None:
        return None
    return Voided(ending.why if seq > ending.seq else Void.OFF_BRANCH, ending.record)


def grouped(joins: Sequence[KeptEntry]) -> Iterator[list[KeptEntry]]:
    """Split entries in rising order into those that are consecutive and came together."""
    group: list[KeptEntry] = []
    for kept in joins:
        if group and (
            kept.prev != group[-1].entry.id
            or (kept.received_ms, kept.via) != (group[-1].received_ms, group[-1].via)
        ):
            yield group
            group = []
        group.append(kept)
    if group:
        yield group


def _chain_to(fork: Fork, main: Main, held: Sequence[Held], ending: LogEnding) -> _Chain:
    """Follow an end down to the freeze, as far as it is known what leads to it."""
    in_main: list[Interval] = []
    beside: list[KeptEntry] = []
    seq, entry_id = ending.seq, ending.id
    while seq >= fork.frozen_from:
        if main.id_at(seq) == entry_id:
            interval = next(each for each in held if each.first <= seq <= each.last)
            in_main.append(Interval(interval.first, seq))
            seq, entry_id = interval.first - 1, interval.prev
        elif (kept := fork.kept.get((seq, entry_id))) is not None:
            beside.append(kept)
            seq, entry_id = seq - 1, kept.prev
        else:
            break
    if seq == fork.frozen_from - 1 and main.id_at(seq) not in (None, entry_id):
        return _Chain((), ())  # it forks lower than is proven: a better proof will come
    return _Chain(in_main, beside)


def _off_chain(
    interval: Held, chain: _Chain, frozen_from: int, ending: LogEnding
) -> Iterator[Interval]:
    """Yield what of an interval does not lead to the end, nor goes on from it."""
    first = max(interval.first, frozen_from)
    on_chain = next((each.last for each in chain.held if each.first == interval.first), None)
    if on_chain == ending.seq:
        return
    if interval.first == ending.seq + 1 and interval.prev == ending.id:
        return
    if on_chain is not None:
        first = on_chain + 1
    if first <= interval.last:
        yield Interval(first, interval.last)


def _proving(
    fork: Fork, chain: _Chain, held: Sequence[Held], ending: LogEnding
) -> Sequence[KeptEntry]:
    """Return what lies above the end up to a signature, which proves it to everyone.

    It is void, and travels with the end as stubs, as in any log.
    """
    top = chain.kept[0] if chain.kept else None
    if top is None or top.entry.id != ending.id or top.signature:
        return ()
    if any((each.first, each.prev) == (ending.seq + 1, ending.id) for each in held):
        return ()
    above: list[KeptEntry] = []
    following = {kept.prev: kept for _, kept in sorted(fork.kept.items(), reverse=True)}
    kept = following.get(ending.id)
    while kept is not None:
        above.append(kept)
        if kept.signature:
            return above
        kept = following.get(kept.entry.id)
    return ()


def _returning(fork: Fork, main: Main) -> Iterator[KeptEntry]:
    """Yield the branch that was held first, where the main one has nothing from the freeze on."""
    top = main.top()
    if top != fork.frozen_from - 1:
        return
    seq, below = top, main.id_at(top) if top >= 0 else ZERO_HASH
    while True:
        seq += 1
        following = [
            kept for (number, _), kept in fork.kept.items() if number == seq and kept.prev == below
        ]
        if not following:
            return
        first = min(following, key=lambda each: (each.via != OWN, each.received_ms, each.entry.id))
        yield first
        below = first.entry.id
