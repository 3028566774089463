"""The real local network: what is on the air, as any neighbour hears it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Final

import pytest
import trio

from slowlight.node.carriers.lan import Sighting
from slowlight.node.carriers.zeroconf_lan import SERVICE, ZeroconfLan, sighting_of
from slowlight.protocol.nearby import nearby_tag

GROUP: Final = "224.0.0.251"
PORT: Final = 5_353
LOOPBACK: Final = "127.0.0.1"
PATIENCE_S: Final = 20.0
BOX: Final = bytes(range(100, 132))


@contextmanager
def neighbour() -> Generator[list[bytes]]:
    """Hear everything that is said by multicast on the loopback network."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ear.bind(("", PORT))
        group = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(LOOPBACK))
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        ear.setblocking(False)
        yield heard
        while True:
            try:
                heard.append(ear.recv(9_000))
            except BlockingIOError:
                return


async def call_out(seed: int) -> tuple[bytes, list[bytes]]:
    """Let one node call out until another one has understood it; return nonce and packets."""
    nonce = Random(seed).randbytes(16)
    tag = nearby_tag(BOX, nonce)
    caller, listener = ZeroconfLan(lambda: [LOOPBACK]), ZeroconfLan(lambda: [LOOPBACK])
    seen: dict[bytes, Sighting] = {}
    arrived, left = trio.Event(), trio.Event()

    def on_seen(sighting: Sighting) -> None:
        seen[sighting.nonce] = sighting
        if sighting.nonce == nonce:
            arrived.set()

    def on_gone(gone: bytes) -> None:
        if gone == nonce:
            left.set()

    with neighbour() as heard, trio.fail_after(PATIENCE_S):
        await listener.open(on_seen, on_gone)
        await caller.open(lambda _sighting: None, lambda _nonce: None)
        await caller.announce(nonce, tag, 4_242)
        await arrived.wait()
        await caller.withdraw(nonce)
        await left.wait()
        await caller.aclose()
        await listener.aclose()
    assert seen[nonce] == Sighting(nonce, tag, (f"{LOOPBACK}:4242",))
    return nonce, [packet for packet in heard if nonce.hex().encode() in packet]


def names_in(packet: bytes) -> set[bytes]:
    """Return every run of 5 bytes of a packet that is not part of the protocol's own words."""
    words = SERVICE.split(".")
    plain = packet
    for word in (*words, "_services", "_dns-sd", "_udp"):
        plain = plain.replace(bytes([len(word)]) + word.encode(), b"\0")
    return {plain[at : at + 5] for at in range(len(plain) - 4)}


async def test_the_air_carries_nothing_that_stays() -> None:
    """Two announcements of one node share no more than the form of the protocol."""
    first_nonce, first = await call_out(1)
    second_nonce, second = await call_out(2)
    assert first
    assert second
    for packet in first + second:
        for secret in (BOX, BOX.hex().encode(), socket.gethostname().encode(), b"slowlight-"):
            assert secret not in packet
    for nonce, packets in ((first_nonce, second), (second_nonce, first)):
        assert not any(nonce.hex().encode() in packet for packet in packets)
    tags = nearby_tag(BOX, first_nonce), nearby_tag(BOX, second_nonce)
    assert any(tags[0] in packet for packet in first)
    assert not any(tags[0] in packet for packet in second)
    common = {run for packet in first for run in names_in(packet)}
    common &= {run for packet in second for run in names_in(packet)}
    address = socket.inet_aton(LOOPBACK)
    readable = {run for run in common if address not in run and sum(map(_letter, run)) >= 4}
    assert readable == set(), readable


def _letter(byte: int) -> bool:
    return chr(byte).isascii() and chr(byte).isalnum()


@pytest.mark.parametrize(
    ("name", "port", "properties"),
    [
        ("ff" * 16, 7, {b"t": b"short"}),
        ("ff" * 16, 7, {}),
        ("ff" * 15, 7, {b"t": bytes(8)}),
        ("no nonce", 7, {b"t": bytes(8)}),
        ("ff" * 16, 0, {b"t": bytes(8)}),
    ],
)
def test_what_is_not_made_like_ours_is_ignored(
    name: str, port: int, properties: dict[bytes, bytes]
) -> None:
    """Anybody may call out anything."""
    from zeroconf import ServiceInfo

    info = ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=port,
        addresses=[socket.inet_aton(LOOPBACK)],
        properties=properties,
    )
    assert sighting_of(info) is None
