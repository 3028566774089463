"""Range-based reconciliation: two sides find every state that differs, exactly.

One side sends fingerprints of its parts of a range; the other answers with those of the parts
that differ, and so on, until a range has so few states that they are listed. Both sides learn
all differences. Messages alternate; nothing here waits or sends.

A fingerprint is a keyed hash over the states of a range in order, made anew for each session (some
tens of milliseconds for 10,000 states, most of it to encode them). Its key is drawn by the side
that begins, so nobody can make logs beforehand whose fingerprints meet, though it has only 8 bytes.
A sum that is kept up to date, as in the digest, would need 2,048 bytes for each range to be as hard
to forge.

Source: A. Meyer, "Range-based set reconciliation" (2023).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from .digest import frozen_log_state, log_state
from .errors import DecodeError
from .frames import LogState
from .hashing import PERSON_RANGE
from .range_messages import (
    BRANCHES,
    FINGERPRINT_BYTES,
    MAX_ANSWERED,
    MAX_LISTED,
    MAX_NODES,
    MAX_PREFIX_NIBBLES,
    MAX_RANGES_BYTES,
    NODE_BYTES,
    SALT_BYTES,
    STATE_BYTES,
    Answer,
    Listing,
    Node,
    RangeMessage,
    Split,
    ToldState,
    nibbles_text,
)

MOST_UNKNOWN: Final = 65_536
"""Logs that we do not have and that a peer may tell us of, unless the caller says otherwise."""


class StateDifference(NamedTuple):
    """A log of which the two sides do not hold the same."""

    log: bytes
    ours: LogState | None
    """None: we do not have it."""
    theirs: ToldState | None
    """None: they do not have it. A claim, like all that they say."""


class _Pending:
    """An answer that is yet to be sent, or the rest of it."""

    __slots__ = ("lacks", "prefix", "rows")

    def __init__(self, prefix: bytes, lacks: int, rows: list[int]) -> None:
        self.prefix, self.lacks, self.rows = prefix, lacks, rows


class Reconciler:
    """One side of one reconciliation."""

    def __init__(self, states: Iterable[LogState], *, most_unknown: int = MOST_UNKNOWN) -> None:
        """Take what this side holds.

        Args:
            states: one for each log, in any order.
            most_unknown: logs that we lack and that the peer may name, before it is too much.

        Raises:
            ValueError: two states of one log.
        """
        self._states: Final = sorted(states)
        self._logs: Final = [state.log for state in self._states]
        if len(set(self._logs)) < len(self._logs):
            raise ValueError("two states of one log")
        self._packed: Final = [_canonical(state) for state in self._states]
        self._most_unknown = most_unknown
        self._key = b""
        self._to_send: deque[bytes | _Pending] = deque()
        """Prefixes of ranges to be split or listed, and answers."""
        self._split: set[bytes] = set()
        """Prefixes that the other side may name: ranges that we split, and their parts."""
        self._listed: dict[bytes, bytes] = {}
        """Prefixes that we listed; the last log that was named in the answer so far, or nothing."""
        self._found: dict[bytes, StateDifference] = {}
        self.finished = False
        """Both sides know everything."""

    @property
    def differences(self) -> list[StateDifference]:
        """What was found so far, by rising log."""
        return [self._found[log] for log in sorted(self._found)]

    def start(self, salt: bytes) -> bytes:
        """Return the first message.

        Args:
            salt: 8 random bytes that no author of a log can know beforehand.

        Raises:
            ValueError: it began already, or the salt has another length.
        """
        if self._key or len(salt) != SALT_BYTES:
            raise ValueError("a reconciliation begins once, with 8 bytes")
        self._key = salt
        self._to_send.append(b"")
        return self._message(salt).body()

    def receive(self, body: bytes) -> bytes | None:
        """Take a message of the other side.

        Returns:
            The message to send back; None if there is nothing more to say.

        Raises:
            DecodeError: the message is malformed, says what was not asked, or tells of more logs
                than are wanted. Nothing more can be received then.
        """
        if self.finished:
            raise DecodeError("ranges: a message after the last one")
        self.finished = True  # unless all of it can be taken
        message = RangeMessage.decode(body)
        first = not self._key
        if bool(message.salt) != first:
            raise DecodeError("ranges: a salt belongs in the first message, and only there")
        self._key = self._key or message.salt
        if first:
            self._split.add(b"")  # as if we had asked about everything
        asked = message.more
        for node in message.nodes:
            self._take(node)
            asked = asked or not isinstance(node, Answer)
        if not message.more:
            self._split.clear()
            if self._listed:
                raise DecodeError("ranges: a list was not answered")
        if not (asked or self._to_send):
            return None
        reply = self._message(b"")
        self.finished = not message.more and not self._asks(reply)
        return reply.body()

    def _asks(self, message: RangeMessage) -> bool:
        return message.more or any(not isinstance(node, Answer) for node in message.nodes)

    def _take(self, node: Node) -> None:
        if isinstance(node, Answer):
            self._take_answer(node)
            return
        if node.prefix not in self._split:
            raise DecodeError("ranges: nobody asked about this range")
        self._split.discard(node.prefix)
        if isinstance(node, Listing):
            self._take_listing(node)
        else:
            self._take_split(node)

    def _take_split(self, node: Split) -> None:
        start, end = self._bounds(node.prefix)
        if end - start <= MAX_LISTED:
            self._to_send.append(node.prefix)
            return
        for nibble, (theirs, ours) in enumerate(
            zip(node.fingerprints, self._fingerprints(node.prefix), strict=True)
        ):
            if theirs != ours:
                self._to_send.append(node.prefix + bytes((nibble,)))

    def _take_listing(self, node: Listing) -> None:
        start, end = self._bounds(node.prefix)
        listed = {state.log: state for state in node.states}
        differing: list[int] = []
        for at in range(start, end):
            theirs = listed.get(self._logs[at])
            if theirs is None or theirs.check != self._fingerprint(at, at + 1):
                differing.append(at)
                self._differs(self._logs[at], self._states[at], theirs)
        lacks = 0
        for place, state in enumerate(node.states):
            if self._find(state.log) is None:
                lacks |= 1 << place
                self._differs(state.log, None, state)
        self._to_send.append(_Pending(node.prefix, lacks, differing))

    def _take_answer(self, node: Answer) -> None:
        before = self._listed.get(node.prefix)
        if before is None:
            raise DecodeError("ranges: an answer about a range that was not listed")
        if before and (node.lacks or (node.states[:1] and node.states[0].log <= before)):
            raise DecodeError("ranges: an answer does not follow its part before")
        start, end = self._bounds(node.prefix)
        if node.lacks >> end - start:
            raise DecodeError("ranges: more logs are lacked than were listed")
        for at in range(start, end):
            if node.lacks >> at - start & 1:
                self._differs(self._logs[at], self._states[at], None)
        for theirs in node.states:
            at_ours = self._find(theirs.log)
            if at_ours is None:
                self._differs(theirs.log, None, theirs)
            elif theirs.check != self._fingerprint(at_ours, at_ours + 1):
                self._differs(theirs.log, self._states[at_ours], theirs)
        if node.last:
            del self._listed[node.prefix]
        else:
            self._listed[node.prefix] = node.states[-1].log

    def _differs(self, log: bytes, ours: LogState | None, theirs: ToldState | None) -> None:
        if ours is None and log not in self._found:
            self._most_unknown -= 1
            if self._most_unknown < 0:
                raise DecodeError("ranges: more unknown logs than this side wants to hear of")
        self._found[log] = StateDifference(log, ours, theirs)

    def _message(self, salt: bytes) -> RangeMessage:
        """Put as much into a message as fits; the rest stays for the next."""
        room = MAX_RANGES_BYTES - NODE_BYTES
        nodes: list[Node] = []
        while self._to_send and len(nodes) < MAX_NODES and room >= _LEAST_ROOM:
            item = self._to_send.popleft()
            node: Node
            if isinstance(item, bytes):
                node = self._question(item)
            else:
                node = part = self._part(item, room)
                if not part.last:
                    self._to_send.appendleft(item)
                    room = 0  # one part of an answer to a message
            nodes.append(node)
            room -= (
                NODE_BYTES
                + len(node.prefix)
                + (
                    BRANCHES * FINGERPRINT_BYTES
                    if isinstance(node, Split)
                    else STATE_BYTES * len(node.states)
                )
            )
        nodes.sort(key=lambda node: node.prefix)
        return RangeMessage(salt, bool(self._to_send), tuple(nodes))

    def _question(self, prefix: bytes) -> Split | Listing:
        start, end = self._bounds(prefix)
        if end - start > MAX_LISTED:
            self._split.add(prefix)  # whole, if the other side has little of it
            self._split.update(prefix + bytes((nibble,)) for nibble in range(BRANCHES))
            return Split(prefix, self._fingerprints(prefix))
        self._listed[prefix] = b""
        return Listing(prefix, self._told(range(start, end)))

    def _part(self, answer: _Pending, room: int) -> Answer:
        space = room - NODE_BYTES - MAX_PREFIX_NIBBLES
        count = min(MAX_ANSWERED, space // STATE_BYTES)
        rows, answer.rows = answer.rows[:count], answer.rows[count:]
        lacks, answer.lacks = answer.lacks, 0
        return Answer(answer.prefix, lacks, not answer.rows, self._told(rows))

    def _told(self, rows: Iterable[int]) -> tuple[ToldState, ...]:
        return tuple(
            ToldState(log, not entry_id, seq, self._fingerprint(at, at + 1))
            for at in rows
            for log, seq, entry_id in (self._states[at],)
        )

    def _fingerprints(self, prefix: bytes) -> tuple[bytes, ...]:
        parts = (self._bounds(prefix + bytes((nibble,))) for nibble in range(BRANCHES))
        return tuple(self._fingerprint(start, end) for start, end in parts)

    def _fingerprint(self, start: int, end: int) -> bytes:
        data = b"".join(self._packed[start:end])
        key, size = self._key, FINGERPRINT_BYTES
        return blake2b(data, digest_size=size, key=key, person=PERSON_RANGE).digest()

    def _bounds(self, prefix: bytes) -> tuple[int, int]:
        """Return where the logs of a range begin and end."""
        digits = nibbles_text(prefix)
        lowest, highest = (bytes.fromhex(digits.ljust(MAX_PREFIX_NIBBLES, digit)) for digit in "0f")
        return bisect_left(self._logs, lowest), bisect_right(self._logs, highest)

    def _find(self, log: bytes) -> int | None:
        at = bisect_left(self._logs, log)
        return at if at < len(self._logs) and self._logs[at] == log else None


_LEAST_ROOM: Final = NODE_BYTES + MAX_PREFIX_NIBBLES + MAX_LISTED * STATE_BYTES


def _canonical(state: LogState) -> bytes:
    if state.id:
        return log_state(state.log, state.seq, state.id)
    return frozen_log_state(state.log, state.seq)
