"""What every store makes of rotations, revocations and accepts: what is void and comes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.content import Delete, Edit, EntryRange, Post
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, CHANNEL_PRIVATE, log_id
from slowlight.protocol.frames import WantRange
from slowlight.protocol.ident import RecordKind, VerifiedIdent, records_id, verify_ident
from slowlight.protocol.run import Run, open_run
from slowlight.protocol.signing import CONTEXT_REVOCATION, CONTEXT_ROTATION, sign
from slowlight.protocol.standing import Void
from slowlight.store.base import LogKey, NodeStore, Outcome, Voided
from tests.owners import (
    accepted,
    certified_in,
    ended_device,
    open_device,
    revoked,
    rotated,
    said,
    with_records,
)
from tests.people import Person
from tests.stores import (
    RECEIVED_MS,
    VIA,
    OpenStore,
    any_order,
    everything_of,
    fetch,
    holdings,
    meet,
    posts_of,
    show_everything,
    take,
)

STORED: Final = Outcome.STORED
DUPLICATE: Final = Outcome.DUPLICATE


def timeline(store: NodeStore) -> list[bytes]:
    """Return the ids of all posts that a store shows."""
    return [post.held.entry.id for post in store.timeline(limit=1_000)]


def void(store: NodeStore, entry_id: bytes) -> Voided | None:
    """Return why a held entry is void."""
    held = store.entry(entry_id)
    assert held is not None
    return held.void


def states(store: NodeStore, person: Person) -> dict[bytes, tuple[int, bytes]]:
    """Return the states that a store offers of a person, by log."""
    return {log: (seq, each) for log, seq, each in store.states(everything_of(person))}


def everything(store: NodeStore, *people: Person) -> dict[str, Any]:
    """Return all that a store shows, also what is void and why."""
    show_everything(store)
    return {
        **holdings(store, *people),
        "void": [
            void(store, entry.id)
            for person in people
            for log in person.logs.values()
            for entry in log
        ],
        "versions": {
            (post.held.entry.id, post.version.entry.id)
            for post in store.timeline(limit=1_000)
            if post.version
        },
        "found": {post.held.entry.id for post in store.search("storm", limit=100).posts},
        "unread": store.count_arrived(after=0),
        "idents": [store.ident(person.identity) for person in people],
        "standing": [store.standing(person.identity) for person in people],
        "endings": [
            store.ending(LogKey(person.device, channel))
            for person in people
            for channel in person.logs
        ],
    }


def test_a_device_that_comes_later_stands_at_once(store: NodeStore) -> None:
    """What was decided before about its identity is decided anew, also without any record."""
    laptop, phone = Person(1), Person(1, device_number=1)
    take(store, laptop.verified_ident())
    for known in ({laptop.device}, {laptop.device, phone.device}):
        standing = store.standing(laptop.identity)
        assert standing is not None
        assert standing.devices.keys() == known
        take(store, phone.verified_ident())


def test_what_comes_after_the_end_of_a_device_is_void(store: NodeStore) -> None:
    """It is kept, and marked with the record that says so; every view is without it."""
    laptop, phone = Person(1), Person(1, device_number=1)
    kept = phone.post("a storm")
    lost = phone.post("a storm of thieves", reply_to=kept.id)
    mine = laptop.post("my storm")
    take(store, laptop.verified_ident(), phone.verified_ident(), laptop.run(), phone.run())
    show_everything(store)
    assert set(timeline(store)) == {kept.id, lost.id, mine.id}

    end = revoked(phone, (CHANNEL_POSTS, 0))
    before = store.change_counter
    assert take(store, with_records(laptop, end)) == [STORED]
    assert take(store, with_records(laptop, end)) == [DUPLICATE]
    assert store.change_counter == before + 1
    assert set(timeline(store)) == {kept.id, mine.id}
    assert void(store, lost.id) == Voided(Void.ENDED, end[1].hash)
    assert void(store, kept.id) is None
    assert [post.held.entry.id for post in store.thread(kept.id, limit=9)] == [kept.id]
    assert {post.held.entry.id for post in store.search("storm", limit=9).posts} == {
        kept.id,
        mine.id,
    }
    assert store.count_arrived(after=0) == store.totals().posts == 2
    assert states(store, phone) == {
        log_id(laptop.device, CHANNEL_IDENTITY): (0, laptop.log(CHANNEL_IDENTITY)[0].id),
        log_id(phone.device, CHANNEL_IDENTITY): (0, phone.log(CHANNEL_IDENTITY)[0].id),
        log_id(laptop.device, CHANNEL_POSTS): (0, mine.id),
        log_id(phone.device, CHANNEL_POSTS): (0, kept.id),
        laptop.identity: (0, records_id([end[1].hash])),
    }
    standing = store.standing(laptop.identity)
    assert standing is not None
    assert standing.devices[laptop.device].open
    assert not standing.devices[phone.device].open
    assert store.standing(Person(9).identity) is None


def test_a_rotation_lets_void_entries_stand_again(store: NodeStore) -> None:
    """The owner takes back what a thief of the root key revoked."""
    ada = Person(1)
    posts = ada.posts(3)
    take(store, ada.verified_ident(), ada.run())
    show_everything(store)
    before = everything(store, ada)
    take(store, with_records(ada, revoked(ada)))
    assert timeline(store) == []
    assert {void(store, post.id) for post in posts} == {
        Voided(Void.ENDED, revoked(ada)[1].hash),
    }
    assert log_id(ada.device, CHANNEL_POSTS) not in states(store, ada)
    assert list(store.gone(everything_of(ada), since=0)) == [log_id(ada.device, CHANNEL_POSTS)]

    rotation = rotated(ada, open_device(ada))
    take(store, with_records(ada, rotation))
    after = everything(store, ada)
    for view in ("order", "threads", "found", "unread", "void", "entries", "totals", "endings"):
        assert after[view] == before[view]
    ident = store.ident(ada.identity)
    assert ident is not None
    assert ident.records == (rotation,)
    assert list(store.gone(everything_of(ada), since=0)) == []


def test_words_of_void_entries_count_no_more(store: NodeStore) -> None:
    """Profile and follows are those of what stands; they come back with it."""
    laptop, phone, bob = Person(1), Person(1, device_number=1), Person(2)
    laptop.profile("Ada")
    followed = laptop.follow(bob.identity)
    phone.now_ms = laptop.now_ms
    phone.write(CHANNEL_IDENTITY, b"", lamport=50)
    phone.profile("Eve")
    phone.withdraw(followed)
    phone.follow(phone.device)
    take(store, laptop.verified_ident(), phone.verified_ident())
    take(store, laptop.run(CHANNEL_IDENTITY), phone.run(CHANNEL_IDENTITY))

    def words() -> tuple[str, set[bytes]]:
        known = store.identity(laptop.identity)
        assert known is not None
        return known.name, {follow.identity for follow in store.follows(laptop.identity)}

    assert words() == ("Eve", {phone.device})
    take(store, with_records(laptop, revoked(phone, (CHANNEL_IDENTITY, 1))))
    assert words() == ("Ada", {bob.identity})
    profile = store.profile(laptop.identity)
    assert profile is not None
    assert profile.log.device == laptop.device
    take(store, with_records(laptop, rotated(laptop, open_device(laptop), open_device(phone))))
    assert words() == ("Eve", {phone.device})


def test_a_record_counts_in_whatever_log_it_stands(store: NodeStore) -> None:
    """Also as content of channel 0 of the very device that it ends, and before its epoch."""
    laptop, phone = Person(1), Person(1, device_number=1)
    phone.posts(2)
    rotation = rotated(laptop, open_device(laptop), open_device(phone))
    end = revoked(phone, (CHANNEL_POSTS, 0), epoch=1)
    phone.write(CHANNEL_IDENTITY, said(end))
    laptop.write(CHANNEL_IDENTITY, said(rotation))
    take(store, laptop.verified_ident(), phone.verified_ident())
    take(store, phone.run(), phone.run(CHANNEL_IDENTITY))
    assert len(timeline(store)) == 2
    take(store, laptop.run(CHANNEL_IDENTITY))
    assert timeline(store) == [phone.log()[0].id]
    assert void(store, phone.log(CHANNEL_IDENTITY)[1].id) == Voided(Void.ENDED, end[1].hash)
    ident = store.ident(laptop.identity)
    assert ident is not None
    assert set(ident.records) == {rotation, end}
    assert verify_ident(ident).records == ident.records


def test_own_entries_bring_records_too(store: NodeStore) -> None:
    """Whoever publishes a record on this device feels it at once."""
    ada = Person(1)
    meet(store, ada)
    ada.posts(2)
    store.append(posts_of(ada), ada.signed(), received_ms=RECEIVED_MS)
    ada.write(CHANNEL_IDENTITY, said(revoked(ada, (CHANNEL_POSTS, 0))))
    key = LogKey(ada.device, CHANNEL_IDENTITY)
    store.append(key, ada.signed(CHANNEL_IDENTITY, 1), received_ms=RECEIVED_MS)
    assert timeline(store) == [ada.log()[0].id]
    standing = store.standing(ada.identity)
    assert standing is not None
    assert not standing.devices[ada.device].open


@pytest.mark.parametrize("which", ["another root key", "the device key"])
def test_what_no_root_key_signed_changes_nothing(store: NodeStore, which: str) -> None:
    """A thief of a device key writes what he likes into his log; nobody obeys."""
    ada, eve = Person(1), Person(2)
    ada.posts(2)
    take(store, ada.verified_ident(), ada.run())
    before = timeline(store)
    kind, record = revoked(ada)
    by_device = record._replace(signature=sign(ada.key.secret, CONTEXT_REVOCATION, record.body))
    forged = {"another root key": revoked(eve)[1], "the device key": by_device}[which]
    ada.write(CHANNEL_IDENTITY, said((kind, forged)))
    assert take(store, ada.run(CHANNEL_IDENTITY)) == [STORED]
    assert timeline(store) == before
    ident = store.ident(ada.identity)
    assert ident is not None
    assert ident.records == ()


def test_records_of_an_epoch_that_ended_fall_away(store: NodeStore) -> None:
    """A thief of the root key signs in masses; the next rotation makes room again."""
    laptop, phone = Person(1), Person(1, device_number=1)
    take(store, laptop.verified_ident(), phone.verified_ident())
    thieves = [Person(1, device_number=number) for number in range(2, 400)]
    records = [revoked(thief) for thief in thieves]
    for start in range(0, len(records), 100):
        take(store, with_records(laptop, *records[start : start + 100]))
    ident = store.ident(laptop.identity)
    assert ident is not None
    assert 100 < len(ident.records) < 300
    assert len(ident.encode()) <= 29_500
    take(store, with_records(laptop, revoked(phone)))
    standing = store.standing(laptop.identity)
    assert standing is not None
    assert not standing.devices[phone.device].open
    rotation = rotated(laptop, open_device(laptop))
    take(store, with_records(laptop, rotation))
    ident = store.ident(laptop.identity)
    assert ident is not None
    assert ident.records == (rotation,)


def test_what_a_rotation_forgot_an_accept_readmits(store: NodeStore) -> None:
    """Until then all of a device is void but the entry that says whose it is."""
    laptop, phone = Person(1), Person(1, device_number=1)
    posts = phone.posts(3)
    take(store, laptop.verified_ident(), phone.verified_ident(), phone.run())
    rotation = rotated(laptop, open_device(laptop))
    take(store, with_records(laptop, rotation))
    assert timeline(store) == []
    assert void(store, posts[0].id) == Voided(Void.FORGOTTEN, rotation[1].hash)
    assert void(store, phone.log(CHANNEL_IDENTITY)[0].id) is None
    take(store, with_records(laptop, rotation, accepted(laptop, ended_device(phone, (1, 1)))))
    assert set(timeline(store)) == {posts[0].id, posts[1].id}


def test_devices_that_a_rotation_forgot_keep_nobody_out(store: NodeStore) -> None:
    """A thief fills an identity with devices; the rotation names new ones, and they fit."""
    laptop = Person(1)
    thieves = [Person(1, device_number=number) for number in range(1, 64)]
    take(store, laptop.verified_ident(), *(thief.verified_ident() for thief in thieves))
    phone = certified_in(Person(1, device_number=64), 1)
    rotation = rotated(laptop, open_device(laptop), open_device(phone))
    brought = with_records(laptop, rotation, devices=[phone])
    assert take(store, brought) == [STORED]
    phone.post()
    assert take(store, phone.run()) == [STORED]
    assert len(timeline(store)) == 1
    ident = store.ident(laptop.identity)
    assert ident is not None
    devices = {run.device for run in ident.first_entries}
    assert {laptop.device, phone.device} <= devices
    assert len(verify_ident(ident).devices) == len(devices) == 64
    late = Person(1, device_number=65)
    assert take(store, late.verified_ident()) == [Outcome.OVER_LIMIT]


def test_the_end_that_a_record_names_proves_a_run(store: NodeStore) -> None:
    """It needs no signature; and is asked for by its id, with nothing of what is void."""
    ada = Person(1)
    ada.posts(6)
    take(store, with_records(ada, revoked(ada, (CHANNEL_POSTS, 3))))
    assert take(store, ada.run(last=3, signed=False)) == [STORED]
    assert take(store, ada.run(last=3, signed=False)) == [DUPLICATE]
    log = log_id(ada.device, CHANNEL_POSTS)
    assert states(store, ada)[log] == (3, ada.log()[3].id)
    # Who cannot vouch for the end gets it only with a signature, and there is none.
    assert fetch(store, posts_of(ada), 0, 3) == []
    (run,) = fetch(store, posts_of(ada), 0, 3, end_known=True)
    assert (run.last, run.signature) == (3, None)
    (run,) = fetch(store, posts_of(ada), 0, 2, end_known=True)
    assert run.last == 2


def test_void_entries_travel_only_as_stubs_that_prove(store: NodeStore) -> None:
    """What stands is served with the signature above it; what is void by itself is not."""
    ada = Person(1)
    ada.posts(6)
    take(store, ada.verified_ident(), ada.run(), with_records(ada, revoked(ada, (1, 3))))
    (run,) = fetch(store, posts_of(ada), 0, 5)
    assert (run.first, run.last) == (0, 5)
    assert [entry.payload is None for entry in open_run(run)] == [False] * 4 + [True] * 2
    (run,) = fetch(store, posts_of(ada), 0, 3, end_known=True)
    assert (run.first, run.last, run.signature) == (0, 3, None)
    assert fetch(store, posts_of(ada), 4, 5) == []
    assert fetch(store, posts_of(ada), 4, 5, end_known=True) == []


def test_a_gap_is_wanted_only_as_far_as_it_stands(store: NodeStore) -> None:
    """The end is vouched for by its record; behind it nothing is missing."""
    ada = Person(1)
    ada.posts(10)
    take(store, ada.verified_ident(), ada.run(last=1), ada.run(first=8))
    log = log_id(ada.device, CHANNEL_POSTS)
    assert list(store.holes(everything_of(ada))) == [WantRange(log, 2, 7, ada.log()[7].id)]
    take(store, with_records(ada, revoked(ada, (CHANNEL_POSTS, 4))))
    assert list(store.holes(everything_of(ada))) == [WantRange(log, 2, 4, ada.log()[4].id)]
    assert states(store, ada)[log] == (1, ada.log()[1].id)
    before = store.change_counter
    take(store, ada.run(first=2, last=4, signed=False))
    assert store.change_counter > before
    assert states(store, ada)[log] == (4, ada.log()[4].id)
    assert list(store.holes(everything_of(ada))) == []
    assert [post.held.entry.id for post in store.timeline()][::-1] == [
        entry.id for entry in ada.log()[:5]
    ]


def test_a_stub_beyond_the_end_that_is_filled_stays_void(store: NodeStore) -> None:
    """A payload that comes late makes no entry stand."""
    ada = Person(1)
    ada.posts(4)
    take(store, ada.verified_ident(), ada.run(stubs={1, 2, 3}))
    take(store, with_records(ada, revoked(ada, (CHANNEL_POSTS, 1))))
    take(store, ada.run())
    assert set(timeline(store)) == {ada.log()[0].id, ada.log()[1].id}
    take(store, with_records(ada, rotated(ada, open_device(ada))))
    assert len(timeline(store)) == 4


def test_what_a_thief_deleted_comes_back(store: NodeStore) -> None:
    """Marks that void entries ordered are lifted; what stands again is carried out again."""
    laptop, thief = Person(1), Person(1, device_number=1)
    mine, other = laptop.posts(2)
    order = thief.write(CHANNEL_POSTS, Delete((EntryRange(1, 0, 0, laptop.device),)))
    take(store, laptop.verified_ident(), thief.verified_ident(), laptop.run())
    take(store, thief.run())
    assert timeline(store) == [other.id]
    assert list(store.holes(everything_of(laptop))) == []
    take(store, with_records(laptop, revoked(thief)))
    assert void(store, order.id) is not None
    log = log_id(laptop.device, CHANNEL_POSTS)
    assert list(store.holes(everything_of(laptop))) == [WantRange(log, 0, 0, mine.id)]
    assert take(store, laptop.run()) == [STORED]
    assert set(timeline(store)) == {mine.id, other.id}
    take(store, with_records(laptop, rotated(laptop, open_device(laptop), open_device(thief))))
    assert timeline(store) == [other.id]


def test_a_void_deletion_that_comes_late_deletes_nothing(store: NodeStore) -> None:
    """Nor does a void edit change anything; both count when they stand."""
    laptop, thief = Person(1), Person(1, device_number=1)
    mine, other = laptop.posts(2)
    thief.write(CHANNEL_POSTS, Delete((EntryRange(1, 0, 0, laptop.device),)))
    thief.write(CHANNEL_POSTS, Edit(other.id, Post("stolen")), lamport=99)
    take(store, with_records(laptop, revoked(thief), devices=[thief]), laptop.run())
    assert take(store, thief.run()) == [STORED]
    assert set(timeline(store)) == {mine.id, other.id}
    assert [post.version for post in store.timeline()] == [None, None]
    take(store, with_records(laptop, rotated(laptop, open_device(laptop), open_device(thief))))
    assert timeline(store) == [other.id]
    (post,) = store.timeline()
    assert post.version is not None


def test_only_the_words_can_do_all(store: NodeStore) -> None:
    """A thief with a device key, then one with the root key; in the end the owner rotates."""
    laptop, stolen = Person(1), Person(1, device_number=1)
    posts = [laptop.post("mine"), stolen.post("mine too")]
    take(store, laptop.verified_ident(), stolen.verified_ident(), laptop.run(), stolen.run())

    # The key of a device signs no record that counts.
    for kind, record in (revoked(laptop), rotated(laptop, open_device(stolen))):
        context = CONTEXT_REVOCATION if kind is RecordKind.REVOKE else CONTEXT_ROTATION
        forged = record._replace(signature=sign(stolen.key.secret, context, record.body))
        stolen.write(CHANNEL_IDENTITY, said((kind, forged)))
    take(store, stolen.run(CHANNEL_IDENTITY))
    standing = store.standing(laptop.identity)
    assert standing is not None
    assert (standing.epoch, standing.records) == (0, ())
    assert set(timeline(store)) == {post.id for post in posts}

    # The root key certifies a device and closes the owner's.
    thief = Person(1, device_number=9)
    spam = thief.post("buy this")
    take(store, with_records(laptop, revoked(laptop), devices=[thief]), thief.run())
    assert set(timeline(store)) == {posts[1].id, spam.id}
    # A rotation by the root key is no rotation: it has not the committed key.
    kind, rotation = rotated(laptop, open_device(thief))
    fake = rotation._replace(signature=sign(laptop.root.secret, CONTEXT_ROTATION, rotation.body))
    thief.write(CHANNEL_IDENTITY, said((kind, fake)))
    take(store, thief.run(CHANNEL_IDENTITY))
    standing = store.standing(laptop.identity)
    assert standing is not None
    assert standing.epoch == 0

    # The words make all of that void.
    words = rotated(laptop, open_device(laptop), ended_device(stolen, (CHANNEL_POSTS, 0)))
    take(store, with_records(laptop, words))
    assert set(timeline(store)) == {post.id for post in posts}
    assert void(store, spam.id) == Voided(Void.FORGOTTEN, words[1].hash)
    thief.post("and this")
    late = revoked(laptop)
    thief.write(CHANNEL_IDENTITY, said(late))
    take(store, thief.run(), thief.run(CHANNEL_IDENTITY), with_records(laptop, late))
    assert set(timeline(store)) == {post.id for post in posts}
    standing = store.standing(laptop.identity)
    assert standing is not None
    assert standing.records == (words,)
    assert standing.devices[laptop.device].open


def _story() -> tuple[list[Person], list[Run | VerifiedIdent]]:
    """Return people and what reaches a store about them, in the order in which it happened."""
    laptop, phone, thief = (Person(1, device_number=number) for number in range(3))
    bob = Person(2)
    for person in (laptop, phone, thief):
        person.profile(f"storm of {person.device[:2].hex()}")
        question = person.post("storm")
        bob.post("a storm?", reply_to=question.id)
        person.posts(3)
        person.write(CHANNEL_POSTS, Edit(question.id, Post("no storm")))
        person.write(CHANNEL_POSTS, Edit(laptop.log()[0].id, Post(f"by {person.device.hex()}")))
        gone = 2 if person is laptop else 1
        order = EntryRange(CHANNEL_POSTS, gone, gone, laptop.device)
        person.write(CHANNEL_POSTS, Delete((order,)))
        person.follow(bob.identity)
        person.write(CHANNEL_PRIVATE, b"sealed")
    end = revoked(laptop)
    thief.write(CHANNEL_IDENTITY, said(end))
    rotation = rotated(
        laptop, open_device(laptop), ended_device(phone, (CHANNEL_POSTS, 2), (CHANNEL_IDENTITY, 1))
    )
    phone.write(CHANNEL_IDENTITY, said(rotation))
    accept = accepted(laptop, ended_device(thief, (CHANNEL_POSTS, 0)))
    phone.write(CHANNEL_IDENTITY, said(accept))
    tablet = certified_in(Person(1, device_number=3), 1)
    tablet.posts(2)
    items: list[Run | VerifiedIdent] = [
        *(person.verified_ident() for person in (laptop, phone, thief, bob)),
        with_records(laptop, end),
        with_records(laptop, rotation, devices=[tablet]),
        with_records(laptop, rotation, revoked(phone, (CHANNEL_POSTS, 1), epoch=1)),
        bob.run(),
        tablet.run(),
        *(
            person.run(channel, first, first + 1)
            for person in (laptop, phone, thief)
            for channel in (CHANNEL_IDENTITY, CHANNEL_POSTS)
            for first in range(0, len(person.log(channel)), 2)
        ),
        *(person.run(CHANNEL_PRIVATE) for person in (laptop, phone, thief)),
    ]
    return [laptop, phone, thief, tablet, bob], items


@any_order
@given(data=st.data())
def test_whatever_comes_first_the_same_stands(open_store: OpenStore, data: st.DataObject) -> None:
    """Entries before or after the records that void them, in batches or one by one."""
    people, items = _story()
    expected, found = open_store(), open_store()
    _take_all(expected, [*([item] for item in items), items])
    order = data.draw(st.permutations(range(len(items))))
    cuts = data.draw(st.sets(st.integers(1, len(items)), max_size=6))
    bounds = sorted({0, len(items), *cuts})
    batches = [[items[at] for at in order[start:stop]] for start, stop in pairwise(bounds)]
    _take_all(found, [*batches, items])
    told, seen = (_without_arrival(everything(store, *people)) for store in (expected, found))
    for view, value in told.items():
        assert seen[view] == value, view


def _take_all(store: NodeStore, batches: Iterable[Sequence[Run | VerifiedIdent]]) -> None:
    for batch in batches:
        store.ingest(batch, received_ms=RECEIVED_MS, via=VIA)


def _without_arrival(seen: dict[str, Any]) -> dict[str, Any]:
    """Leave out what depends on the order of arrival: the order of devices in an IDENT."""
    idents = [
        ident and (ident.inception, set(ident.records), set(ident.first_entries))
        for ident in seen["idents"]
    ]
    return {**seen, "idents": idents}
