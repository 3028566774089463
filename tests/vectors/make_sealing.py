"""Writes ``sealing.json``: ``python -m tests.vectors.make_sealing``, from the top folder.

Follows ``docs/protocol/sealing.md`` with hashlib, PyNaCl and msgpack; imports nothing of the
package that the vectors judge.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgpack
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)

TARGET: Final = Path(__file__).with_name("sealing.json")
ABOUT: Final = (
    "hex: content of kind 32. secrets: the reader's X25519 secrets by period. device, channel, "
    "seq, prev: the entry that carried it. content: the sealed content that the reader finds, "
    "null: nothing, for it is for others. A case with ephemeral_secret and message_key can be "
    "made again from them; recipients: device, period, X25519 key."
)

ADA: Final = bytes([1]) * 32
BOB: Final = bytes([2]) * 32
CLEO: Final = bytes([3]) * 32
EVE: Final = bytes([4]) * 32
PREV: Final = bytes([9]) * 32
PERIOD: Final = 683
SECRETS: Final = {BOB: bytes([0xB0]) * 32, CLEO: bytes([0xC0]) * 32, EVE: bytes([0xE0]) * 32}
EPHEMERAL: Final = bytes(range(32))
KEY: Final = bytes(range(100, 132))
TAGS: Final = (b"sl.seal", b"sl.seal-hint")
CONTENT: Final = msgpack.packb([16, "Meet me where the light is old."])


def padded(plaintext: bytes) -> bytes:
    """Add the mark and zeros up to 256 bytes."""
    return (plaintext + b"\x80").ljust(256, b"\0")


def said(device: bytes, period: int) -> bytes:
    """Return what wrapping key and hint are hashed from."""
    public = crypto_scalarmult_base(SECRETS[device])
    shared = crypto_scalarmult(EPHEMERAL, public)
    ephemeral = crypto_scalarmult_base(EPHEMERAL)
    return shared + ephemeral + public + period.to_bytes(4, "big")


def wrapped(device: bytes, period: int) -> list[Any]:
    """Return one row of the keys."""
    data = said(device, period)
    key = blake2b(data, digest_size=32, person=b"sl.seal").digest()
    hint = blake2b(data, digest_size=32, person=b"sl.seal-hint").digest()[:4]
    box = crypto_aead_xchacha20poly1305_ietf_encrypt(KEY, None, bytes(24), key)
    return [hint, period, box]


def sealed(plaintext: bytes, recipients: list[tuple[bytes, int]], *, suite: int = 1) -> list[Any]:
    """Return the row of a seal."""
    ephemeral = crypto_scalarmult_base(EPHEMERAL)
    keys = sorted(wrapped(*recipient) for recipient in recipients)
    bound = suite.to_bytes(2, "big") + ephemeral
    bound += b"".join(hint + period.to_bytes(4, "big") + box for hint, period, box in keys)
    text = crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, bound, bytes(24), KEY)
    return [32, suite, ephemeral, keys, text]


def message(recipients: list[bytes], **changes: Any) -> bytes:
    """Return a padded plaintext for entry 7 of Ada's channel 2."""
    fields = {"device": ADA, "channel": 2, "seq": 7, "prev": PREV, **changes}
    row = [*fields.values(), recipients, CONTENT]
    return padded(msgpack.packb(row))


def openly(plaintext: bytes) -> list[Any]:
    """Return the row of a seal whose ephemeral key shares 32 zero bytes with everybody."""
    ephemeral = bytes(32)
    public = crypto_scalarmult_base(SECRETS[BOB])
    shared = bytes(32) + ephemeral + public + PERIOD.to_bytes(4, "big")
    keys = {tag: blake2b(shared, digest_size=32, person=tag).digest() for tag in TAGS}
    box = crypto_aead_xchacha20poly1305_ietf_encrypt(KEY, b"", bytes(24), keys[b"sl.seal"])
    hint = keys[b"sl.seal-hint"][:4]
    bound = b"\0\1" + ephemeral + hint + PERIOD.to_bytes(4, "big") + box
    text = crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, bound, bytes(24), KEY)
    return [32, 1, ephemeral, [[hint, PERIOD, box]], text]


def case(
    name: str,
    reason: str,
    seal: list[Any],
    *,
    expect: str = "accept",
    reader: bytes = BOB,
    period: int = PERIOD,
    content: bytes | None = CONTENT,
    **more: Any,
) -> dict[str, Any]:
    """Return one case."""
    return {
        "name": name,
        "expect": expect,
        "reason": reason,
        "hex": msgpack.packb(seal).hex(),
        "reader": reader.hex(),
        "secrets": {str(period): SECRETS[reader].hex()},
        "device": ADA.hex(),
        "channel": 2,
        "seq": 7,
        "prev": PREV.hex(),
        **({} if expect == "reject" else {"content": content and content.hex()}),
        **more,
    }


def made(recipients: list[tuple[bytes, int]]) -> dict[str, Any]:
    """Return what a seal can be made from again."""
    return {
        "ephemeral_secret": EPHEMERAL.hex(),
        "message_key": KEY.hex(),
        "recipients": [
            [device.hex(), period, crypto_scalarmult_base(SECRETS[device]).hex()]
            for device, period in recipients
        ],
    }


def all_cases() -> list[dict[str, Any]]:
    """Return the cases in their order."""
    one = [(BOB, PERIOD)]
    two = [(BOB, PERIOD), (CLEO, PERIOD + 1)]
    box = [(BOB, 0)]
    for_bob = sealed(message([BOB]), one)
    changed_text = [*for_bob[:4], bytes([for_bob[4][0] ^ 1]) + for_bob[4][1:]]
    dummy = [*for_bob[:3], [*for_bob[3], [b"\xff" * 4, PERIOD, bytes(48)]], for_bob[4]]
    return [
        case("one reader", "sealed to a period key", for_bob, **made(one)),
        case("two readers", "each finds its key", sealed(message([BOB, CLEO]), two), **made(two)),
        case(
            "the other of two readers",
            "under a key of another period",
            sealed(message([BOB, CLEO]), two),
            reader=CLEO,
            period=PERIOD + 1,
        ),
        case("box key", "period 0", sealed(message([BOB]), box), period=0, **made(box)),
        case("for others", "no hint fits", for_bob, reader=EVE, content=None),
        case("erased key", "its period is not held", for_bob, period=PERIOD + 1, content=None),
        case("unknown suite", "kept unread", sealed(message([BOB]), one, suite=2), content=None),
        case(
            "an ephemeral key of small order", "opens nothing", openly(message([BOB])), content=None
        ),
        case("changed text", "the tag does not fit", changed_text, expect="reject"),
        case("short text", "no room for a tag", [*for_bob[:4], for_bob[4][:15]], expect="reject"),
        case("empty text", "no room for a tag", [*for_bob[:4], b""], expect="reject"),
        case("added key", "the keys are bound", dummy, expect="reject"),
        *(
            case(
                f"another {field}",
                "copied",
                sealed(message([BOB], **{field: value}), one),
                expect="reject",
            )
            for field, value in (("device", EVE), ("channel", 3), ("seq", 8), ("prev", EVE))
        ),
        case("sealed anew", "Bob is not named", sealed(message([CLEO]), one), expect="reject"),
        case("rubbish", "no padded plaintext", sealed(bytes(256), one), expect="reject"),
        case(
            "no mark",
            "0x80 is missing",
            sealed(message([BOB]).replace(b"\x80", b"\0"), one),
            expect="reject",
        ),
    ]


def sealing_text() -> str:
    """Return the file as it has to stand."""
    body = {"about": ABOUT, "cases": all_cases()}
    return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(sealing_text(), encoding="ascii")
