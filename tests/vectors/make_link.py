"""Writes ``link.json``: ``python -m tests.vectors.make_link``, from the top folder.

It follows ``docs/protocol/link.md`` and uses nothing of the package: the Noise messages are
those of another implementation, noiseprotocol.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from .by_hand import Case, accept, pack, refusals, reject, vector_text

NAME: Final = "link.json"
ABOUT: Final = (
    "kind greeting: hex is the payload of handshake message 2 or 3; ident is judged elsewhere "
    "(ident.json). kind session: a handshake and what follows, hex is all bytes of both ends in "
    "the order of sending; wire: the same, one item for each Noise message with its length, from "
    "the caller where sender is 0; plain: what it carries. Of a session to refuse, sender and "
    "plain are those of the whole one. kind prologue: hex is the prologue of a network. Keys are "
    "X25519 private keys."
)
TOKEN: Final = bytes(range(16))
KEYS: Final = {
    "caller_static": bytes(range(32)),
    "caller_ephemeral": bytes(range(32, 64)),
    "called_static": bytes(range(64, 96)),
    "called_ephemeral": bytes(range(96, 128)),
}
CONVERSATION: Final = ((0, b"from the caller"), (1, b"from the called"), (1, b""), (0, b"x" * 300))

NOW: Final = 1_900_000_000_000
GREETINGS: Final[Mapping[str, tuple[bytes, bytes, int]]] = {
    "a greeting": (b"an IDENT body", b"", NOW),
    "a greeting with a token": (b"an IDENT body", TOKEN, NOW),
    "an empty greeting": (b"", b"", 0),
    "a greeting of 300 bytes": (b"i" * 300, b"", NOW),
    "a greeting from the last moment": (b"an IDENT body", b"", 2**63 - 1),
}
REFUSED: Final[Mapping[str, Mapping[str, bytes]]] = {
    "three fields": {
        "two fields": pack([b"ident", b""]),
        "four fields": pack([b"ident", b"", 0, 0]),
        "no array": pack(b"ident"),
    },
    "a token has 0 or 16 bytes": {
        "a token of 15 bytes": pack([b"ident", TOKEN[1:], NOW]),
        "a token of 17 bytes": pack([b"ident", TOKEN + b"\0", NOW]),
    },
    "byte strings": {
        "a number for the IDENT body": pack([0, b"", NOW]),
        "a number for the token": pack([b"ident", 0, NOW]),
    },
    "a time is an unsigned int below 2^63": {
        "a byte string for the time": pack([b"ident", b"", b""]),
        "a time before 1970": b"\x93\xc4\x05ident\xc4\x00\xff",
        "a time of 2^63": b"\x93\xc4\x05ident\xc4\x00\xcf\x80" + bytes(7),
    },
    "canonical": {
        "a longer form of a length": b"\x93\xc5\x00\x01x\xc4\x00\x00",
        "a byte too many": pack([b"ident", b"", NOW]) + b"\0",
        "a byte too few": pack([b"ident", b"", NOW])[:-1],
        "nothing": b"",
    },
}


def prologue(network: str) -> bytes:
    """What both ends mix in."""
    return b"slowlight-1" + pack(network.encode())


def link_text() -> str:
    """The file."""
    greetings = [
        accept(
            name,
            "fields",
            pack([ident, token, t_ms]),
            kind="greeting",
            ident=ident,
            token=token,
            t_ms=t_ms,
        )
        for name, (ident, token, t_ms) in GREETINGS.items()
    ]
    prologues = [
        accept(f"network {name!r}", "name", prologue(name), kind="prologue", network=name)
        for name in ("", "mars", "x" * 256)
    ]
    sessions = [_session("a session", ""), _session("a session of a network", "mars")]
    refused = refusals(REFUSED, kind="greeting")
    cut = list(_broken_sessions(sessions[0]))
    return vector_text(ABOUT, [*prologues, *greetings, *refused, *sessions, *cut], keys=KEYS)


def _broken_sessions(whole: Case) -> Iterator[Case]:
    """Sessions that end where a message is not what its sender sent."""
    wire = [bytes.fromhex(each) for each in whole["wire"]]
    plain = [bytes.fromhex(each) for each in whole["plain"]]

    def altered(number: int, at: int) -> list[bytes]:
        changed = bytearray(wire[number])
        changed[at] ^= 1
        return [*wire[:number], bytes(changed), *wire[number + 1 :]]

    broken = {
        "an ephemeral key altered": altered(0, 2),
        "message 1 altered": altered(0, 49),
        "message 2 altered": altered(1, 60),
        "the static key of message 3 altered": altered(2, 2),
        "message 3 altered": altered(2, 100),
        "a message after the handshake altered": altered(3, 5),
        "a message repeated": [*wire[:4], wire[3], *wire[5:]],
        "two messages of one direction changed round": [*wire[:4], wire[5], wire[4], wire[6]],
        "a message left out": [*wire[:3], *wire[4:]],
        "a length of 15": [*wire[:6], b"\x00\x0f" + bytes(15)],
        "the last message cut short": [*wire[:6], wire[6][:-1]],
    }
    told = {"kind": "session", "sender": whole["sender"], "plain": plain}
    for name, parts in broken.items():
        yield reject(name, "nothing altered", b"".join(parts), network="", **told)
    yield reject(
        "a session of another network", "one prologue", b"".join(wire), network="m", **told
    )


def _session(name: str, network: str) -> Case:
    caller, called = _ends(prologue(network))
    greeting = pack([b"ident of the caller", TOKEN, NOW])
    answer = pack([b"ident of the called", b"", NOW + 40])
    messages: list[tuple[int, bytes, bytes]] = []
    for sender, plain in ((0, b""), (1, answer), (0, greeting)):
        writer, reader = (called, caller) if sender else (caller, called)
        sealed = bytes(writer.write_message(plain))
        reader.read_message(sealed)
        messages.append((sender, plain, sealed))
    for sender, plain in CONVERSATION:
        writer = called if sender else caller
        messages.append((sender, plain, bytes(writer.encrypt(plain))))
    wire = [len(sealed).to_bytes(2, "big") + sealed for _, _, sealed in messages]
    return accept(
        name,
        "Noise_XK, each message behind its length",
        b"".join(wire),
        kind="session",
        network=network,
        sender=[sender for sender, _, _ in messages],
        plain=[plain for _, plain, _ in messages],
        wire=wire,
    )


def _ends(prologue_bytes: bytes) -> tuple[Any, Any]:
    module: Any = import_module("noise.connection")
    kinds = module.Keypair
    ends: list[Any] = []
    for name in ("caller", "called"):
        end = module.NoiseConnection.from_name(b"Noise_XK_25519_ChaChaPoly_BLAKE2b")
        end.set_prologue(prologue_bytes)
        end.set_keypair_from_private_bytes(kinds.STATIC, KEYS[f"{name}_static"])
        end.set_keypair_from_private_bytes(kinds.EPHEMERAL, KEYS[f"{name}_ephemeral"])
        ends.append(end)
    caller, called = ends
    caller.set_as_initiator()
    called.set_as_responder()
    public = called.noise_protocol.keypairs["s"].public_bytes
    caller.set_keypair_from_public_bytes(kinds.REMOTE_STATIC, public)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of ephemeral keys that are set
        for end in ends:
            end.start_handshake()
    return caller, called


if __name__ == "__main__":
    Path(__file__).with_name(NAME).write_text(link_text(), encoding="ascii")
