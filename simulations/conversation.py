"""A real conversation: who wrote when, answering what, how many bytes.

The rows say nothing of names or words. What they are and where they come from stands in
``data/SOURCES.md``.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ..protocol.errors import DecodeError

COLUMNS: Final = ("id", "t_unix_s", "author", "parent", "size_bytes")
MAX_MESSAGES: Final = 1_000_000
"""Twenty times the longest conversation in use; every message is held in memory."""
MAX_NUMBER: Final = 2**40
"""Above every id and date in use (34,000 years), and far below what a header can hold."""
MAX_BODY_BYTES: Final = 2**20

_DATA: Final = Path(__file__).parent / "data"
SHIPPED_CONVERSATION: Final = _DATA / "conversation-2000.csv.gz"
SHIPPED_TEXT: Final = _DATA / "war-of-the-worlds.txt"


class Message(NamedTuple):
    """One message of the conversation."""

    id: int
    t_unix_s: int
    """When its author's clock said it was written: a claim, and some are wrong."""
    author: int
    parent: int | None
    """Id of the message it answers; None: it starts a thread."""
    size_bytes: int
    """Bytes of its body."""


def read_messages(path: Path = SHIPPED_CONVERSATION) -> list[Message]:
    """Read a conversation from a ``.csv.gz`` file with the columns of `COLUMNS`.

    Raises:
        DecodeError: it is no such file, has more than `MAX_MESSAGES` rows, two rows with one
            id, or a number out of range; the message names the line.
        OSError: it cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="") as lines:
            return _read_rows(lines, path.name)
    except (EOFError, UnicodeDecodeError, csv.Error, gzip.BadGzipFile, zlib.error) as error:
        raise DecodeError(f"{path.name}: not a conversation as .csv.gz: {error}") from error


def _read_rows(lines: Iterable[str], name: str) -> list[Message]:
    rows = csv.reader(lines, strict=True)
    if tuple(next(rows, ())) != COLUMNS:
        raise DecodeError(f"{name}: the first line must be {','.join(COLUMNS)}")
    messages: dict[int, Message] = {}
    for line, row in enumerate(rows, start=2):
        message = _message(row, f"{name}, line {line}")
        if message.id in messages:
            raise DecodeError(f"{name}, line {line}: a second message {message.id}")
        if len(messages) == MAX_MESSAGES:
            raise DecodeError(f"{name}: more than {MAX_MESSAGES:,} messages")
        messages[message.id] = message
    return list(messages.values())


def _message(row: Sequence[str], where: str) -> Message:
    if len(row) != len(COLUMNS):
        raise DecodeError(f"{where}: {len(row)} columns where {len(COLUMNS)} are needed")
    message_id, t_unix_s, author, parent, size_bytes = row
    return Message(
        _number(message_id, f"{where}, id"),
        _number(t_unix_s, f"{where}, t_unix_s"),
        _number(author, f"{where}, author"),
        _number(parent, f"{where}, parent") if parent else None,
        _number(size_bytes, f"{where}, size_bytes", at_most=MAX_BODY_BYTES),
    )


def _number(digits: str, where: str, at_most: int = MAX_NUMBER) -> int:
    plain = digits.isascii() and digits.isdigit() and len(digits) <= len(str(at_most))
    if not plain or int(digits) > at_most:
        raise DecodeError(f"{where}: {digits[:20]!r} is no number of 0..{at_most}")
    return int(digits)


def in_answer_order(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield every message after the one that it answers, else in the order given.

    A parent that is dated after its answer comes just before it: the answers prove the order,
    the dates are claims. A parent that is not among ``messages`` is not waited for.

    Raises:
        DecodeError: messages answer each other in a circle.
    """
    by_id = {message.id: message for message in messages}
    placed: set[int] = set()
    for message in messages:
        ancestors: dict[int, Message] = {}
        place: Message | None = message
        while place is not None and place.id not in placed:
            if place.id in ancestors:
                raise DecodeError(f"message {place.id} answers itself by way of its answers")
            ancestors[place.id] = place
            place = None if place.parent is None else by_id.get(place.parent)
        placed.update(ancestors)
        yield from reversed(ancestors.values())
