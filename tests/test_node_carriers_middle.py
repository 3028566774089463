"""Somebody in the middle alters every byte of every message of a link; nothing is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from slowlight.node.carriers.noise_link import NoiseLink
from slowlight.protocol.errors import SlowlightError
from tests.link_ends import End, Tap, tapped_pair
from tests.noise_ends import flip

PATIENCE_S: Final = 60.0
SAID: Final = {"ada": [b"one", b"two of ada", b"three"], "bob": [b"eins", b"zwei", b"drei of bob"]}
HANDSHAKE: Final = {"ada": 2, "bob": 1}
"""Messages of each end before the first of its session."""

Mischief = Callable[[bytes], bytes]


def _first(length: int, message: bytes) -> bytes:
    return message[:length]


def _instead(other: bytes, _message: bytes) -> bytes:
    return other


class Middle:
    """Lets messages of one end pass, except one, which it replaces."""

    def __init__(self, place: int, mischief: Mischief) -> None:
        self._place = place
        self._mischief = mischief
        self._passed = 0

    def __call__(self, message: bytes) -> bytes:
        """Return what goes on instead of a message."""
        self._passed += 1
        return self._mischief(message) if self._passed == self._place + 1 else message


class Swap:
    """Lets one message of an end wait until the next one has passed."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._passed = 0
        self._held = b""

    def __call__(self, message: bytes) -> bytes:
        """Return what goes on instead of a message."""
        self._passed += 1
        if self._passed == self._place + 1:
            self._held = message
            return b""
        message, self._held = message + self._held, b""
        return message


async def talk(caller_tap: Tap, called_tap: Tap, seed: int = 0) -> dict[str, list[bytes]]:
    """Let both ends shake hands and say what they have to; return what each has heard."""
    ada, bob = End("ada"), End("bob")
    for end in (ada, bob):
        end.keys.random_bytes(seed)  # so that the ephemeral keys of each seed are others
    heard: dict[str, list[bytes]] = {"ada": [], "bob": []}

    async def speak(link: NoiseLink, name: str) -> None:
        for message in SAID[name]:
            await link.send(message)
        while messages := await link.receive():
            heard[name] += messages

    async def call() -> None:
        await speak(await ada.call(caller_tap, bob), "ada")

    async def answer() -> None:
        await speak(await bob.answer(called_tap, ada), "bob")

    async def until_it_fails(end: Callable[[], object], tap: Tap) -> None:
        try:
            await end()  # type: ignore[misc]
        except SlowlightError:
            await tap.aclose()

    with trio.move_on_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_it_fails, call, caller_tap)
            nursery.start_soon(until_it_fails, answer, called_tap)
    return heard


async def genuine(seed: int = 0) -> dict[str, list[bytes]]:
    """Return the messages of both ends as they go over the line, when nobody is in the middle."""
    taps = dict(zip(("ada", "bob"), tapped_pair(), strict=True))
    sent: dict[str, list[bytes]] = {"ada": [], "bob": []}

    def note(name: str) -> Mischief:
        def noted(message: bytes) -> bytes:
            sent[name].append(message)
            return message

        return noted

    for name, tap in taps.items():
        tap.alter = note(name)
    heard = await talk(taps["ada"], taps["bob"], seed)
    assert heard == {"ada": SAID["bob"], "bob": SAID["ada"]}
    return sent


def others(name: str) -> str:
    """Return the other end."""
    return "bob" if name == "ada" else "ada"


async def check(name: str, place: int, alter: Mischief) -> None:
    """Alter one message: nothing from it on is heard, and nothing but what was said."""
    taps: dict[str, Tap] = dict(zip(("ada", "bob"), tapped_pair(), strict=True))
    taps[name].alter = alter
    heard = await talk(taps["ada"], taps["bob"])
    spoiled = place - HANDSHAKE[name]
    assert len(heard[others(name)]) <= max(spoiled, 0)
    assert heard[others(name)] == SAID[name][: len(heard[others(name)])]
    assert heard[name] == SAID[others(name)][: len(heard[name])]
    if spoiled < 0 and (name, place) != ("ada", 1):
        assert heard[name] == [], "the handshake never came to an end"


def places(sent: dict[str, list[bytes]]) -> Iterator[tuple[str, int, bytes]]:
    """Name every message: who sent it, which one it is, its bytes."""
    for name, messages in sent.items():
        for place, message in enumerate(messages):
            yield name, place, message


@pytest.mark.parametrize("bit", [1, 128])
async def test_no_byte_can_be_flipped(bit: int, autojump_clock: MockClock) -> None:
    """The length before a message, its key, its ciphertext and its tag."""
    for name, place, message in places(await genuine()):
        for at in range(len(message)):
            await check(name, place, Middle(place, flip(at, bit)))


async def test_no_message_can_be_cut_short(autojump_clock: MockClock) -> None:
    """At any byte; with the next message behind it, or nothing."""
    for name, place, message in places(await genuine()):
        for length in range(len(message)):
            await check(name, place, Middle(place, partial(_first, length)))


async def test_no_message_can_be_left_out_repeated_or_swapped(autojump_clock: MockClock) -> None:
    """Each has its number; the last one can be held back, which is a cut."""
    for name, place, _message in places(await genuine()):
        await check(name, place, Middle(place, lambda _whole: b""))
        is_last = place == HANDSHAKE[name] + len(SAID[name]) - 1
        if not is_last:
            await check(name, place, Swap(place))
        await check(name, place + 1, Middle(place, lambda whole: whole + whole))


async def test_nothing_of_another_link_fits(autojump_clock: MockClock) -> None:
    """Each message of an earlier link of the same two ends, instead of the one of now."""
    earlier = await genuine(seed=1)
    for name, place, message in places(await genuine()):
        old = earlier[name][place]
        assert old != message
        await check(name, place, Middle(place, partial(_instead, old)))
