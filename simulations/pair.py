"""Two sessions joined by an instant link that counts every byte and can be cut."""

from __future__ import annotations

from typing import Final

from ..protocol.frames import Frame, UnknownFrame, decode_frames
from ..sync.session import Session

MESSAGE_OVERHEAD_BYTES: Final = 18
"""What a Noise stream adds to a message: two bytes of length, sixteen of tag."""

MAX_STEPS: Final = 100_000
"""A conversation ends long before; one that does not has stalled."""


class StalledError(AssertionError):
    """Two sessions went on for ever."""


class Pair:
    """Carries messages between two sessions until both are silent."""

    def __init__(self, dialler: Session, answerer: Session, *, now_ms: int) -> None:
        self.now_ms = now_ms
        self.ends: Final = (dialler, answerer)
        self.bytes: Final = [0, 0]
        """Bytes that each end sent, the link's framing counted."""
        self.messages: Final = [0, 0]
        self.frames: Final[list[tuple[int, Frame | UnknownFrame]]] = []
        """Every frame with the end that sent it: 0 dialled, 1 answered."""
        for session in self.ends:
            session.start()

    @property
    def total_bytes(self) -> int:
        """Bytes of both directions."""
        return sum(self.bytes)

    def frames_of(self, kind: type[Frame]) -> list[Frame | UnknownFrame]:
        """Return the frames of one kind that went either way."""
        return [frame for _, frame in self.frames if isinstance(frame, kind)]

    def talk(self, *, cut_after: int | None = None, batch: int = 1) -> bool:
        """Carry messages until both ends are silent, or until the link is cut.

        Args:
            cut_after: messages that still arrive, both ways together; None: all.
            batch: messages that arrive before the receiver commits.

        Returns:
            Whether the ends fell silent by themselves.

        Raises:
            StalledError: they never did.
        """
        left = cut_after
        for _ in range(MAX_STEPS):
            moved = 0
            for sender in (0, 1):
                carried = self._carry(sender, batch, left)
                if carried is None:
                    return False
                moved += carried
                left = None if left is None else left - carried
            if not moved:
                return True
        raise StalledError("two sessions never fell silent")

    def _carry(self, sender: int, batch: int, left: int | None) -> int | None:
        """Carry up to ``batch`` messages one way; None if the link was cut."""
        receiver, carried = self.ends[1 - sender], 0
        while carried < batch and (message := self.ends[sender].next_message(self.now_ms)):
            if left is not None and carried >= left:
                for end in self.ends:
                    end.link_lost()
                return None
            self.bytes[sender] += len(message) + MESSAGE_OVERHEAD_BYTES
            self.messages[sender] += 1
            self.frames.extend((sender, frame) for frame in decode_frames(message))
            receiver.receive(message)
            carried += 1
        if carried:
            receiver.commit(self.now_ms)
        return carried
