"""What a SQLite store shows of entries: timeline, threads, search, and each by its id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from ..protocol.entry import CHANNEL_POSTS
from .base import HeldEntry, PageMark, SearchResult, TimelinePost
from .derived import MAX_MOVED_POSTS, links_of_post, moved_answers, searchable_text, word_rank
from .sqlite_database import Database, SqlitePart
from .sqlite_entries import held_entry_of, id_range, post_of, prefix_of
from .sqlite_forks import SELECT_KEPT, held_kept_of
from .words import best_matches, index_text, parse_query

_TOP: Final = PageMark(2**63 - 1, 0)


class SqliteTimeline(SqlitePart):
    """Entries as people see them. `NodeStore` describes the methods."""

    def entry(self, entry_id: bytes) -> HeldEntry | None:
        found = self._database.row(
            "SELECT * FROM held_entry WHERE substr(id, 1, 5) = ? AND id = ?",
            (prefix_of(entry_id), entry_id),
        )
        if found:
            return held_entry_of(found)
        kept = self._database.row(f"{SELECT_KEPT} WHERE b.id = ?", (entry_id,))
        return kept and held_kept_of(kept)

    def find_entries(self, bits: int, bit_count: int, limit: int) -> list[HeldEntry]:
        lowest, highest = id_range(bits, bit_count)
        rows = self._database.rows(
            "SELECT * FROM held_entry WHERE substr(id, 1, 5) BETWEEN ? AND ?"
            " AND id BETWEEN ? AND ? LIMIT ?",
            (prefix_of(lowest), prefix_of(highest), lowest, highest, limit),
        )
        kept = self._database.rows(
            f"{SELECT_KEPT} WHERE b.id BETWEEN ? AND ? LIMIT ?",
            (lowest, highest, limit - len(rows)),
        )
        return [*map(held_entry_of, rows), *map(held_kept_of, kept)]

    def timeline(
        self, *, before: PageMark | None = None, limit: int = 50, identity: bytes | None = None
    ) -> list[TimelinePost]:
        mark = before or _TOP
        if identity is None:
            numbers = self._database.rows(
                "SELECT n FROM entry WHERE order_ms IS NOT NULL AND (order_ms, n) < (?, ?)"
                " ORDER BY order_ms DESC, n DESC LIMIT ?",
                (*mark, limit),
            )
        else:
            numbers = self._database.rows(
                """
                SELECT e.n FROM identity AS i
                JOIN device AS d ON d.identity = i.n
                JOIN log AS l ON l.device = d.n AND l.channel = ?
                JOIN arrival AS a ON a.log = l.n
                CROSS JOIN entry AS e ON e.n BETWEEN a.n AND a.n + a.last - a.first
                WHERE i.id = ? AND (e.order_ms, e.n) < (?, ?)
                ORDER BY e.order_ms DESC, e.n DESC LIMIT ?
                """,
                (CHANNEL_POSTS, identity, *mark, limit),
            )
        return [self._post(n) for (n,) in numbers]

    def arrived(self, *, after: int, limit: int) -> list[TimelinePost]:
        numbers = self._database.rows(
            "SELECT n FROM entry WHERE n > ? AND order_ms IS NOT NULL ORDER BY n LIMIT ?",
            (after, limit),
        )
        return [self._post(n) for (n,) in numbers]

    def newest_arrival(self) -> int:
        # The groups that arrived together tell where the newest post is to be looked for.
        found = self._database.row(
            "SELECT n FROM entry WHERE order_ms IS NOT NULL"
            " AND n >= (SELECT n FROM arrival WHERE posts > 0 ORDER BY n DESC LIMIT 1)"
            " ORDER BY n DESC LIMIT 1"
        )
        return found[0] if found else 0

    def count_arrived(self, *, after: int, besides: bytes = b"") -> int:
        wanted = {"after": after, "besides": besides}
        (later,) = self._database.row(
            """
            SELECT coalesce(sum(posts), 0) FROM arrival WHERE n > :after AND log NOT IN (
                SELECT l.n FROM identity AS i JOIN device AS d ON d.identity = i.n
                JOIN log AS l ON l.device = d.n WHERE i.id = :besides
            )
            """,
            wanted,
        )
        (same,) = self._database.row(
            """
            SELECT count(*) FROM entry WHERE order_ms IS NOT NULL AND n > :after
                AND n < coalesce(
                    (SELECT min(n) FROM arrival WHERE n > :after), 9223372036854775807
                )
                AND (SELECT log FROM arrival WHERE n <= :after ORDER BY n DESC LIMIT 1)
                    NOT IN (
                        SELECT l.n FROM identity AS i JOIN device AS d ON d.identity = i.n
                        JOIN log AS l ON l.device = d.n WHERE i.id = :besides
                    )
            """,
            wanted,
        )
        return int(later + same)

    def thread(self, root: bytes, *, limit: int) -> list[TimelinePost]:
        numbers = self._database.rows(
            """
            SELECT n FROM entry WHERE order_ms IS NOT NULL AND n IN (
                SELECT n FROM entry WHERE substr(id, 1, 5) = :prefix
                UNION SELECT n FROM entry WHERE root = :prefix
                UNION SELECT n FROM entry WHERE parent = :prefix
            ) ORDER BY order_ms, n
            """,
            {"prefix": prefix_of(root)},
        )
        named = (self._post(n) for (n,) in numbers)
        return list(islice((post for post in named if _belongs(post, root)), limit))

    def search(self, query: str, *, limit: int) -> SearchResult:
        wanted = parse_query(query)
        matching = self._database.each(
            "SELECT s.rowid, coalesce(v.payload, e.payload)"
            " FROM search AS s CROSS JOIN entry AS e ON e.n = s.rowid"
            " LEFT JOIN edited AS x ON x.post = e.n LEFT JOIN entry AS v ON v.n = x.edit"
            " WHERE search MATCH ? ORDER BY s.rowid DESC",
            (wanted.match,),
        )
        texts = ((n, searchable_text(payload)) for n, payload in matching)
        posts = tuple(self._post(n) for n in best_matches(wanted, texts, limit=limit))
        return SearchResult(posts, self.search_behind())

    def index_posts(self, limit: int) -> int:
        posts = self._database.rows(
            "SELECT e.n, coalesce(v.payload, e.payload) FROM entry AS e"
            " LEFT JOIN edited AS x ON x.post = e.n LEFT JOIN entry AS v ON v.n = x.edit"
            " WHERE e.n > (SELECT indexed FROM store) AND e.order_ms IS NOT NULL"
            " ORDER BY e.n LIMIT ?",
            (limit,),
        )
        if posts:
            with self._database.writing():
                self._database.write_many(
                    "INSERT INTO search (rowid, text) VALUES (?, ?)",
                    [(n, index_text(searchable_text(payload))) for n, payload in posts],
                )
                self._database.write("UPDATE store SET indexed = ?", (posts[-1][0],))
        return self.search_behind()

    def search_behind(self) -> int:
        """Return how many posts the search index has not read yet."""
        (indexed,) = self._database.row("SELECT indexed FROM store")
        return self.count_arrived(after=indexed)

    def _post(self, n: int) -> TimelinePost:
        post = post_of(self._database.row("SELECT * FROM held_entry WHERE n = ?", (n,)))
        edited = self._database.row(
            "SELECT v.* FROM edited AS x JOIN held_entry AS v ON v.n = x.edit WHERE x.post = ?",
            (n,),
        )
        return replace(post, version=held_entry_of(edited)) if edited else post

    def versions(self, post_id: bytes) -> list[HeldEntry]:
        post = self.entry(post_id)
        if post is None or links_of_post(post.log.channel, post.entry.payload) is None:
            return []
        rows = self._database.rows(
            "SELECT v.* FROM edit AS x JOIN identity AS i ON i.n = x.identity"
            " JOIN held_entry AS v ON v.n = x.n WHERE x.target = ? AND i.id = ? AND NOT x.void",
            (post_id, post.identity),
        )
        return [post, *sorted(map(held_entry_of, rows), key=lambda held: word_rank(held.entry))]


def _belongs(post: TimelinePost, root: bytes) -> bool:
    """Look at the whole ids of a post that was found by the prefix of its thread."""
    entry = post.held.entry
    links = links_of_post(CHANNEL_POSTS, entry.payload)
    return entry.id == root or (links is not None and root in links)


def move_answers(database: Database, first_n: int, last_n: int) -> None:
    """Let no post stand before what it answers, now that ``first_n..last_n`` are here."""
    raised = {
        answer: parent_ms + 1
        for answer, payload, parent_id, parent_ms in _answers_before_parents(
            database, first_n, last_n
        )
        if _answers(payload, parent_id)
    }
    if not raised:
        return

    def answers(n: int) -> Iterator[tuple[int, int]]:
        for answer, order_ms, payload, parent_id in database.each(
            "SELECT c.n, c.order_ms, c.payload, p.id FROM entry AS p"
            " JOIN entry AS c ON c.parent = substr(p.id, 1, 5) WHERE p.n = ?",
            (n,),
        ):
            if _answers(payload, parent_id):
                yield answer, order_ms

    moved = raised | moved_answers(raised, answers)
    database.write_many(
        "UPDATE entry SET t_ms = coalesce(t_ms, order_ms), order_ms = ? WHERE n = ?",
        [(order_ms, n) for n, order_ms in moved.items()],
    )


def _answers_before_parents(
    database: Database, first_n: int, last_n: int
) -> Iterable[tuple[int, bytes, bytes, int]]:
    """Return answers that stand too early where they or their parents are new."""
    return database.rows(
        """
        SELECT c.n, c.payload, p.id, p.order_ms
        FROM entry AS c CROSS JOIN entry AS p ON substr(p.id, 1, 5) = c.parent
        WHERE c.n BETWEEN :first AND :last
            AND c.parent IS NOT NULL AND p.order_ms >= c.order_ms
        UNION ALL
        SELECT c.n, c.payload, p.id, p.order_ms
        FROM entry AS p CROSS JOIN entry AS c ON c.parent = substr(p.id, 1, 5)
        WHERE p.n BETWEEN :first AND :last AND p.order_ms >= c.order_ms
            AND c.n NOT BETWEEN :first AND :last
        LIMIT :most
        """,
        {"first": first_n, "last": last_n, "most": MAX_MOVED_POSTS},
    )


def _answers(payload: bytes, parent_id: bytes) -> bool:
    """Compare whole ids: the index knows only how they begin."""
    links = links_of_post(CHANNEL_POSTS, payload)
    return links is not None and links.parent == parent_id
