"""24 words give a person back: a new device, the old logs, and never a second truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.drill import DRILLED_WORDS, positions_to_ask, verify_words
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.home_results import KeyRestoreResult
from slowlight.node.peer_operations import ADD_PEER, STATUS, AddPeerRequest, StatusRequest
from slowlight.node.people_operations import (
    FOLLOW,
    FOLLOWS,
    PROFILE,
    SET_PROFILE,
    FollowRequest,
    FollowsRequest,
    ProfileRequest,
    SetProfileRequest,
)
from slowlight.node.post_operations import POST, READ, PostRequest, ReadRequest
from slowlight.node.restoring import restore
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from slowlight.protocol.words import words_from_seed
from slowlight.store.base import LogKey
from tests.memory_net import Running, net, run_home, running
from tests.nodes import NodeHome, OpenMemoryStore, StoodClock, make_home, seeded
from tests.people import START_MS


def words_of(made: NodeHome, language: str = "english") -> list[str]:
    """The words that a person has on paper."""
    return words_from_seed(made.home.keys.root_seed(), language)


def empty_home(path: Path, seed: int) -> NodeHome:
    """A machine on which nothing has begun."""
    random_bytes = seeded(seed)
    return NodeHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)


def restored(
    made: NodeHome, words: str, *, dry_run: bool = False, language: str | None = None
) -> KeyRestoreResult:
    """Restore from words on a machine."""
    return restore(
        made.home,
        words,
        language=language,
        label="second",
        dry_run=dry_run,
        clock=made.clock,
        random_bytes=made.random_bytes,
        open_store=made.open_store,
    )


def post(node: Running, text: str) -> None:
    """Let a node write a post."""
    node.service.call(POST, PostRequest(text=text))


def name_of(node: Running, who: str) -> str:
    """The name that a node shows for someone."""
    return node.service.call(PROFILE, ProfileRequest(who=who)).person.name


async def test_a_lost_machine_comes_back_from_words_and_friends(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Old posts, profile and follows return, new posts go on, and friends see one person."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        ada.service.call(FOLLOW, FollowRequest(who=(bob.service.identity.hex(),)))
        for number in range(3):
            post(ada, f"before {number}")
        post(bob, "from a friend")
        await wait_all_tasks_blocked()
        await ada.stop()

        machine = empty_home(tmp_path / "new", 77)
        result = restored(machine, " ".join(words_of(ada.made)))
        assert result.created
        assert result.identity == ada.service.identity.hex()
        new = await run_home(machine, carrier, nursery)
        assert new.texts() == []
        new.service.call(ADD_PEER, AddPeerRequest(who=bob.invite()))
        await wait_all_tasks_blocked()

        assert sorted(filter(None, new.texts())) == [
            "before 0",
            "before 1",
            "before 2",
            "from a friend",
        ]
        mine = new.service.call(READ, ReadRequest(scope="all", author=result.identity)).posts
        assert {one.author.own for one in mine} == {True}
        assert name_of(new, result.identity) == "ada"
        assert [
            one.person.identity for one in new.service.call(FOLLOWS, FollowsRequest()).follows
        ] == [bob.service.identity.hex()]

        post(new, "after")
        new.service.call(SET_PROFILE, SetProfileRequest(name="ada again"))
        await wait_all_tasks_blocked()
        theirs = bob.service.call(READ, ReadRequest(scope="all", author=result.identity)).posts
        assert {one.text for one in theirs} == {"before 0", "before 1", "before 2", "after"}
        assert {one.author.identity for one in theirs} == {result.identity}
        assert name_of(bob, result.identity) == name_of(new, result.identity) == "ada again"
        require_no_fork(ada, bob, new)
        new.stopping.set()


def require_no_fork(ada: Running, bob: Running, new: Running) -> None:
    """Each device has logs of its own; where two nodes hold one, they hold the same."""
    devices = {one.device for one in bob.made.store.devices(ada.service.identity)}
    assert len(devices) == 2
    for device in devices:
        for channel in (CHANNEL_IDENTITY, CHANNEL_POSTS):
            key = LogKey(device, channel)
            assert bob.made.store.head(key) == new.made.store.head(key)
    old = ada.made.home.keys.device_keys().device
    for channel in (CHANNEL_IDENTITY, CHANNEL_POSTS):
        key = LogKey(old, channel)
        assert new.made.store.head(key) == ada.made.store.head(key)


async def test_two_machines_of_one_person_follow_each_other_without_a_word(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The invite of one leads the other; both hold what both wrote, and the newest name counts."""
    carrier = net()
    async with running(tmp_path, carrier, "ada") as (ada,), trio.open_nursery() as nursery:
        post(ada, "at home")
        for number in range(9):
            ada.service.call(SET_PROFILE, SetProfileRequest(name=f"ada of version {number}"))
        machine = empty_home(tmp_path / "laptop", 78)
        restored(machine, " ".join(words_of(ada.made, "french")))
        laptop = await run_home(machine, carrier, nursery)
        laptop.service.call(ADD_PEER, AddPeerRequest(who=ada.invite()))
        await wait_all_tasks_blocked()
        post(laptop, "on the road")
        laptop.service.call(SET_PROFILE, SetProfileRequest(name="ada of both"))
        await wait_all_tasks_blocked()
        assert set(ada.texts()) == set(laptop.texts()) == {"at home", "on the road"}
        for node in (ada, laptop):
            assert name_of(node, ada.service.identity.hex()) == "ada of both"
        ada.service.call(SET_PROFILE, SetProfileRequest(name="ada once more"))
        await wait_all_tasks_blocked()
        for node in (ada, laptop):
            assert name_of(node, ada.service.identity.hex()) == "ada once more"
            assert node.service.call(STATUS, StatusRequest()).unread == 0
            new = node.service.call(READ, ReadRequest())
            assert (new.posts, new.unread) == ((), 0)
        laptop.stopping.set()


def test_the_own_invite_is_still_nobody_to_call(tmp_path: Path) -> None:
    """Another device of this identity is somebody; this very node is not."""
    from slowlight.node.peer_operations import INVITE, InviteRequest
    from tests.nodes import RecordedLinks, service_of

    service = service_of(make_home(tmp_path, 1, "ada"), RecordedLinks())
    own = service.call(INVITE, InviteRequest()).uri
    with pytest.raises(ServiceError, match="this very node"):
        service.call(ADD_PEER, AddPeerRequest(who=own))


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """Not even a directory; it says whose words they are."""
    ada = make_home(tmp_path / "ada", 1)
    machine = empty_home(tmp_path / "new", 2)
    plan = restored(machine, " ".join(words_of(ada)), dry_run=True)
    assert (plan.dry_run, plan.created, plan.device, plan.language) == (True, True, "", "english")
    assert not machine.home.path.exists()
    done = restored(machine, " ".join(words_of(ada)))
    assert (done.identity, done.created) == (plan.identity, True)
    assert done.device
    again = restored(machine, " ".join(words_of(ada)), dry_run=True)
    assert not again.created


def test_restoring_twice_changes_nothing(tmp_path: Path) -> None:
    """The second time says so; no second device is made."""
    ada = make_home(tmp_path / "ada", 1)
    machine = empty_home(tmp_path / "new", 2)
    words = " ".join(words_of(ada))
    first, second = restored(machine, words), restored(machine, words)
    assert (first.created, second.created) == (True, False)
    assert first.device == second.device != ada.home.keys.device_keys().device.hex()
    assert machine.home.keys.words_verified_ms == START_MS


def test_an_interrupted_restoring_is_gone_on_with(tmp_path: Path) -> None:
    """The power failed when only the root seed had been written."""
    ada = make_home(tmp_path / "ada", 1)
    machine = empty_home(tmp_path / "new", 2)
    machine.home.make()
    machine.home.keys.make(seeded(9), ada.home.keys.root_seed())
    for name in ("device.key", "box.key"):
        (machine.home.path / "keys" / name).unlink()
    assert restored(machine, " ".join(words_of(ada))).created


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_home_with_another_identity_is_left_alone(tmp_path: Path, dry_run: bool) -> None:
    """It says where to restore instead."""
    ada, bob = make_home(tmp_path / "ada", 1), make_home(tmp_path / "bob", 2)
    before = {path.name: path.read_bytes() for path in (bob.home.path / "keys").iterdir()}
    with pytest.raises(ServiceError, match="holds another identity") as caught:
        restored(bob, " ".join(words_of(ada)), dry_run=dry_run)
    assert caught.value.code is Code.INVALID
    assert "key restore" in caught.value.hint
    assert {p.name: p.read_bytes() for p in (bob.home.path / "keys").iterdir()} == before


def test_a_database_without_its_keys_is_left_alone(tmp_path: Path) -> None:
    """Whose it is cannot be known."""
    ada = make_home(tmp_path / "ada", 1)
    machine = empty_home(tmp_path / "new", 2)
    machine.home.make()
    machine.home.database.write_bytes(b"somebody's")
    with pytest.raises(ServiceError, match="whose keys are missing"):
        restored(machine, " ".join(words_of(ada)))
    assert not machine.home.keys.exist


Spoil = Callable[[list[str]], list[str]]
WRONG_WORDS: Final[Sequence[tuple[Spoil, str]]] = [
    (lambda words: words[:23], "23 words where 24 are needed"),
    (lambda words: [*words[:4], "abandn", *words[5:]], r"word 5, 'abandn', .* abandon"),
    (lambda words: [*words[1:], words[0]], "compare each word and the order"),
    (lambda _: ["zoo"] * 24, "compare each word"),
]


@pytest.mark.parametrize(("spoil", "said"), WRONG_WORDS)
def test_wrong_words_restore_nobody(tmp_path: Path, spoil: Spoil, said: str) -> None:
    """Which word it is, and what it may have been; nothing is written."""
    ada = make_home(tmp_path / "ada", 1)
    machine = empty_home(tmp_path / "new", 2)
    with pytest.raises(ServiceError, match=said) as caught:
        restored(machine, " ".join(spoil(words_of(ada))))
    assert caught.value.code is Code.INVALID
    assert not machine.home.path.exists()


def test_words_of_another_language_are_named(tmp_path: Path) -> None:
    """When the person insists on the wrong one."""
    ada = make_home(tmp_path / "ada", 1)
    machine = empty_home(tmp_path / "new", 2)
    with pytest.raises(ServiceError, match="french, not english"):
        restored(machine, " ".join(words_of(ada, "french")), language="english")
    found = restored(machine, " ".join(words_of(ada, "french")), dry_run=True)
    assert found.language == "french"


@pytest.mark.parametrize("language", ["english", "french"])
def test_a_drill_is_passed_with_the_words_on_paper(tmp_path: Path, language: str) -> None:
    """Whichever are asked for, in any case and without accents; that it was passed is kept."""
    ada = make_home(tmp_path, 1)
    words = words_of(ada, language)
    asked = positions_to_ask(seeded(5))
    typed = {position: words[position - 1].upper() for position in asked}
    result = verify_words(ada.home, typed, clock=StoodClock(START_MS + 1))
    assert (result.positions, result.language) == (asked, language)
    assert ada.home.keys.words_verified_ms == START_MS + 1
    everything = dict(enumerate(words, start=1))
    assert verify_words(ada.home, everything, clock=ada.clock).language == language


def test_a_drill_asks_for_any_word() -> None:
    """Four different ones each time, in order; after some drills every word was among them."""
    random_bytes = seeded(1)
    drills = [positions_to_ask(random_bytes) for _ in range(100)]
    assert all(
        len(set(drill)) == DRILLED_WORDS and list(drill) == sorted(drill) for drill in drills
    )
    assert {position for drill in drills for position in drill} == set(range(1, 25))


def test_a_failed_drill_says_which_word(tmp_path: Path) -> None:
    """And what it may have been; that it was not passed is not kept."""
    ada = make_home(tmp_path, 1)
    words = words_of(ada)
    right = {position: words[position - 1] for position in (2, 9, 17, 24)}
    cut = f"{words[8][:-1]}x"
    for typed, said in (
        ({**right, 9: "vlvet"}, "word 9, 'vlvet', is not the right one; did you mean velvet or"),
        ({**right, 9: cut}, words[8]),
        ({**right, 2: "zoo", 24: "qqq"}, "word 2, 'zoo', is not the right one; word 24, 'qqq'"),
    ):
        with pytest.raises(ServiceError) as caught:
            verify_words(ada.home, typed, clock=ada.clock)
        assert caught.value.code is Code.INVALID
        assert said in caught.value.message
        assert "word 17" not in caught.value.message
    assert ada.home.keys.words_verified_ms == 0


def test_somebody_elses_words_are_told_apart(tmp_path: Path) -> None:
    """24 good words, but of another identity: two papers were mixed up."""
    ada, bob = make_home(tmp_path / "ada", 1), make_home(tmp_path / "bob", 2)
    typed = dict(enumerate(words_of(bob), start=1))
    with pytest.raises(ServiceError, match="words of another identity"):
        verify_words(ada.home, typed, clock=ada.clock)
