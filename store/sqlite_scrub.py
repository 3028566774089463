"""Hash every entry of a SQLite store again, and find what the disk has changed.

An entry is right if its header, rebuilt from its row, leads from the id before it to its own.
The checks of two entries share nothing but stored ids, so a store can be scrubbed in slices of
any size: what fails is taken out (sqlite_quarantine.py), and the ids left on both sides of the
gap are those that other checks have passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ..protocol.encoding import pack
from ..protocol.entry import (
    CHANNEL_POSTS,
    USUAL_QUALITY,
    VERSION,
    encode_header,
    hash_header,
    header_hasher,
    payload_hasher,
    verify_entry,
)
from ..protocol.errors import IntegrityError
from .derived import links_of_post
from .sqlite_database import Database
from .sqlite_entries import UNREADABLE, entry_of, prefix_of

MISSING: Final = "its row is missing"
CHANGED: Final = "it is not what was signed"
UNSIGNED: Final = "its signature is damaged"
MISPLACED: Final = "its place in the views is wrong"

_MAX_DATES: Final = 16_384
"""Most that are remembered: about 3 MB."""
_NO_ROW: Final[tuple[Any, ...]] = (2**63, *(None,) * 9)


class Stretch(NamedTuple):
    """Consecutive entries that arrived together, and what must join them to their log."""

    n: int
    log: int
    first: int
    last: int
    received_ms: int
    channel: int
    device: bytes
    prev: bytes | None
    """Id before the first; None: the entry below is not there."""
    top_signature: bytes | None
    """Signature of the last, where a held interval ends with it."""


class Fault(NamedTuple):
    """One entry that is not as it was signed."""

    log: int
    seq: int
    reason: str
    stored_id: bytes | None
    computed_id: bytes | None
    """What its id would be by the rest of the row; None: the row cannot be read."""


def stretches_after(database: Database, after: int, limit: int) -> list[Stretch]:
    """Return stretches behind number ``after``, until they have ``limit`` entries or all."""
    taken: list[Stretch] = []
    left = limit
    for row in database.each(_SELECT_STRETCHES + " WHERE a.n > ? ORDER BY a.n", (after,)):
        taken.append(Stretch(*row))
        left -= taken[-1].last - taken[-1].first + 1
        if left <= 0:
            break
    return taken


def stretches_of(database: Database, log: int, first: int, last: int) -> list[Stretch]:
    """Return the stretches of a log that hold some of ``first..last``."""
    rows = database.rows(
        _SELECT_STRETCHES + " WHERE a.log = ? AND a.first <= ? AND a.last >= ?",
        (log, last, first),
    )
    return [Stretch(*row) for row in rows]


_SELECT_STRETCHES: Final = """
    SELECT a.n, a.log, a.first, a.last, a.received_ms, l.channel, d.key,
        CASE WHEN h.first = a.first THEN h.prev ELSE below.id END,
        CASE WHEN h.last = a.last THEN nullif(h.signature, x'') END
    FROM arrival AS a
    JOIN log AS l ON l.n = a.log
    JOIN device AS d ON d.n = l.device
    LEFT JOIN held AS h ON h.log = a.log
        AND h.first = (SELECT max(first) FROM held WHERE log = a.log AND first <= a.first)
    LEFT JOIN arrival AS b ON b.log = a.log
        AND b.first = (SELECT max(first) FROM arrival WHERE log = a.log AND first < a.first)
    LEFT JOIN entry AS below ON below.n = b.n + a.first - 1 - b.first
"""


class PostDates:
    """Where posts stand that others answer, each looked up once: many answer the same.

    A lookup costs as much as five entries that are hashed, because what is answered may lie
    anywhere in the file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, list[int]] = {}
        self._changes = 0

    def forget_if_written(self) -> None:
        """Forget everything if the database was written to since the last time."""
        changes = self._database.connection.total_changes
        if changes != self._changes:
            self._changes = changes
            self._known.clear()

    def of(self, prefix: bytes) -> list[int]:
        """Return the dates of the held posts whose ids begin like this, most often one."""
        found = self._known.get(prefix)
        if found is None:
            if len(self._known) >= _MAX_DATES:
                self._known.clear()
            rows = self._database.rows(
                "SELECT order_ms FROM entry WHERE substr(id, 1, 5) = ? AND order_ms IS NOT NULL",
                (prefix,),
            )
            found = self._known[prefix] = [order_ms for (order_ms,) in rows]
        return found


def faults_of(
    database: Database, stretches: Sequence[Stretch], dates: PostDates | None = None
) -> Iterator[Fault]:
    """Yield the entries of stretches that are damaged, missing or misplaced, lowest number first.

    This is the hot path of a scrub: what nearly every entry has is hashed without making an
    object of it, and only what is odd goes through the code that everything else uses.

    Args:
        dates: what is known from the slices before, if there were any.
    """
    new_header, new_payload = header_hasher().copy, payload_hasher().copy
    dates = dates or PostDates(database)
    dates.forget_if_written()
    rows = _rows_of(database, stretches)
    row = next(rows, _NO_ROW)
    for stretch in stretches:
        n, prev, device, channel = stretch.n, stretch.prev, stretch.device, stretch.channel
        while row[0] < n:
            row = next(rows, _NO_ROW)
        for seq in range(stretch.first, stretch.last + 1):
            if row[0] != n:
                yield Fault(stretch.log, seq, MISSING, None, None)
                prev = None
                n += 1
                continue
            _, entry_id, t_ms, lamport, order_ms, parent, root, rest, signature, payload = row
            if rest is None and payload is not None and prev is not None:
                hasher = new_payload()
                hasher.update(payload)
                digest = hasher.digest()
                claimed_ms = order_ms if t_ms is None else t_ms
                hasher = new_header()
                # fmt: off
                hasher.update(pack((
                    VERSION, device, channel, seq, prev, claimed_ms, USUAL_QUALITY,
                    lamport, (), 0, len(payload), digest, b"",
                )))
                # fmt: on
                computed: bytes | None = hasher.digest()
            else:
                computed = _computed_id(stretch, seq, prev, row)
            if computed != entry_id:
                yield Fault(stretch.log, seq, CHANGED, entry_id, computed)
            elif (signature is not None or seq == stretch.last) and not _is_signed(
                stretch, seq, entry_id, signature
            ):
                yield Fault(stretch.log, seq, UNSIGNED, entry_id, entry_id)
            elif (parent or root or t_ms) and not _is_in_place(dates, stretch, row):
                yield Fault(stretch.log, seq, MISPLACED, entry_id, entry_id)
            prev = entry_id
            n += 1
            row = next(rows, _NO_ROW)


def _rows_of(database: Database, stretches: Sequence[Stretch]) -> Iterator[tuple[Any, ...]]:
    """Return the rows of stretches, and of what lies between them, by number."""
    if not stretches:
        return iter(())
    return iter(
        database.each(
            "SELECT n, id, t_ms, lamport, order_ms, parent, root, rest, signature, payload"
            " FROM entry WHERE n BETWEEN ? AND ? ORDER BY n",
            (stretches[0].n, stretches[-1].n + stretches[-1].last - stretches[-1].first),
        )
    )


def _computed_id(
    stretch: Stretch, seq: int, prev: bytes | None, row: Sequence[Any]
) -> bytes | None:
    """Return the id that the rest of a row leads to, or None if it cannot be read."""
    _, entry_id, t_ms, lamport, order_ms, _, _, rest, _, payload = row
    if prev is None:
        return None
    try:
        entry = entry_of(
            (seq, entry_id, order_ms if t_ms is None else t_ms, lamport, rest, payload)
        )
        return hash_header(encode_header(stretch.device, stretch.channel, prev, entry))
    except UNREADABLE:
        return None


def _is_signed(stretch: Stretch, seq: int, entry_id: bytes, kept: bytes | None) -> bool:
    """Check the signature kept with an entry, and that of a held interval that ends with it."""
    top = stretch.top_signature if seq == stretch.last else None
    try:
        for signature in {kept, top} - {None}:
            verify_entry(stretch.device, entry_id, signature or b"")
    except (IntegrityError, *UNREADABLE):
        return False
    return True


def _is_in_place(dates: PostDates, stretch: Stretch, row: Sequence[Any]) -> bool:
    """Say whether a post stands in the views where its date and what it names put it.

    Threads are found by what a post names, which must be in its text.
    """
    _, _, t_ms, _, order_ms, parent, root, _, _, payload = row
    if order_ms is None:
        return True
    if payload is None:
        return parent is None and root is None
    if (parent is not None and parent not in payload) or (root is not None and root not in payload):
        return False
    alone_ms = order_ms if t_ms is None else min(t_ms, stretch.received_ms)
    if order_ms == alone_ms:
        return True
    if parent is None or order_ms < alone_ms:
        return False
    known = dates.of(prefix_of(parent))
    return not known or order_ms - 1 in known


def faults_above(database: Database, faults: Iterable[Fault]) -> list[Fault]:
    """Return what is wrong with the posts that misplaced answers answer, and with those above.

    An answer stands behind what it answers, so it can be put right only together with that.
    """
    known = {(fault.log, fault.seq) for fault in faults}
    waiting = [fault for fault in faults if fault.reason == MISPLACED]
    found: list[Fault] = []
    while waiting:
        for log, seq in _answered_by(database, waiting.pop()):
            if (log, seq) in known:
                continue
            known.add((log, seq))
            for fault in faults_of(database, stretches_of(database, log, seq, seq)):
                if fault.seq == seq:
                    found.append(fault)
                    waiting += [fault] if fault.reason == MISPLACED else []
    return found


def _answered_by(database: Database, fault: Fault) -> list[tuple[int, int]]:
    """Return log and sequence number of what a post answers, if that is held."""
    found = database.row(
        "SELECT e.payload FROM arrival AS a JOIN entry AS e ON e.n = a.n + ? - a.first"
        " WHERE a.log = ? AND ? BETWEEN a.first AND a.last",
        (fault.seq, fault.log, fault.seq),
    )
    links = found and links_of_post(CHANNEL_POSTS, found[0])
    if not links or links.parent is None:
        return []
    return database.rows(
        "SELECT a.log, a.first + e.n - a.n FROM entry AS e"
        " JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)"
        " WHERE substr(e.id, 1, 5) = ?",
        (prefix_of(links.parent),),
    )


def entries_in(stretches: Iterable[Stretch]) -> int:
    """Return how many entries stretches have."""
    return sum(stretch.last - stretch.first + 1 for stretch in stretches)
