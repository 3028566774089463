"""What everybody takes of a SQLite database, by counts that cost little."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from ..protocol.entry import CHANNEL_IDENTITY
from .quota import Held
from .sqlite_database import Database
from .weight import (
    BRANCH_ENTRY_BYTES,
    DEVICE_BYTES,
    ENTRY_BYTES,
    INTERVAL_BYTES,
    LOG_BYTES,
    MARK_BYTES,
    PERSON_BYTES,
    RECORD_BYTES,
)

_SELECT_PEOPLE: Final = """
    WITH spans AS (
        SELECT log, count(*) AS intervals, sum(last - first + 1) AS entries FROM held GROUP BY log)
    SELECT i.n, i.id, coalesce(sum(s.entries), 0), coalesce(sum(s.intervals), 0), count(l.n),
        count(DISTINCT d.n), sum(l.payload_bytes), sum(l.header_bytes)
    FROM identity AS i JOIN device AS d ON d.identity = i.n JOIN log AS l ON l.device = d.n
    LEFT JOIN spans AS s ON s.log = l.n
    GROUP BY i.n
"""

_SELECT_REST: Final = f"""
    SELECT identity, sum(length(body)) + {RECORD_BYTES} * count(*) FROM record GROUP BY identity
    UNION ALL SELECT identity, {MARK_BYTES} * count(*) FROM follow GROUP BY identity
    UNION ALL SELECT identity, {MARK_BYTES} * count(*) FROM deletion GROUP BY identity
    UNION ALL SELECT identity, 2 * {MARK_BYTES} * count(*) FROM edit GROUP BY identity
    UNION ALL SELECT d.identity, {MARK_BYTES} * sum(m.marks)
        FROM (SELECT log, count(*) AS marks FROM mark GROUP BY log) AS m
        JOIN log AS l ON l.id = m.log JOIN device AS d ON d.n = l.device GROUP BY d.identity
    UNION ALL SELECT d.identity, sum(length(f.proof))
        FROM fork AS f JOIN log AS l ON l.n = f.log JOIN device AS d ON d.n = l.device
        GROUP BY d.identity
    UNION ALL SELECT d.identity,
        sum(length(b.header) + coalesce(length(b.payload), 0) + {BRANCH_ENTRY_BYTES})
        FROM branch_entry AS b JOIN log AS l ON l.n = b.log JOIN device AS d ON d.n = l.device
        GROUP BY d.identity
"""  # noqa: S608  no value of anybody is in it


class Weighed(NamedTuple):
    """What one person takes."""

    n: int
    identity: bytes
    entries: int
    payload_bytes: int
    header_bytes: int
    """Everything else."""


def weighed(database: Database) -> list[Weighed]:
    """Return what everyone takes."""
    rest: Counter[int] = Counter()
    for identity, size_bytes in database.rows(_SELECT_REST):
        rest[identity] += size_bytes
    return [
        Weighed(
            n,
            identity,
            entries,
            payload_bytes,
            header_bytes
            + rest[n]
            + PERSON_BYTES
            + ENTRY_BYTES * entries
            + INTERVAL_BYTES * intervals
            + LOG_BYTES * logs
            + DEVICE_BYTES * devices,
        )
        for (
            n, identity, entries, intervals, logs, devices, payload_bytes, header_bytes
        ) in database.rows(_SELECT_PEOPLE)
    ]  # fmt: skip


def held_by_person(database: Database) -> list[Held]:
    """Return how much is held of everyone, and who brought the newest of it.

    Where nothing is held but words about people, who brought those.
    """
    brought = dict[int, str]()
    for identity, via in database.rows(
        """
        SELECT d.identity, (SELECT s.via FROM arrival AS a JOIN source AS s ON s.n = a.source
            WHERE a.log = l.n ORDER BY a.first DESC LIMIT 1)
        FROM log AS l JOIN device AS d ON d.n = l.device ORDER BY l.channel != ?, 2
        """,
        (CHANNEL_IDENTITY,),
    ):
        if via is not None:
            brought[identity] = via
    return [
        Held(one.identity, one.payload_bytes + one.header_bytes, brought.get(one.n, ""))
        for one in weighed(database)
    ]
