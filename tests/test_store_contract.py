"""What every store does with logs: append, prove, keep. Told once, held by both stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from slowlight.protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    EMPTY_LOG,
    Entry,
    log_id,
)
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import WantRange
from slowlight.protocol.ident import RecordKind, VerifiedIdent, decode_ident, verify_ident
from slowlight.protocol.identity import MAX_DEVICES, MAX_LOGS_PER_DEVICE
from slowlight.protocol.run import Run, decode_run
from slowlight.store.base import Interval, LogKey, NodeStore, Outcome
from tests.people import Person
from tests.stores import (
    RECEIVED_MS,
    VIA,
    OpenStore,
    any_order,
    everything_of,
    held_entries,
    holdings,
    meet,
    posts_of,
    take,
)

STORED: Final = Outcome.STORED
DUPLICATE: Final = Outcome.DUPLICATE
FORGED: Final = Outcome.FORGED
CONFLICT: Final = Outcome.CONFLICT


def test_what_was_appended_is_read_back(store: NodeStore) -> None:
    """An own post is there with its signature, at the head, in the timeline, by its id."""
    ada = Person(1)
    meet(store, ada)
    first, second = ada.posts(2)
    store.append(posts_of(ada), ada.signed(first=0, last=0), received_ms=RECEIVED_MS)
    store.append(posts_of(ada), ada.signed(first=1), received_ms=RECEIVED_MS + 1)

    found = store.entry(second.id)
    assert found is not None
    assert found.entry == second
    assert found.prev == first.id
    assert found.log == posts_of(ada)
    assert found.identity == ada.identity
    assert found.signature == ada.signed(first=1)[0][1]
    assert (found.received_ms, found.via) == (RECEIVED_MS + 1, "own")
    assert store.head(posts_of(ada)) == ada.head()
    assert store.held(posts_of(ada)) == [Interval(0, 1)]
    assert [post.held.entry for post in store.timeline()] == [second, first]


def test_several_entries_are_appended_at_once(store: NodeStore) -> None:
    """A text of many parts is one commit; each entry keeps its own signature."""
    ada = Person(1)
    meet(store, ada)
    ada.posts(5)
    before = store.change_counter
    store.append(posts_of(ada), ada.signed(), received_ms=RECEIVED_MS)
    assert store.change_counter == before + 1
    for entry, signature in ada.signed():
        found = store.entry(entry.id)
        assert found is not None
        assert found.signature == signature


def test_a_retry_with_the_same_client_key_is_found_and_refused(store: NodeStore) -> None:
    """Whoever lost the answer asks for the key first; appending again changes nothing."""
    ada = Person(1)
    meet(store, ada)
    first, _ = ada.posts(2)
    assert store.entry_of_client_key("k1") is None
    store.append(posts_of(ada), ada.signed(last=0), received_ms=RECEIVED_MS, client_key="k1")
    assert store.entry_of_client_key("k1") == first.id
    with pytest.raises(ValueError, match="client key"):
        store.append(posts_of(ada), ada.signed(first=1), received_ms=RECEIVED_MS, client_key="k1")
    assert store.head(posts_of(ada)).seq == 0
    store.append(posts_of(ada), ada.signed(first=1), received_ms=RECEIVED_MS, client_key="k2")
    assert store.head(posts_of(ada)).seq == 1


def test_no_client_key_may_be_used_any_number_of_times(store: NodeStore) -> None:
    """The empty key names nothing."""
    ada = Person(1)
    meet(store, ada)
    ada.posts(2)
    store.append(posts_of(ada), ada.signed(last=0), received_ms=RECEIVED_MS)
    store.append(posts_of(ada), ada.signed(first=1), received_ms=RECEIVED_MS)
    assert store.entry_of_client_key("") is None


@pytest.mark.parametrize("which", ["gap", "again", "other branch", "out of order"])
def test_appending_what_does_not_continue_the_head_is_refused(store: NodeStore, which: str) -> None:
    """The own log never forks: the store is the last to look."""
    ada = Person(1)
    meet(store, ada)
    ada.posts(4)
    other = ada.forked(CHANNEL_POSTS, 1)
    other.posts(2)
    wrong: dict[str, Sequence[tuple[Entry, bytes]]] = {
        "gap": ada.signed(first=3),
        "again": ada.signed(first=1, last=1),
        "other branch": other.signed(first=2),
        "out of order": list(reversed(ada.signed(first=2))),
    }
    store.append(posts_of(ada), ada.signed(last=1), received_ms=RECEIVED_MS)
    before = holdings(store, ada)
    with pytest.raises(ValueError, match=r"head|continue"):
        store.append(posts_of(ada), wrong[which], received_ms=RECEIVED_MS, client_key="new")
    assert holdings(store, ada) == before
    assert store.entry_of_client_key("new") is None


def test_runs_in_order_newest_first_and_twice_end_alike(store: NodeStore) -> None:
    """The order of arrival is of no matter, and what comes again is not new."""
    ada = Person(1)
    ada.posts(20)
    meet(store, ada)
    runs = ada.runs(longest=6)
    answers = store.ingest(runs, received_ms=RECEIVED_MS, via=VIA)
    assert [answer.outcome for answer in answers] == [STORED] * 4
    assert sum(answer.entries for answer in answers) == 20
    assert sum(answer.payloads for answer in answers) == 20
    assert not any(answer.reason for answer in answers)
    assert store.held(posts_of(ada)) == [Interval(0, 19)]

    before = holdings(store, ada)
    again = store.ingest(runs, received_ms=RECEIVED_MS + 9, via=VIA)
    assert [(a.outcome, a.entries, a.payloads) for a in again] == [(DUPLICATE, 0, 0)] * 4
    assert holdings(store, ada) == before

    in_order = [ada.run(first=seq, last=seq) for seq in range(20)]
    assert take(store, *in_order) == [DUPLICATE] * 20


def test_runs_with_gaps_are_kept_as_intervals(store: NodeStore) -> None:
    """Newest-first sync and partial holdings are ordinary; gaps name what is missing."""
    ada = Person(1)
    ada.posts(30)
    meet(store, ada)
    assert take(store, ada.run(first=20), ada.run(first=5, last=9)) == [STORED, STORED]
    assert store.held(posts_of(ada)) == [Interval(5, 9), Interval(20, 29)]
    assert store.head(posts_of(ada)) == ada.head()
    log = log_id(ada.device, CHANNEL_POSTS)
    assert sorted(store.holes(everything_of(ada))) == [
        WantRange(log, 0, 4, ada.log()[4].id),
        WantRange(log, 10, 19, ada.log()[19].id),
    ]


def test_a_run_that_bridges_two_intervals_merges_them(store: NodeStore) -> None:
    """The gap closes, also with a run that overlaps both sides."""
    ada = Person(1)
    ada.posts(30)
    meet(store, ada)
    take(store, ada.run(first=20), ada.run(first=5, last=9))
    assert take(store, ada.run(first=8, last=22)) == [STORED]
    assert store.held(posts_of(ada)) == [Interval(5, 29)]
    (hole,) = store.holes(everything_of(ada))
    assert hole[1:] == (0, 4, ada.log()[4].id)
    assert take(store, ada.run(first=0, last=4, signed=False)) == [STORED]
    assert not list(store.holes(everything_of(ada)))


def test_a_run_without_signature_is_proven_by_the_entry_above(store: NodeStore) -> None:
    """Later runs of a longer range end where a held entry continues."""
    ada = Person(1)
    ada.posts(12)
    meet(store, ada)
    unsigned = ada.run(first=4, last=7, signed=False)
    assert take(store, unsigned) == [FORGED]
    assert take(store, ada.run(first=8)) == [STORED]
    assert take(store, unsigned) == [STORED]
    assert store.held(posts_of(ada)) == [Interval(4, 11)]


def test_a_later_run_of_a_batch_builds_on_an_earlier_one(store: NodeStore) -> None:
    """Identity, newest run and the run below it travel together and are stored together."""
    ada = Person(1)
    ada.posts(12)
    batch = (ada.verified_ident(), ada.run(first=8), ada.run(first=0, last=7, signed=False))
    before = store.change_counter
    assert take(store, *batch) == [STORED] * 3
    assert store.change_counter == before + 1
    assert store.held(posts_of(ada)) == [Interval(0, 11)]


def test_stubs_wait_for_their_payloads(store: NodeStore) -> None:
    """Payloads that come later fill stubs and are counted; no entry is new."""
    ada = Person(1)
    ada.posts(6)
    meet(store, ada)
    stubs = store.ingest([ada.run(stubs=range(6))], received_ms=RECEIVED_MS, via=VIA)
    assert [(a.outcome, a.entries, a.payloads) for a in stubs] == [(STORED, 6, 0)]
    assert store.timeline() == []

    filled = store.ingest([ada.run(first=2, last=3)], received_ms=RECEIVED_MS, via=VIA)
    assert [(a.outcome, a.entries, a.payloads) for a in filled] == [(STORED, 0, 2)]
    assert [post.held.entry.seq for post in store.timeline()] == [3, 2]
    assert take(store, ada.run()) == [STORED]
    assert len(store.timeline()) == 6


def test_a_stub_and_its_payload_may_come_in_one_batch(store: NodeStore) -> None:
    """It is one entry and one post."""
    ada = Person(1)
    ada.post()
    meet(store, ada)
    assert take(store, ada.run(stubs={0}), ada.run()) == [STORED, STORED]
    assert [post.held.entry for post in store.timeline()] == ada.log()
    assert (store.totals().entries, store.totals().posts) == (2, 1)


def test_a_stub_never_replaces_a_payload(store: NodeStore) -> None:
    """Once held, a payload stays, whatever comes after."""
    ada = Person(1)
    ada.posts(6)
    meet(store, ada)
    take(store, ada.run(first=0, last=3))
    assert take(store, ada.run(stubs=range(6), first=1)) == [STORED]
    for entry in ada.log():
        held = store.entry(entry.id)
        assert held is not None
        assert (held.entry == entry) == (entry.seq < 4)
    assert take(store, ada.run(stubs=range(6))) == [DUPLICATE]


def test_a_device_that_nobody_vouches_for_is_not_stored(store: NodeStore) -> None:
    """Without its identity a run belongs to nobody, though every signature is right."""
    ada, eve = Person(1), Person(2)
    ada.posts(2)
    eve.posts(2)
    meet(store, ada)
    before = holdings(store, ada, eve)
    assert take(store, eve.run(), eve.run(CHANNEL_IDENTITY)) == [Outcome.UNATTRIBUTED] * 2
    assert holdings(store, ada, eve) == before
    assert store.log_key(log_id(eve.device, CHANNEL_POSTS)) is None
    assert store.identity_of(eve.device) is None


def test_rubbish_behind_a_good_signature_is_malformed(store: NodeStore) -> None:
    """The signature proves the last id; columns that cannot be read lead nowhere."""
    ada = Person(1)
    ada.posts(4)
    meet(store, ada)
    good = ada.run()
    before = holdings(store, ada)
    (answer,) = store.ingest(
        [replace(good, columns=good.columns + b"\0")], received_ms=RECEIVED_MS, via=VIA
    )
    assert answer.outcome is Outcome.MALFORMED
    assert answer.reason
    assert take(store, replace(good, bodies=good.bodies[:-1])) == [Outcome.MALFORMED]
    assert take(store, replace(good, columns=b"")) == [Outcome.MALFORMED]
    assert holdings(store, ada) == before


def other_bit(data: bytes | None, at: int) -> bytes:
    assert data
    return data[:at] + bytes((data[at] ^ 2,)) + data[at + 1 :]


FORGERIES: Final[dict[str, Callable[[Run], Run]]] = {
    "signature": lambda run: replace(run, signature=other_bit(run.signature, 3)),
    "unsigned": lambda run: replace(run, signature=None),
    "last_id": lambda run: replace(run, last_id=other_bit(run.last_id, 3)),
    "prev": lambda run: replace(run, prev=other_bit(run.prev, 3)),
    "payload": lambda run: replace(run, bodies=other_bit(run.bodies, 20)),
    "time": lambda run: replace(run, columns=other_bit(run.columns, 1)),
    "first": lambda run: replace(run, first=run.first + 1),
    "channel": lambda run: replace(run, channel=run.channel + 1),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_run_leaves_everything_untouched(
    store: NodeStore, forge: Callable[[Run], Run]
) -> None:
    """Each part of a run is bound by its signature, and a changed one is refused whole."""
    ada = Person(1)
    ada.posts(20)
    meet(store, ada)
    take(store, ada.run(first=0, last=2))
    before = holdings(store, ada)
    forged = forge(ada.run(first=8, last=12))
    (answer,) = store.ingest([forged], received_ms=RECEIVED_MS, via=VIA)
    assert answer.outcome is FORGED
    assert answer.reason
    assert (answer.entries, answer.payloads) == (0, 0)
    assert holdings(store, ada) == before


@any_order
@given(data=st.data())
def test_no_single_bit_of_a_run_can_be_changed(open_store: OpenStore, data: st.DataObject) -> None:
    """Whichever bit of a signed run flips, nothing of it is stored."""
    ada = Person(1)
    ada.posts(5)
    store = open_store()
    meet(store, ada)
    before = holdings(store, ada)
    body = bytearray(ada.run(stubs={1}).encode())
    for _ in range(20):
        bit = data.draw(st.integers(0, len(body) * 8 - 1), label="bit")
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            run = decode_run(bytes(flipped))
        except DecodeError:
            continue
        assert take(store, run)[0] not in (STORED, DUPLICATE, CONFLICT, Outcome.FORKED)
    assert holdings(store, ada) == before


@pytest.mark.parametrize(
    ("kept", "forked_at", "told"),
    [
        ((0, 9), 5, (5, 9)),  # beside what is held
        ((0, 9), 5, (3, 7)),  # its beginning is held, its end differs
        ((0, 9), 8, (10, 12)),  # above what is held
        ((5, 9), 3, (3, 4)),  # below what is held
        ((5, 9), 3, (2, 11)),  # around what is held
    ],
)
def test_another_branch_is_proven_and_changes_nothing_that_is_shown(
    store: NodeStore, kept: tuple[int, int], forked_at: int, told: tuple[int, int]
) -> None:
    """What was held stays as it was; only the state of the log and what is wanted differ."""
    ada = Person(1)
    ada.posts(13)
    other = ada.forked(CHANNEL_POSTS, forked_at)
    other.posts(13 - forked_at)
    meet(store, ada)
    take(store, ada.run(first=kept[0], last=kept[1]))
    before = holdings(store, ada)
    (answer,) = store.ingest(
        [other.run(first=told[0], last=told[1])], received_ms=RECEIVED_MS, via=VIA
    )
    assert answer.outcome is Outcome.FORKED
    assert answer.reason
    after = holdings(store, ada)
    for changing in ("states", "holes"):
        del before[changing], after[changing]
    assert after == {**before, "totals": replace(before["totals"], forks=1)}


def test_one_bad_run_does_not_spoil_its_batch(store: NodeStore) -> None:
    """The good ones before and after it are stored; each gets its own answer."""
    ada, bob, eve = Person(1), Person(2), Person(3)
    for person in (ada, bob, eve):
        person.posts(3)
    batch: list[Run | VerifiedIdent] = [
        ada.verified_ident(),
        replace(ada.run(), last_id=bytes(32)),
        eve.run(),
        replace(ada.run(), columns=b"\xff" * 40),
        ada.run(),
        bob.verified_ident(),
        bob.run(),
    ]
    assert take(store, *batch) == [
        STORED,
        FORGED,
        Outcome.UNATTRIBUTED,
        Outcome.MALFORMED,
        STORED,
        STORED,
        STORED,
    ]
    assert store.held(posts_of(ada)) == store.held(posts_of(bob)) == [Interval(0, 2)]


def test_checks_of_signatures_are_few(store: NodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run costs one check, junk or not; what is held or proven by what is held, none."""
    ada = Person(1)
    ada.posts(20)
    meet(store, ada)
    checked: list[bytes] = []
    sign_open = bindings.crypto_sign_open

    def counting(signed: bytes, public_key: bytes) -> bytes:
        checked.append(public_key)
        return sign_open(signed, public_key)

    monkeypatch.setattr(bindings, "crypto_sign_open", counting)

    def checks(run: Run) -> tuple[Outcome, int]:
        checked.clear()
        (outcome,) = take(store, run)
        return outcome, len(checked)

    junk = replace(ada.run(first=10), bodies=bytes(50))
    assert checks(replace(junk, signature=bytes(64))) == (FORGED, 1)
    assert checks(junk) == (Outcome.MALFORMED, 1)
    assert checks(ada.run(first=10, stubs=range(20))) == (STORED, 1)
    assert checks(ada.run(first=10)) == (STORED, 0)
    assert checks(ada.run(first=10)) == (DUPLICATE, 0)
    assert checks(ada.run(first=12, last=15)) == (DUPLICATE, 0)
    assert checks(ada.run(first=4, last=9)) == (STORED, 0)
    assert checks(Person(7).run(CHANNEL_IDENTITY)) == (Outcome.UNATTRIBUTED, 0)


def test_an_identity_is_learned_once_and_told_to_others(store: NodeStore) -> None:
    """What proves a device can be handed on, and proves it there too."""
    ada = Person(1)
    assert store.ident(ada.identity) is None
    assert take(store, ada.verified_ident()) == [STORED]
    assert take(store, ada.verified_ident()) == [DUPLICATE]
    assert store.identity_of(ada.device) == ada.identity
    ident = store.ident(ada.identity)
    assert ident is not None
    assert ident == ada.ident()
    assert verify_ident(ident) == ada.verified_ident()
    assert held_entries(store, ada, CHANNEL_IDENTITY) == [0]


def test_a_second_device_is_added_to_its_identity(store: NodeStore) -> None:
    """Devices become known in any order; each brings its own certificate."""
    laptop, phone = Person(1), Person(1, device_number=1)
    meet(store, laptop)
    assert take(store, phone.verified_ident()) == [STORED]
    ident = store.ident(laptop.identity)
    assert ident is not None
    assert {run.device for run in ident.first_entries} == {laptop.device, phone.device}
    assert len(verify_ident(ident).devices) == 2
    assert {device.device for device in store.devices(laptop.identity)} == {
        laptop.device,
        phone.device,
    }


def test_a_device_stays_with_the_identity_that_it_signed_for_first(store: NodeStore) -> None:
    """A device that signed two certificates forked its own first entry."""
    ada = Person(1)
    thief = Person(2, key=ada.key)
    meet(store, ada)
    before = holdings(store, ada)
    assert take(store, thief.verified_ident()) == [CONFLICT]
    assert holdings(store, ada) == before
    assert store.identity_of(ada.device) == ada.identity
    assert store.identity(thief.identity) is None


def test_records_of_an_identity_are_kept_with_it(store: NodeStore) -> None:
    """A rotation that arrives later is handed on too; who does not know it takes nothing away."""
    ada = Person(1)
    meet(store, ada)
    before = store.change_counter
    rotated = verify_ident(replace(ada.ident(), records=((RecordKind.ROTATE, ada.rotation()),)))
    assert take(store, rotated) == [STORED]
    assert take(store, rotated, ada.verified_ident()) == [DUPLICATE, DUPLICATE]
    ident = store.ident(ada.identity)
    assert ident is not None
    assert verify_ident(ident) == rotated
    assert store.change_counter == before + 1


def test_devices_and_logs_are_counted(store: NodeStore) -> None:
    """One more than the limit is refused, and what was there before stays useful."""
    devices = [Person(1, device_number=number) for number in range(MAX_DEVICES + 1)]
    *fitting, last = [device.verified_ident() for device in devices]
    assert take(store, *fitting, last) == [STORED] * MAX_DEVICES + [Outcome.OVER_LIMIT]
    assert store.identity_of(devices[-1].device) is None
    ident = store.ident(devices[0].identity)
    assert ident is not None
    assert len(verify_ident(decode_ident(ident.encode())).devices) == MAX_DEVICES

    ada = devices[0]
    channels = range(1, MAX_LOGS_PER_DEVICE + 1)
    for channel in channels:
        ada.write(channel, b"")
    *_, one_more = answers = take(store, *(ada.run(channel) for channel in channels))
    assert answers[:-1] == [STORED] * (MAX_LOGS_PER_DEVICE - 1)  # channel 0 is the first
    assert one_more is Outcome.OVER_LIMIT
    ada.write(1, b"")
    assert take(store, ada.run(1)) == [STORED]


def test_a_log_is_found_by_its_id_and_by_its_channel(store: NodeStore) -> None:
    """Every channel is a log of its own, also one that means nothing here."""
    ada = Person(1)
    ada.posts(2)
    ada.write(77, b"from a later version")
    meet(store, ada)
    assert take(store, ada.run(), ada.run(77)) == [STORED, STORED]
    assert store.log_key(log_id(ada.device, 77)) == LogKey(ada.device, 77)
    assert store.head(LogKey(ada.device, 77)) == ada.head(77)
    assert store.head(LogKey(ada.device, 78)) == EMPTY_LOG
    assert store.held(LogKey(ada.device, 78)) == []
    assert store.log_key(bytes(32)) is None
