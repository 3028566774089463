"""What every store remembers for its node: what was shown, peers, invites, settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_PRIVATE
from slowlight.protocol.roster import MAX_ROSTER_ROWS, Depth, Roster, RosterRow
from slowlight.store import memory, sqlite_peers
from slowlight.store.base import (
    NO_MEMORY,
    LogKey,
    NodeStore,
    Outcome,
    Peer,
    PeerMemory,
)
from slowlight.store.sqlite import SqliteStore
from tests.people import Person
from tests.stores import (
    RECEIVED_MS,
    OpenStore,
    holdings,
    meet,
    posts_of,
    show_everything,
    take,
)


def test_what_was_shown_is_cited_by_its_newest_entry(store: NodeStore) -> None:
    """One id for each foreign log says that everything before it was read."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    ada.posts(3)
    bob.posts(2)
    take(store, ada.run(), bob.run())
    store.note_shown([ada.log()[2].id, ada.log()[0].id])
    store.note_shown([bob.log()[0].id, ada.log()[1].id])
    store.note_shown([bytes(32)])
    assert [held.entry for held in store.shown()] == [ada.log()[2], bob.log()[0]]
    store.forget_shown()
    assert store.shown() == []
    store.note_shown([ada.log()[1].id])
    assert [held.entry for held in store.shown()] == [ada.log()[1]]


def test_at_most_eight_are_cited_those_with_the_highest_lamport_first(store: NodeStore) -> None:
    """A header has room for eight."""
    people = [Person(seed) for seed in range(1, 12)]
    meet(store, *people)
    for lamport, person in enumerate(people, start=5):
        person.post(lamport=lamport)
        take(store, person.run())
    store.note_shown(person.head().id for person in people)
    assert [held.entry.lamport for held in store.shown()] == list(range(15, 7, -1))


def test_only_public_foreign_entries_are_cited(store: NodeStore) -> None:
    """A public post must not tell who could read a sealed one, nor cite itself."""
    me, ada = Person(1), Person(2)
    meet(store, me, ada)
    me.post()
    store.append(posts_of(me), me.signed(), received_ms=RECEIVED_MS)
    ada.profile("Ada")
    ada.post()
    ada.write(CHANNEL_PRIVATE, b"sealed")
    take(store, *(ada.run(channel) for channel in ada.logs))
    everything = [log[-1] for log in (*ada.logs.values(), *me.logs.values())]
    store.note_shown(entry.id for entry in everything)
    assert {held.log for held in store.shown()} == {
        LogKey(ada.device, CHANNEL_IDENTITY),
        posts_of(ada),
    }


def peer_of(person: Person, name: str = "") -> Peer:
    return Peer(person.identity, person.device, person.box_public, ("host:4000",), name, 0)


def test_peers_are_listed_by_name_and_replaced_by_device(store: NodeStore) -> None:
    """One row for each device; the newest word about it stands."""
    ada, bob = peer_of(Person(1), "ada"), peer_of(Person(2), "bob")
    phone = replace(peer_of(Person(1, device_number=1), "ada"), addresses=())
    for peer in (bob, ada):
        store.put_peer(peer)
    assert store.peers() == [ada, bob]
    moved = replace(bob, addresses=("a:1", "b:2"), name="aaron", last_contact_ms=7)
    store.put_peer(moved)
    assert store.peers() == [moved, ada]
    store.put_peer(phone)
    assert {peer.device for peer in store.peers()} == {ada.device, bob.device, phone.device}
    assert store.remove_peer(bob.device)
    assert not store.remove_peer(bob.device)
    assert {peer.device for peer in store.peers()} == {ada.device, phone.device}


def test_an_invite_is_used_once_and_not_after_its_time(store: NodeStore) -> None:
    """The token opens the door one time; a stolen copy is late."""
    store.add_invite(b"a" * 32, expires_ms=1_000)
    store.add_invite(b"b" * 32, expires_ms=2_000)
    store.add_invite(b"c" * 32, expires_ms=3_000)
    assert store.use_invite(b"a" * 32, now_ms=999)
    assert not store.use_invite(b"a" * 32, now_ms=999)
    assert not store.use_invite(b"b" * 32, now_ms=2_000)
    assert not store.use_invite(b"b" * 32, now_ms=500)  # it was dropped
    assert not store.use_invite(b"x" * 32, now_ms=0)
    assert store.use_invite(b"c" * 32, now_ms=2_999)


def test_settings_are_small_values_by_name(store: NodeStore) -> None:
    """What was never set is empty; the last value stands."""
    assert store.setting("place") == ""
    store.put_setting("place", "sol/mars")
    store.put_setting("place", "sol/earth/Île-de-France\0")
    store.put_setting("other", "1")
    assert store.setting("place") == "sol/earth/Île-de-France\0"


def test_what_is_remembered_of_a_peer_is_replaced_as_a_whole(store: NodeStore) -> None:
    """Hints by device; of a stranger nothing is remembered."""
    device = Person(1).device
    assert store.peer_memory(device) == NO_MEMORY
    met = PeerMemory(b"n" * 8, 3, b"", 17, b"d" * 16)
    store.remember_peer(device, met)
    assert store.peer_memory(device) == met
    store.remember_peer(device, replace(met, counter=4, satisfied=b""))
    assert store.peer_memory(device) == replace(met, counter=4, satisfied=b"")
    assert store.peer_memory(Person(2).device) == NO_MEMORY


def test_the_peers_met_longest_ago_are_forgotten_first(
    store: NodeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers that come and go cannot fill the disk with hints about themselves."""
    for module in (memory, sqlite_peers):
        monkeypatch.setattr(module, "MAX_PEER_MEMORIES", 4)
    met = replace(NO_MEMORY, counter=1)
    devices = [Person(seed).device for seed in range(5)]
    for device in (*devices[:4], devices[0], devices[4]):
        store.remember_peer(device, met)
    assert [store.peer_memory(device) == met for device in devices] == [True, False, *[True] * 3]


def test_rosters_of_peers_are_kept_as_long_as_a_peer_has_them(store: NodeStore) -> None:
    """A changed roster replaces the one before; one that two peers share stays."""
    one, two, three = (
        Roster([RosterRow(Person(seed).identity, 1, Depth.EVERYTHING, 0)]) for seed in (1, 2, 3)
    )
    laptop, phone = Person(8).device, Person(9).device
    assert store.roster(one.hash) is None
    store.keep_roster(one)
    for device in (laptop, phone):
        store.remember_peer(device, replace(NO_MEMORY, roster=one.hash))
    store.keep_roster(two)
    store.remember_peer(laptop, replace(NO_MEMORY, roster=two.hash))
    store.keep_roster(three)
    assert [kept_rows(store, roster) for roster in (one, two, three)] == [1, 1, 1]
    store.remember_peer(phone, replace(NO_MEMORY, roster=three.hash))
    store.keep_roster(three)
    assert [kept_rows(store, roster) for roster in (one, two, three)] == [0, 1, 1]


def test_the_longest_roster_comes_back(store: NodeStore) -> None:
    """65,536 rows, as many as a roster has."""
    people = (number.to_bytes(32, "big") for number in range(MAX_ROSTER_ROWS))
    longest = Roster(RosterRow(person, 1, Depth.EVERYTHING, 0) for person in people)
    store.keep_roster(longest)
    assert kept_rows(store, longest) == MAX_ROSTER_ROWS


def kept_rows(store: NodeStore, roster: Roster) -> int:
    kept = store.roster(roster.hash)
    assert kept is None or kept.rows == roster.rows
    return len(kept) if kept else 0


def test_totals_count_what_is_held(store: NodeStore) -> None:
    """Stubs are entries and no posts; refused runs are nothing."""
    ada, bob = Person(1), Person(2)
    assert replace(store.totals(), file_bytes=0) == replace(
        store.totals(), identities=0, logs=0, entries=0, posts=0, file_bytes=0, search_behind=0
    )
    meet(store, ada, bob)
    ada.posts(10)
    ada.write(5, b"something")
    bob.posts(3)
    take(store, ada.run(stubs={0, 1}), ada.run(5), bob.run(signed=False))
    show_everything(store)
    totals = store.totals()
    assert (totals.identities, totals.logs, totals.entries) == (2, 4, 13)
    assert (totals.posts, totals.search_behind) == (8, 0)
    assert totals.file_bytes > 0


def test_two_stores_are_told_apart(open_store: OpenStore) -> None:
    """Eight random bytes, made with the store."""
    one, other = open_store(), open_store()
    assert len(one.nonce) == len(other.nonce) == 8
    assert one.nonce != other.nonce
    assert one.change_counter == other.change_counter == 0


def test_a_store_that_was_closed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Whatever was acknowledged is there again, and the next entries continue it."""
    me, ada = Person(1), Person(2)
    me.posts(2)
    ada.posts(9)
    ada.post("a storm")
    ada.profile("Ada")
    ada.follow(me.identity)
    roster = Roster([RosterRow(ada.identity, 1, Depth.EVERYTHING, 0)])

    def remembered(store: NodeStore) -> dict[str, object]:
        return {
            "nonce": store.nonce,
            "counter": store.change_counter,
            "client key": store.entry_of_client_key("k"),
            "arrived": store.arrived(after=0, limit=99),
            "found": store.search("storm", limit=9),
            "petnames": store.identities_named("friend"),
            "shown": store.shown(),
            "peers": store.peers(),
            "setting": store.setting("place"),
            "memory": store.peer_memory(ada.device),
            "kept": kept_rows(store, roster),
            **holdings(store, me, ada),
        }

    store = SqliteStore(tmp_path / "slowlight.db")
    meet(store, me, ada)
    store.append(posts_of(me), me.signed(last=0), received_ms=RECEIVED_MS, client_key="k")
    take(store, ada.run(first=5), ada.run(first=1, last=2, stubs={1}), ada.run(CHANNEL_IDENTITY))
    show_everything(store)
    store.set_petname(ada.identity, "friend")
    store.note_shown([ada.head().id])
    store.put_peer(peer_of(ada, "friend"))
    store.put_setting("place", "sol/mars")
    store.remember_peer(ada.device, replace(NO_MEMORY, roster=roster.hash))
    store.keep_roster(roster)
    store.add_invite(b"a" * 32, expires_ms=1_000)
    before = remembered(store)
    store.close()

    again = SqliteStore(tmp_path / "slowlight.db")
    assert remembered(again) == before
    assert again.use_invite(b"a" * 32, now_ms=0)
    assert take(again, ada.run(first=3, last=4, signed=False)) == [Outcome.STORED]
    again.append(posts_of(me), me.signed(first=1), received_ms=RECEIVED_MS)
    assert again.head(posts_of(me)) == me.head()
    again.close()
