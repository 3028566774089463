"""Writes ``content.json``: ``python -m tests.vectors.make_content``, from the top folder.

Rows are written by hand and packed by msgpack; the fields that a reader must find come from the
tables of ``docs/protocol/content.md``. Nothing here imports the code that the vectors judge.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack

from tests.content_spec import kinds, named, parts

TARGET: Final = Path(__file__).with_name("content.json")
ABOUT: Final = (
    "within: the channel of the entry, 'seal' for content inside sealed content, 'plaintext' for "
    "decrypted bytes. fields: what a reader must find (bytes as hex), null: the content means "
    "nothing, is kept and relayed, and raises no error."
)


def _id(number: int) -> bytes:
    return bytes([number]) * 32


GALACTIC: Final = [4_200_000, -1_300_000, -500_000, 10]
SURFACE: Final = ["sol/earth", 43_604_652, 1_444_209, 146, 5_000]
PLACE: Final = ["sol/earth/france/toulouse", None, SURFACE]
SHIP: Final = ["proxima/ark", GALACTIC]
PHOTO: Final = [
    *(_id(0xA0), 48_213, "image/jpeg", "window.jpg", "red sunset through dust", _id(0xA1)),
    *(1_600, 1_200, 0, "en"),
]
SOUND: Final = [_id(0xA2), 0, "audio/ogg", "", "", None, 0, 0, 61_000]
LINK: Final = ["https://example.org/ada", "My old page"]
T_MS: Final = 1_795_305_600_000
POST: Final = [
    *(16, "La Tempête s'est levée. 风暴来了 🌪️", _id(1), _id(2), "fr", [_id(3), _id(4)]),
    *(["météo", "mars"], "Dust", "storm", PLACE, [PHOTO, SOUND], "text/markdown"),
]

SHORTEST: Final[Mapping[str, list[Any]]] = {
    "certificate": [1, b"", bytes(64)],
    "rotate": [2, b"", bytes(64)],
    "revoke": [3, b"", bytes(64)],
    "accept": [4, b"", bytes(64)],
    "period_key": [5, []],
    "profile": [6],
    "follow": [7, _id(1)],
    "block": [8, _id(1)],
    "attest": [9, _id(1), "person"],
    "withdraw": [10, []],
    "pack": [11, "Jezero"],
    "post": [16, ""],
    "boost": [17, _id(1), _id(2)],
    "react": [18, _id(1), "👍"],
    "edit": [19, _id(1), [16, "First light."]],
    "delete": [20, []],
    "label": [21, _id(1), "spam"],
    "collection": [22, "Letters from the ice"],
    "sealed": [32, 1, _id(1), [], b""],
    "group_create": [33, "Crew 12"],
    "group_members": [34, _id(1), []],
    "group_key": [35, _id(1), 0, _id(2), []],
    "group_message": [36, 1, bytes(24), b"hint", b""],
}
FULLEST: Final[Mapping[str, list[Any]]] = {
    "certificate": [1, b"\x98certificate", bytes(range(64))],
    "rotate": [2, b"\x95rotation", bytes(range(64))],
    "revoke": [3, b"\x95revocation", bytes(range(64))],
    "accept": [4, b"\x95accept", bytes(range(64))],
    "period_key": [
        5,
        [[683, T_MS, T_MS + 2_678_400_000, _id(1)], [2**32 - 1, 0, 2**62 - 1, _id(2)]],
    ],
    "profile": [
        *(6, "Ada", "Keeps the relay running.", ["en", "zh-Hant-TW"], SHIP, [LINK, ["gemini://x"]]),
        *(PHOTO, ["radio", "bread"], True),
    ],
    "follow": [7, _id(1), [1, 3, 2**32 - 1], 1, 500, "met at the harbour"],
    "block": [8, _id(1), "floods", T_MS],
    "attest": [
        *(9, _id(1), "citizen", "France", "certified", 1, T_MS, "saw the passport", PLACE),
        [PHOTO],
    ],
    "withdraw": [10, [_id(1), _id(2)], "no longer true"],
    "pack": [
        *(11, "Jezero", "How we live here.", ["en", "fr"], ["sol/mars/jezero"]),
        *([["theme", [_id(1), 900]], ["policy", PHOTO]], [_id(2)], [_id(3)], [_id(4), _id(5)]),
    ],
    "post": POST,
    "boost": [17, _id(1), _id(2), "Worth the wait.", "en", _id(3), 2**32 - 17],
    "react": [18, _id(1), "👩🏽‍❤️‍💋‍👨🏿", True],
    "edit": [19, _id(1), POST, "a name corrected"],
    "delete": [20, [[1, 0, 41], [2, 7, 7, _id(1)], [2**32 - 1, 2**32 - 17, 0]], "too young then"],
    "label": [21, _id(1), "fact-check", "missing context", "See 2019.", "en", T_MS, 1],
    "collection": [
        *(22, "Letters from the ice", "One winter.", [_id(1), _id(2), _id(1)], "en", ["ice"]),
        *(_id(3), PHOTO),
    ],
    "sealed": [
        *(32, 65_535, _id(1), [[b"abcd", 0, bytes(48)], [b"\0\0\0\0", 683, bytes(range(48))]]),
        bytes(range(256)),
    ],
    "group_create": [
        *(33, "Crew 12", "Sol 1 to 400.", [_id(1), _id(2)], [_id(2)], ["en"]),
        *([["person"], ["citizen", "Mars", [_id(3)]]], SOUND),
    ],
    "group_members": [
        *(34, _id(1), [_id(2), _id(3)], [_id(4)], [_id(5)], [_id(6)], [_id(7)], "end of mission"),
    ],
    "group_key": [35, _id(1), 2**63 - 1, _id(2), [_id(3)]],
    "group_message": [36, 1, bytes(range(24)), b"\xff\0\xff\0", b"\x80" * 272],
}
PLAINTEXT: Final = [_id(1), 2, 7, _id(2), [_id(3), _id(4)], b"\x92\x10\xa2hi", [_id(5)], _id(6)]


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _filled(size_bytes: int) -> list[Any]:
    """A post of 30,000 bytes of text with an unknown field that fills it up to a size."""
    row: list[Any] = [*(16, "x" * 30_000, None, None, "", [], [], "", "", None, [], ""), bytes(300)]
    return [*row[:-1], bytes(300 + size_bytes - len(_pack(row)))]


def _case(name: str, within: int | str, data: bytes, fields: object, reason: str) -> dict[str, Any]:
    return {"name": name, "within": within, "reason": reason, "hex": data.hex(), "fields": fields}


def _within(kind: str) -> int | str:
    """Where a kind means something."""
    return {0: 0, 1: 1, 2: 2 if kind == "sealed" else 3}[SHORTEST[kind][0] // 16]


def _read(
    kind: str, data: bytes, row: list[Any], reason: str, within: int | str | None = None
) -> dict[str, Any]:
    fields = {"kind": kind, **named(kinds()[kind], row[1:])}
    return _case(kind, _within(kind) if within is None else within, data, fields, reason)


def _every_kind() -> Iterator[dict[str, Any]]:
    for reason, rows in (
        ("only the fields without default", SHORTEST),
        ("every field has a value of its own", FULLEST),
    ):
        for kind, row in rows.items():
            within = "seal" if kind == "group_key" else _within(kind)
            yield _read(kind, _pack(row), row, reason, within)


DEFAULTS: Final[list[Any]] = [None, None, "", [], [], "", "", None, [], ""]  # of a post's fields
NEWER: Final[list[Any]] = [{"mood": 1.5}, [[b"x"]], -1, None, msgpack.ExtType(5, b"?")]

# Other bytes for what also has usual ones.
UNUSUAL: Final[Mapping[str, tuple[list[Any], bytes]]] = {
    "defaults may be written out": ([16, "hi"], _pack([16, "hi", *DEFAULTS])),
    "unknown fields at the end are ignored, of any type": (
        [16, "hi"],
        _pack([16, "hi", *DEFAULTS, *NEWER]),
    ),
    "a text in an unknown field may be any bytes": (
        [16, "hi"],
        b"\xdc\x00\x0d\x10\xa2hi" + b"".join(map(_pack, DEFAULTS)) + b"\xa1\xff",
    ),
    "wide length fields are allowed": ([16, "hi"], b"\xdc\x00\x02\x10\xd9\x02hi"),
    "a wide kind number is the same kind": ([16, "hi"], b"\x92\xcc\x10\xa2hi"),
    "a wide byte string is the same bytes": ([7, _id(1)], b"\x92\x07\xc5\x00\x20" + _id(1)),
}
# Rows that look wrong, or are as large as may be, and still mean what they say.
ALLOWED: Final[Mapping[str, list[Any]]] = {
    "parts may have unknown fields too": [6, "", "", [], ["sol", None, None, "new"]],
    "64 mentions, 32 tags of 64 bytes": [16, "", *DEFAULTS[:3], [_id(1)] * 64, ["é" * 32] * 32],
    "a title of 300 bytes": [16, "", None, None, "", [], [], "é" * 150],
    "a text of 30,000 bytes, 32,752 bytes in all": _filled(32_752),
    "control characters are content; showing makes them safe": [18, _id(1), "\0\x1b[31m\u202e"],
    "a range whose last is below its first is empty": [20, [[1, 5, 4]]],
    "a period without length is readable, and unusable": [5, [[1, 9, 9, _id(1)]]],
    "an unknown depth does not hide the follow": [7, _id(1), [], 99],
}
MAY_BE_SEALED: Final = frozenset({16, 17, 18, 19, 20, 21, 22, 33, 34})


def _tolerated() -> Iterator[dict[str, Any]]:
    names = {layout.number: name for name, layout in kinds().items()}
    for reason, (row, data) in UNUSUAL.items():
        yield _read(names[row[0]], data, row, reason)
    for reason, row in ALLOWED.items():
        yield _read(names[row[0]], _pack(row), row, reason)
    for kind, row in SHORTEST.items():
        if row[0] in MAY_BE_SEALED:
            yield _read(kind, _pack(row), row, "this kind may stand inside a seal", "seal")
    yield _read("sealed", _pack(SHORTEST["sealed"]), SHORTEST["sealed"], "also in a group", 3)


def _plaintexts() -> Iterator[dict[str, Any]]:
    layout = parts()["sealed_plaintext"]
    packed = _pack(PLAINTEXT)
    padded = (packed + b"\x80").ljust(512, b"\0")
    fields = named(layout, PLAINTEXT)
    yield _case("sealed plaintext", "plaintext", padded, fields, "every field, padded to 512 bytes")
    short = [*PLAINTEXT[:4], [], b"\x80\0\0"]
    shortest = (_pack(short) + b"\x80").ljust(256, b"\0")
    yield _case("sealed plaintext", "plaintext", shortest, named(layout, short), "256 bytes")
    for data, reason in (
        (b"", "nothing"),
        (bytes(256), "padding without its mark"),
        (packed, "no padding"),
        (padded[:-1], "511 bytes is no size for a plaintext"),
        (packed.ljust(512, b"\0"), "zeros without the mark"),
        ((packed + b"\x80\x01").ljust(512, b"\0"), "something in the padding"),
        ((_pack(PLAINTEXT[:5]) + b"\x80").ljust(256, b"\0"), "the content is missing"),
        ((_pack([36, *PLAINTEXT]) + b"\x80").ljust(512, b"\0"), "a plaintext has no kind number"),
    ):
        yield _case("sealed plaintext", "plaintext", data, None, reason)


# Bytes that are no content in any channel; each is also tried where posts may stand.
NO_CONTENT: Final[Mapping[str, bytes]] = {
    "no bytes at all": b"",
    "a byte that msgpack never uses": b"\xc1",
    "an empty array": b"\x90",
    "a map": b"\x81\x00\x10",
    "a number": b"\x10",
    "a byte after the array": b"\x92\x10\xa2hi\x00",
    "a text cut short": b"\x92\x10\xa2h",
    "an array that claims 4,294,967,295 fields": b"\xdd\xff\xff\xff\xff\x10\xa2hi",
    "a text that claims 4,294,967,295 bytes": b"\x92\x10\xdb\xff\xff\xff\xffhi",
    "mentions that claim 4,294,967,295 ids": b"\x96\x10\xa0\xc0\xc0\xa0\xdd\xff\xff\xff\xff",
    "an unknown field cut short": b"\x9d\x10\xa0\xc0\xc0\xa0\x90\x90\xa0\xa0\xc0\x90\xa0\x92\x01",
    "text that is not UTF-8": b"\x92\x10\xa2\xc3\x28",
    "text in overlong UTF-8": b"\x92\x10\xa2\xc0\x80",
    "text with half of a surrogate pair": b"\x92\x10\xa3\xed\xa0\x80",
}

# Rows that mean nothing in the channel given.
NOTHING: Final[Mapping[str, tuple[int | str, list[Any]]]] = {
    "kind 0 is not used": (1, [0, "hi"]),
    "kind 99 is not known": (1, [99, "hi"]),
    "a kind below zero": (1, [-16, "hi"]),
    "a kind of 2**64 - 1": (1, [2**64 - 1, "hi"]),
    "a kind as text": (1, ["16", "hi"]),
    "a kind as a float": (1, [16.0, "hi"]),
    "a kind as a bool": (1, [True, b"", bytes(64)]),
    "a post without text": (1, [16]),
    "text as bytes": (1, [16, b"hi"]),
    "text as nil": (1, [16, None]),
    "an id as text": (1, [16, "hi", "x" * 32]),
    "an id of 31 bytes": (1, [16, "hi", bytes(31)]),
    "an id of 33 bytes": (1, [16, "hi", bytes(33)]),
    "an empty id: nil means none": (1, [16, "hi", b""]),
    "a language of 36 bytes": (1, [16, "hi", None, None, "x" * 36]),
    "65 mentions": (1, [16, "hi", None, None, "", [_id(1)] * 65]),
    "33 tags": (1, [16, "hi", None, None, "", [], ["x"] * 33]),
    "a tag of 66 bytes in 33 characters": (1, [16, "hi", None, None, "", [], ["é" * 33]]),
    "tags as a map": (1, [16, "hi", None, None, "", [], {}]),
    "a title of 301 bytes": (1, [16, "hi", None, None, "", [], [], "x" * 301]),
    "a place as text": (1, [*POST[:9], "sol/mars"]),
    "a place without a path": (1, [*POST[:9], []]),
    "north of the pole": (1, [*POST[:9], ["", None, ["sol/mars", 90_000_001, 0]]]),
    "a latitude as a float": (1, [*POST[:9], ["", None, ["sol/mars", 43.6, 0]]]),
    "a million light-years and a bit": (1, [*POST[:9], ["", [10**12 + 1, 0, 0]]]),
    "a negative radius": (1, [*POST[:9], ["", [0, 0, 0, -1]]]),
    "65 attachments": (1, [*POST[:10], [[_id(1), 0]] * 65]),
    "an attachment without its size": (1, [*POST[:10], [[_id(1)]]]),
    "an attachment of less than no bytes": (1, [*POST[:10], [[_id(1), -1]]]),
    "an attachment of 2**63 bytes": (1, [*POST[:10], [[_id(1), 2**63]]]),
    "a text of 30,001 bytes": (1, [16, "x" * 30_001]),
    "32,753 bytes in all": (1, _filled(32_753)),
    "a reaction of 65 bytes": (1, [18, _id(1), "x" * 65]),
    "a removal as a number": (1, [18, _id(1), "x", 1]),
    "an edit without the number of its post": (1, [19, _id(1), ["First light."]]),
    "an edit into a reaction": (1, [19, _id(1), [18, _id(1), "x"]]),
    "a sequence number that no log reaches": (1, [20, [[1, 0, 2**32 - 16]]]),
    "a channel that no log has": (1, [20, [[2**32, 0, 0]]]),
    "257 ranges": (1, [20, [[1, 0, 0]] * 257]),
    "513 entries of a collection": (1, [22, "x", "", [_id(1)] * 513]),
    "a signature of 63 bytes": (0, [1, b"body", bytes(63)]),
    "period 0 is the box key of the certificate": (0, [5, [[0, 1, 2, _id(1)]]]),
    "a date of 2**62": (0, [8, _id(1), "", 2**62]),
    "17 languages": (0, [6, "", "", ["en"] * 17]),
    "a name of 129 bytes": (0, [6, "x" * 129]),
    "257 withdrawals": (0, [10, [_id(1)] * 257]),
    "a hint of 3 bytes": (2, [32, 1, _id(1), [[b"abc", 1, bytes(48)]], b""]),
    "a wrapped key of 47 bytes": (2, [32, 1, _id(1), [[b"abcd", 1, bytes(47)]], b""]),
    "a suite of 65,536": (2, [32, 65_536, _id(1), [], b""]),
    "a nonce of 23 bytes": (3, [36, 1, bytes(23), b"hint", b""]),
    "9 causal references": (3, [34, _id(1), [_id(1)] * 9]),
    "a post in channel 0": (0, SHORTEST["post"]),
    "a post in channel 2, in the clear": (2, SHORTEST["post"]),
    "a post in channel 3, in the clear": (3, SHORTEST["post"]),
    "a post in a channel that nobody knows": (4, SHORTEST["post"]),
    "a certificate in channel 1": (1, SHORTEST["certificate"]),
    "a follow inside a seal": ("seal", SHORTEST["follow"]),
    "a group in channel 2": (2, SHORTEST["group_create"]),
    "a seal in channel 1": (1, SHORTEST["sealed"]),
    "a seal inside a seal": ("seal", SHORTEST["sealed"]),
    "a group message inside a seal": ("seal", SHORTEST["group_message"]),
    "a group key in the clear": (3, SHORTEST["group_key"]),
}


def _nothing() -> Iterator[dict[str, Any]]:
    for reason, data in NO_CONTENT.items():
        yield _case("no content", 1, data, None, reason)
    for reason, (within, row) in NOTHING.items():
        yield _case("no content", within, _pack(row), None, reason)


def main() -> None:
    cases = [*_every_kind(), *_tolerated(), *_plaintexts(), *_nothing()]
    TARGET.write_text(
        json.dumps({"about": ABOUT, "cases": cases}, indent=1) + "\n", encoding="ascii"
    )


if __name__ == "__main__":
    main()
