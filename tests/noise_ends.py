"""Two ends of a Noise handshake for tests, every key drawn from a seed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from slowlight.protocol.noise import HandshakeState, KeyPair, Pattern, Transport

PROLOGUE = b"tests"


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys that two ends of any pattern may need."""

    initiator_static: KeyPair
    initiator_ephemeral: KeyPair
    responder_static: KeyPair
    responder_ephemeral: KeyPair
    psk: bytes


def key_pairs(privates: Iterable[bytes]) -> tuple[KeyPair, KeyPair, KeyPair, KeyPair]:
    """Derive four pairs, in the order of `Keys`."""
    one, two, three, four = (KeyPair.from_private(private) for private in privates)
    return one, two, three, four


def random_keys(rng: Random) -> Keys:
    pairs = key_pairs(rng.randbytes(32) for _ in range(4))
    return Keys(*pairs, rng.randbytes(32))


def initiator(pattern: Pattern, keys: Keys, prologue: bytes = PROLOGUE) -> HandshakeState:
    needed = pattern.keys_needed(initiator=True)
    return HandshakeState(
        pattern,
        initiator=True,
        prologue=prologue,
        static=keys.initiator_static if "static" in needed else None,
        ephemeral=keys.initiator_ephemeral,
        remote_static=keys.responder_static.public if "remote static" in needed else None,
        psk=keys.psk if "psk" in needed else None,
    )


def responder(pattern: Pattern, keys: Keys, prologue: bytes = PROLOGUE) -> HandshakeState:
    needed = pattern.keys_needed(initiator=False)
    return HandshakeState(
        pattern,
        initiator=False,
        prologue=prologue,
        static=keys.responder_static if "static" in needed else None,
        ephemeral=keys.responder_ephemeral if "ephemeral" in needed else None,
        psk=keys.psk if "psk" in needed else None,
    )


def ends(pattern: Pattern, keys: Keys) -> tuple[HandshakeState, HandshakeState]:
    return initiator(pattern, keys), responder(pattern, keys)


def shake_hands(first: HandshakeState, second: HandshakeState) -> list[bytes]:
    """Exchange messages with empty payloads to the end; return them."""
    messages: list[bytes] = []
    writer, reader = first, second
    while not first.finished:
        messages.append(writer.write_message())
        reader.read_message(messages[-1])
        writer, reader = reader, writer
    return messages


def open_session(pattern: Pattern, keys: Keys) -> tuple[Transport, Transport]:
    first, second = ends(pattern, keys)
    shake_hands(first, second)
    return first.split(), second.split()


def flip(at: int, bit: int) -> Callable[[bytes], bytes]:
    """Return what changes one byte of a message."""
    return lambda message: message[:at] + bytes([message[at] ^ bit]) + message[at + 1 :]
