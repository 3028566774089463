"""A second decoder: content, by the tables of ``docs/protocol/content.md`` themselves.

It reads msgpack byte by byte, and takes which fields a kind has, their types, limits and defaults
from the page.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from tests.content_spec import Layout, default, inner_type, kinds, named, numbers_in, parts

MOST_CONTENT_BYTES: Final = 32_752
_PADDED_BYTES: Final = (256, 512, 1_024, 2_048, *range(4_096, 28_673, 4_096), 32_000)
_DEEPEST: Final = 16
_IN_CHANNEL: Final[dict[int, set[int]]] = {
    0: set(range(1, 12)),
    1: set(range(16, 23)),
    2: {32},
    3: {32, 33, 34, 36},
}
_IN_SEAL: Final = {*range(16, 23), 33, 34, 35}


class MeaninglessError(Exception):
    """These bytes mean nothing to this reader."""


def read_content(data: bytes, channel: int) -> dict[str, Any] | None:
    """What content of a channel says, as the page shows it in JSON; nothing if it means nothing."""
    return _read(data, _IN_CHANNEL.get(channel, set()))


def read_sealed_content(data: bytes) -> dict[str, Any] | None:
    """What content inside a seal says."""
    return _read(data, _IN_SEAL, most_bytes=31_900)


def read_plaintext(data: bytes) -> dict[str, Any] | None:
    """What decrypted bytes say."""
    unpadded = data.rstrip(b"\0")
    if len(data) not in _PADDED_BYTES or not unpadded.endswith(b"\x80"):
        return None
    try:
        row = _array(unpadded[:-1])
        layout = parts()["sealed_plaintext"]
        return named(layout, _row(layout, row))
    except MeaninglessError:
        return None


def _read(
    data: bytes, numbers: set[int], most_bytes: int = MOST_CONTENT_BYTES
) -> dict[str, Any] | None:
    if len(data) > most_bytes:
        return None
    try:
        number, *row = _array(data)
        if type(number) is not int or number not in numbers:
            return None
        layout = next(each for each in kinds().values() if each.number == number)
        return {"kind": layout.name, **named(layout, _row(layout, row))}
    except MeaninglessError:
        return None


def _array(data: bytes) -> list[Any]:
    reader = _Msgpack(data)
    value = reader.value(0)
    if reader.at != len(data) or not isinstance(value, list) or not value:
        raise MeaninglessError
    return list(cast("Sequence[Any]", value))


def _row(layout: Layout, row: Any) -> list[Any]:
    """The known fields of a row, each held to its type, those that are missing by default."""
    if not isinstance(row, list):
        raise MeaninglessError
    known = list(cast("Sequence[Any]", row))[: len(layout.fields)]
    for spec, value in zip(layout.fields, known, strict=False):
        _check(spec.type, value)
    missing = layout.fields[len(known) :]
    if any(not spec.default for spec in missing):
        raise MeaninglessError
    return [*known, *(default(spec) for spec in missing)]


def _check(type_name: str, value: Any) -> None:
    if not _fits(type_name, value):
        raise MeaninglessError


def _fits(type_name: str, value: Any) -> bool:
    if type_name.endswith(" or nil"):
        return value is None or _fits(type_name.removesuffix(" or nil"), value)
    if type_name.startswith("["):
        items = cast("Sequence[Any]", value if isinstance(value, list) else [None])
        if len(items) > int(type_name.rpartition("<= ")[2]):
            return False
        return all(_fits(inner_type(type_name), item) for item in items)
    if type_name in parts():
        _row(parts()[type_name], value)
        return True
    if type_name == "post":
        number, *row = cast("Sequence[Any]", value if isinstance(value, list) and value else [None])
        if type(number) is not int or number != kinds()["post"].number:
            return False
        _row(kinds()["post"], row)
        return True
    if type_name == "bool":
        return isinstance(value, bool)
    numbers = numbers_in(type_name)
    if type_name.startswith("text"):
        return isinstance(value, str) and len(value.encode()) <= numbers[0]
    if type_name.startswith("bin"):
        if not isinstance(value, bytes):
            return False
        return len(value) <= numbers[0] if "<=" in type_name else len(value) == numbers[0]
    return type(value) is int and numbers[0] <= value <= numbers[1]


@dataclass
class _Msgpack:
    """Reads any msgpack, one byte after the other."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise MeaninglessError
        self.at += count
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def value(self, depth: int) -> Any:
        code = self.number(1)
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code < 0x90:
            return self.map(code & 15, depth)
        if code < 0xA0:
            return self.array(code & 15, depth)
        if code < 0xC0:
            return self.text(code & 31)
        return self.coded(code, depth)

    def coded(self, code: int, depth: int) -> Any:
        if code in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if 0xC4 <= code <= 0xC6:
            return self.take(self.number(1 << code - 0xC4))
        if 0xC7 <= code <= 0xC9:
            return self.extension(self.number(1 << code - 0xC7))
        if code in (0xCA, 0xCB):
            form, length = (">f", 4) if code == 0xCA else (">d", 8)
            return struct.unpack(form, self.take(length))[0]
        if 0xCC <= code <= 0xCF:
            return self.number(1 << code - 0xCC)
        if 0xD0 <= code <= 0xD3:
            return int.from_bytes(self.take(1 << code - 0xD0), "big", signed=True)
        if 0xD4 <= code <= 0xD8:
            return self.extension(1 << code - 0xD4)
        if 0xD9 <= code <= 0xDB:
            return self.text(self.number(1 << code - 0xD9))
        if code in (0xDC, 0xDD):
            return self.array(self.number(2 * (code - 0xDB)), depth)
        if code in (0xDE, 0xDF):
            return self.map(self.number(2 * (code - 0xDD)), depth)
        raise MeaninglessError  # 0xC1 is never used

    def text(self, length: int) -> object:
        """A text, or something that no field takes: in a field that is ignored it may stand."""
        data = self.take(length)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data, "no text"

    def extension(self, length: int) -> object:
        return self.take(1 + length), "extension"

    def array(self, length: int, depth: int) -> list[Any]:
        if depth == _DEEPEST:
            raise MeaninglessError
        return [self.value(depth + 1) for _ in range(length)]

    def map(self, length: int, depth: int) -> object:
        return "map", self.array(2 * length, depth)
