"""Entries of one batch on their way into the tables of a SQLite database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ..protocol.content import post_links
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, SALT_BYTES, Entry
from .base import OWN
from .serving import is_alive
from .sqlite_database import Database
from .sqlite_deletion import take_ids, take_words, unwant_marked
from .sqlite_entries import PREFIX_BYTES, rest_of
from .sqlite_lives import note_ends
from .sqlite_people import learn
from .sqlite_timeline import move_answers
from .standings import KindedRecord, record_said

_NOTHING: Final = ""
"""Stands for NULL: see `_INSERT`."""

_INSERT: Final = """
    INSERT INTO entry VALUES (
        ?, ?, nullif(?, ''), ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''),
        nullif(?, ''), ?, nullif(?, ''))
"""
"""sqlite3 looks for an adapter of every value but exact numbers, texts and bytearrays, which
takes as long as to store it. So what every post has comes as bytearrays, and an empty text,
which no column holds, becomes NULL here: together a quarter of the time of ingest."""


class Stretch(NamedTuple):
    """Consecutive entries of one log that arrived together."""

    log: int
    identity: int
    channel: int
    entries: Sequence[Entry]
    signatures: Mapping[int, bytes]
    """Those that are kept for good, by sequence number."""
    stands: bool = True
    """Whether they count as said by the identity: void posts are in no view."""
    own: bool = False
    """Whether this node wrote them, and a peer brought back what of them was gone."""

    def id_at(self, seq: int) -> bytes | None:
        """Return the id of the entry with this sequence number, if it is one of these."""
        at = seq - self.entries[0].seq
        return self.entries[at].id if 0 <= at < len(self.entries) else None


class Arrivals:
    """Collects the entries of a batch and writes them all at once.

    They are written in the order of their dates, not in that of arrival, newest first, which
    would leave the pages of the timeline's index half empty.
    """

    def __init__(self, database: Database, *, received_ms: int, via: str) -> None:
        self._database = database
        self._received_ms = received_ms
        self._via = via
        self._waiting: dict[int, list[Stretch]] = {}
        self._said: list[tuple[Stretch, int, Entry]] = []
        """What came in channel 1 and is no post."""
        self._ends: list[tuple[Stretch, Entry]] = []
        """What will expire."""
        self.header_bytes: Final[Counter[int]] = Counter()
        """What unusual fields and kept signatures take of each log, by its number."""
        self.records: Final[dict[int, list[KindedRecord]]] = {}
        """Signed records that entries of channel 0 brought, by the identity that wrote them."""

    def add(self, stretch: Stretch) -> None:
        """Take entries in rising order, with gaps or without."""
        waiting = self._waiting.setdefault(stretch.log, [])
        waiting += [stretch._replace(entries=part) for part in _consecutive(stretch.entries)]

    def waiting(self, log: int) -> Sequence[Stretch]:
        """Return what is not written yet of a log."""
        return self._waiting.get(log, ())

    def write(self) -> None:
        """Write what waits, and what follows from it for the views."""
        stretches = [each for of_log in self._waiting.values() for each in of_log]
        if not stretches:
            return
        self._waiting.clear()
        stretches.sort(key=lambda stretch: stretch.entries[0].t_ms)
        (newest,) = self._database.row(
            "SELECT max(coalesce((SELECT max(n) FROM entry), 0), newest) FROM upkeep"
        )
        first_n = n = newest + 1
        source = self._source(self._via)
        own_source = self._source(OWN) if any(each.own for each in stretches) else source
        rows: list[tuple[Any, ...]] = []
        arrivals: list[tuple[int, ...]] = []
        for stretch in stretches:
            posts = self._add_rows(rows, stretch, n)
            first, last = stretch.entries[0].seq, stretch.entries[-1].seq
            via = own_source if stretch.own else source
            arrivals.append((n, stretch.log, first, last, self._received_ms, via, posts))
            n += len(stretch.entries)
        self._database.write_many(_INSERT, rows)
        self._database.write_many("INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?)", arrivals)
        for stretch, (first, *_) in zip(stretches, arrivals, strict=True):
            if any(entry.payload is None for entry in stretch.entries):
                unwant_marked(self._database, stretch.entries[0].seq, first)
        if any(posts for *_, posts in arrivals):
            move_answers(self._database, first_n, n - 1)
        for stretch, entry in _said(stretches):
            record = record_said(entry)
            if record is not None:
                self.records.setdefault(stretch.identity, []).append(record)
            elif stretch.stands:
                learn(self._database, stretch.identity, entry)
        if self._ends:
            lives = [(stretch.log, entry) for stretch, entry in self._ends]
            note_ends(self._database, lives, self._received_ms)
            self._ends.clear()
        if any(stretch.channel == CHANNEL_POSTS for stretch in stretches):
            take_ids(self._database, first_n, n - 1)
        said, self._said = self._said, []
        for stretch, at, entry in said:
            place = stretch.log, entry.seq, at
            take_words(self._database, place, stretch.identity, stands=stretch.stands)

    def _add_rows(self, rows: list[tuple[Any, ...]], stretch: Stretch, first_n: int) -> int:
        """Add the rows of a stretch, numbered from ``first_n``; return how many are posts.

        The loop does by hand what `links_of_post` and `first_order_ms` say: it is the hot path.
        """
        is_public, stands = stretch.channel == CHANNEL_POSTS, stretch.stands
        received_ms, signatures = self._received_ms, stretch.signatures
        posts = header_bytes = 0
        for n, entry in enumerate(stretch.entries, first_n):
            seq, entry_id, t_ms, _, lamport, _, expire_ms, _, _, _, _, payload = entry
            links = post_links(payload[SALT_BYTES:]) if is_public and payload is not None else None
            place: tuple[Any, ...] = (t_ms, lamport, _NOTHING, _NOTHING, _NOTHING)
            if links is not None and stands:
                posts += 1
                parent, root = links
                order_ms = t_ms if t_ms < received_ms else received_ms
                place = (
                    _NOTHING if order_ms == t_ms else t_ms,
                    lamport,
                    order_ms,
                    _NOTHING if parent is None else parent[:PREFIX_BYTES],
                    _NOTHING if root is None else root[:PREFIX_BYTES],
                )
            elif links is None and is_public and payload is not None:
                self._said.append((stretch, n, entry))
            if expire_ms and payload is not None:
                self._ends.append((stretch, entry))
            rest = rest_of(entry) or _NOTHING
            signature = signatures.get(seq, _NOTHING)
            header_bytes += len(rest) + len(signature)
            held = payload if payload is None else bytearray(payload)
            hole = 1 if payload is None and is_alive(entry) else _NOTHING
            rows.append((n, bytearray(entry_id), *place, rest, signature, held, hole))
        self.header_bytes[stretch.log] += header_bytes
        return posts

    def _source(self, via: str) -> int:
        found = self._database.row("SELECT n FROM source WHERE via = ?", (via,))
        if found:
            return int(found[0])
        return self._database.insert("INSERT INTO source (via) VALUES (?)", (via,))


def _consecutive(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Split entries in rising order where sequence numbers are missing between them."""
    if entries[-1].seq - entries[0].seq == len(entries) - 1:
        return [entries]
    pairs = enumerate(pairwise(entries), start=1)
    cuts = [at for at, (one, next_one) in pairs if next_one.seq != one.seq + 1]
    return [entries[start:end] for start, end in pairwise([0, *cuts, len(entries)])]


def _said(stretches: Sequence[Stretch]) -> Iterator[tuple[Stretch, Entry]]:
    """Yield what identities say in channel 0, behind the certificate in entry 0."""
    for stretch in stretches:
        if stretch.channel == CHANNEL_IDENTITY:
            for entry in stretch.entries:
                if entry.seq > 0:
                    yield stretch, entry
