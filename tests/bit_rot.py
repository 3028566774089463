"""What a disk does to a store that nobody looks after: bits change."""

from __future__ import annotations

import random
from typing import Any, Final, NamedTuple

from slowlight.store.sqlite import SqliteStore
from tests.people import Person

COLUMNS: Final = (
    *("id", "t_ms", "lamport", "order_ms", "parent", "root", "rest", "signature", "payload"),
)
"""Everything of an entry that a scrub can know."""


class Flip(NamedTuple):
    """One changed bit."""

    n: int
    column: str
    bit: int


def flip_one(store: SqliteStore, chance: random.Random, n: int) -> Flip:
    """Change one bit of one column of the entry with this number."""
    row = store.database.row(f"SELECT {', '.join(COLUMNS)} FROM entry WHERE n = ?", (n,))  # noqa: S608
    column, value = chance.choice(
        [(name, value) for name, value in zip(COLUMNS, row, strict=True) if value is not None]
    )
    bit = chance.randrange(62 if isinstance(value, int) else 8 * len(value))
    with store.database.writing():
        store.database.write(
            f"UPDATE entry SET {column} = ? WHERE n = ?",  # noqa: S608
            (flipped(value, bit), n),
        )
    return Flip(n, column, bit)


def flipped(value: Any, bit: int) -> Any:
    """Return a value with one bit changed."""
    if isinstance(value, int):
        return value ^ (1 << bit)
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def numbers(store: SqliteStore) -> list[int]:
    """Return the numbers of all entries."""
    return [n for (n,) in store.database.rows("SELECT n FROM entry ORDER BY n")]


def talkative(seed: int, others: tuple[Person, ...] = (), *, posts: int = 300) -> Person:
    """Return a person who uses everything that an entry can hold."""
    person = Person(seed)
    known = [entry.id for other in others for entry in other.log()]
    person.profile(f"person {seed}")
    for other in others:
        person.follow(other.identity)
    for number in range(posts):
        answers = person.random.choice(known) if known and number % 5 == 0 else None
        entry = person.post(
            reply_to=answers,
            root=person.random.choice(known) if answers and number % 10 == 0 else None,
            seen=[person.random.choice(known)] if known and number % 7 == 0 else [],
            expire_ms=10**12 if number % 11 == 0 else 0,
        )
        known.append(entry.id)
    for number in range(20):
        person.write(2, bytes([number]) * 40)
    return person
