"""A store of a million entries, as years of following a thousand people leave it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from slowlight.protocol.content import Post, encode_content
from slowlight.protocol.entry import (
    CHANNEL_POSTS,
    SALT_BYTES,
    USUAL_QUALITY,
    Entry,
    encode_header,
    hash_header,
    hash_payload,
    sign_entry,
)
from slowlight.protocol.hashing import ZERO_HASH
from slowlight.protocol.ident import verify_ident
from slowlight.protocol.run import BLOCK, MAX_RUN_BYTES, Run
from slowlight.simulations.people import SeededPerson, derive_seed
from slowlight.store.base import LogKey
from slowlight.store.serving import longest_run
from slowlight.store.sqlite import SqliteStore

ENTRIES: Final = 1_000_000
PEOPLE: Final = 1_000
FROM_MS: Final = 1_600_000_000_000
YEARS_MS: Final = 5 * 31_557_600_000
RECEIVED_MS: Final = FROM_MS + YEARS_MS
RARE_WORD: Final = "kugelblitz"
"""Once in ten thousand posts."""
COMMIT_RUNS: Final = 24

_SYLLABLES: Final = ("ka", "lo", "mi", "ne", "ru", "ta", "si", "vo", "fra", "glo", "sten", "por")
_SEED: Final = bytes(32)


def make_large_store(path: Path, *, entries: int = ENTRIES, people: int = PEOPLE) -> None:
    """Fill a new database as syncs do: proven runs, committed in batches; then index it.

    Few write much and many write little: the shares fall like 1 / rank. A post has 20 to 60
    words of a vocabulary in which few words are frequent; one in eight answers an earlier one.
    """
    store = SqliteStore(path)
    chance = random.Random(1)
    words = _Words(chance)
    shares = [1 / rank for rank in range(1, people + 1)]
    per_share = (entries - people) / sum(shares)
    recent: list[bytes] = [ZERO_HASH]
    for number, share in enumerate(shares):
        person = SeededPerson(
            derive_seed(_SEED, "large", number), label="bench", from_ms=FROM_MS + number
        )
        store.ingest([verify_ident(person.ident)], received_ms=RECEIVED_MS, via="bench")
        log = _write_log(person, max(1, round(share * per_share)), words, recent, chance)
        runs = list(_runs(person, log))
        for start in range(0, len(runs), COMMIT_RUNS):
            store.ingest(runs[start : start + COMMIT_RUNS], received_ms=RECEIVED_MS, via="bench")
    while store.index_posts(20_000):
        pass
    store.close()


class _Words:
    """Texts of words, few of which are frequent."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        known = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(20_000)]
        weights = list(accumulate(1 / rank for rank in range(1, len(known) + 1)))
        self._pool = chance.choices(known, cum_weights=weights, k=200_000)

    def text(self) -> str:
        """Return the text of a post, of 20 to 60 words."""
        at = self._chance.randrange(len(self._pool) - 60)
        text = " ".join(self._pool[at : at + self._chance.randint(20, 60)])
        return f"{text} {RARE_WORD}" if self._chance.randrange(10_000) == 0 else text


def _write_log(
    person: SeededPerson, count: int, words: _Words, recent: list[bytes], chance: random.Random
) -> list[Entry]:
    """Write the public posts of a person, without the checks of `write_entry`: ours are right."""
    device, prev, log = person.device.public, ZERO_HASH, list[Entry]()
    for seq in range(count):
        parent = chance.choice(recent) if chance.randrange(8) == 0 and len(recent) > 1 else None
        content = Post(words.text(), reply_to=None if parent is ZERO_HASH else parent)
        payload = chance.randbytes(SALT_BYTES) + encode_content(content)
        draft = Entry(
            seq,
            ZERO_HASH,
            FROM_MS + YEARS_MS * seq // count + chance.randrange(60_000),
            USUAL_QUALITY,
            seq + 1,
            (),
            0,
            0,
            len(payload),
            hash_payload(payload),
            b"",
            payload,
        )
        prev = hash_header(encode_header(device, CHANNEL_POSTS, prev, draft))
        log.append(draft._replace(id=prev))
        if seq % 97 == 0:
            recent.append(prev)
    del recent[1:-1_000]
    return log


def _runs(person: SeededPerson, log: Sequence[Entry]) -> Iterator[Run]:
    top = len(log) - 1
    while top >= 0:
        signed = top == len(log) - 1 or top % BLOCK == BLOCK - 1
        run = longest_run(
            LogKey(person.device.public, CHANNEL_POSTS),
            reversed(log[top // BLOCK * BLOCK : top + 1]),
            needed=1,
            signature=sign_entry(person.device.secret, log[top].id) if signed else None,
            max_bytes=MAX_RUN_BYTES,
            prev_of=lambda seq: log[seq - 1].id if seq else ZERO_HASH,
        )
        yield run
        top = run.first - 1
