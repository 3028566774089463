"""Bytes on the wire, counted with all framing, between two sessions with real stores."""

from __future__ import annotations

from collections.abc import Iterator

from slowlight.protocol.content import Post
from slowlight.protocol.encoding import put_varint
from slowlight.protocol.entry import Entry
from slowlight.protocol.ident import VerifiedIdent, verify_ident
from slowlight.protocol.run import Run
from slowlight.simulations.pair import Pair
from slowlight.simulations.people import SeededPerson, derive_seed
from slowlight.store.memory import MemoryStore
from slowlight.sync.offers import Offers
from slowlight.sync.session import Session

from .figures import Figure, at_most, told
from .trace import conversation, roster_for

NOW_MS = 1_800_000_000_000
LONG_LOG = 64
MESSAGES_PER_COMMIT = 16
"""About one MiB, at which a session commits."""

SIGNATURE_FLOOR_BYTES = 64
"""A log of one entry cannot be proven with less than one signature ..."""
KEYS_FLOOR_BYTES = 32 + 32 + 32 + 32 + 64 + 64
"""... nor an identity with less than root, commitment, device and box key, the certificate's
signature and that of the entry that holds it."""


class Node:
    """A store, its owner and what it wants."""

    def __init__(self, owner: str, wants: list[SeededPerson]) -> None:
        seed = derive_seed(bytes(32), owner)
        self.owner = SeededPerson(seed, label=owner, from_ms=NOW_MS)
        self.store = MemoryStore(nonce=seed[:8])
        self.offers = Offers(self.store)
        self.roster = roster_for(wants)
        self.take(self.owner)

    def take(self, person: SeededPerson) -> None:
        """Hold everything that a person wrote."""
        batch: list[Run | VerifiedIdent] = [verify_ident(person.ident), *person.runs()]
        self.store.ingest(batch, received_ms=NOW_MS, via="bench")

    def session(self, peer: Node, *, initiator: bool) -> Session:
        return Session(
            self.store,
            roster=self.roster,
            identity=self.owner.identity,
            peer_device=peer.owner.device.public,
            peer_identity=peer.owner.identity,
            offers=self.offers,
            initiator=initiator,
            salt=bytes(8),
        )


def connect(one: Node, two: Node) -> Pair:
    pair = Pair(one.session(two, initiator=True), two.session(one, initiator=False), now_ms=NOW_MS)
    pair.talk()
    return pair


def meet(one: Node, two: Node) -> Pair:
    pair = Pair(one.session(two, initiator=True), two.session(one, initiator=False), now_ms=NOW_MS)
    pair.ends[0].finish()
    pair.talk(batch=MESSAGES_PER_COMMIT)
    return pair


def figures() -> Iterator[Figure]:
    """Measure overhead, one new post, and nothing new."""
    people = list(conversation().authors.values())
    yield from _bulk(people)
    full, reader = Node("full", people), Node("reader", people)
    for person in people:
        full.take(person)
    meet(reader, full)
    quiet = meet(reader, full)
    yield at_most(
        f"nothing new, {len(people):,} identities, both ways, BYE included",
        quiet.total_bytes,
        "bytes",
        200,
        limit=2 * 18 + 2 * 16,
        limit_name="a Noise message and a 16-byte digest each way",
    )
    yield _one_post()


def _bulk(people: list[SeededPerson]) -> Iterator[Figure]:
    for name, chosen, goal in (
        (
            f"overhead per entry, logs of {LONG_LOG} entries or more",
            [person for person in people if len(_posts(person)) >= LONG_LOG],
            12.0,
        ),
        (f"overhead per entry, the whole trace ({len(people):,} identities)", people, None),
    ):
        full, reader = Node("full", []), Node("reader", chosen)
        for person in chosen:
            full.take(person)
        pair = meet(reader, full)
        entries = [entry for person in chosen for entry in _posts(person)]
        carried = sum(_unavoidable_bytes(entry) for entry in entries)
        # Certificates are entries too, but here they are overhead: nobody wanted to read them.
        value = (pair.total_bytes - carried) / len(entries)
        floor = len(chosen) * (SIGNATURE_FLOOR_BYTES + KEYS_FLOOR_BYTES) / len(entries)
        limit_name = "signatures and keys alone"
        if goal is None:
            yield told(name, value, "bytes", limit=floor, limit_name=limit_name)
        else:
            yield at_most(name, value, "bytes", goal, limit=floor, limit_name=limit_name)


def _posts(person: SeededPerson) -> list[Entry]:
    log = person.logs.get(1)
    return log.entries if log is not None else []


def _unavoidable_bytes(entry: Entry) -> int:
    """Return the bytes of payload, ``seen`` with its count, and expiry."""
    expiry = bytearray()
    if entry.expire_ms:
        put_varint(expiry, entry.expire_ms)
        put_varint(expiry, entry.remaining_ms)
    return entry.size + 32 * len(entry.seen) + bool(entry.seen) + len(expiry)


def _one_post() -> Figure:
    author = SeededPerson(derive_seed(bytes(32), "author"), label="author", from_ms=NOW_MS)
    for number in range(3):
        author.write(1, Post(f"earlier {number}"), NOW_MS + number)
    one, two = Node("one", []), Node("two", [author])
    one.take(author)
    pair = connect(two, one)
    before = pair.total_bytes
    entry = author.write(1, Post("How is the dust?"), NOW_MS + 60_000)
    one.take(author)
    pair.ends[1].store_changed()
    pair.talk()
    return at_most(
        "one new post between connected peers, beyond its payload, all frames both ways",
        pair.total_bytes - before - entry.size,
        "bytes",
        280,
        limit=64 + 32 + 2 * 18,
        limit_name="signature, device, a Noise message each way",
    )
