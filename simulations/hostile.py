"""What hostile nodes of a world do to the messages that they send."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ..protocol.frames import Frame, RunFrame, UnknownFrame, decode_frames, encode_frame
from ..protocol.run import decode_run
from .contact import Tamper

FLOOD_COPIES: Final = 20
"""How often a flooder says everything."""


def forger(chance: random.Random) -> Tamper:
    """Change a byte of what others wrote in every run."""

    def tamper(message: bytes) -> list[bytes]:
        return [_rewritten(message, lambda data: _flipped(data, chance))]

    return tamper


def withholder(chance: random.Random, part: float) -> Tamper:
    """Leave out a part (0..1) of all runs, and say that nothing more is held."""

    def tamper(message: bytes) -> list[bytes]:
        kept = _rewritten(message, lambda data: None if chance.random() < part else data)
        return [kept] if kept else []

    return tamper


def flooder() -> Tamper:
    """Send every run again and again."""

    def tamper(message: bytes) -> list[bytes]:
        runs = [frame for frame in decode_frames(message) if isinstance(frame, RunFrame)]
        return [message, *(encode_frame(run) for run in runs for _ in range(FLOOD_COPIES))]

    return tamper


def stripper() -> Tamper:
    """Take the signatures off: nobody can prove what is left, unless the next entry is held."""

    def strip(data: bytes) -> bytes:
        return replace(decode_run(data), signature=None, last_id=None).encode()

    return lambda message: [_rewritten(message, strip)]


def _rewritten(message: bytes, change: Callable[[bytes], bytes | None]) -> bytes:
    """Change the bodies of runs; None leaves one out."""
    kept: list[bytes] = []
    for frame in decode_frames(message):
        changed: Frame | UnknownFrame | None = frame
        if isinstance(frame, RunFrame):
            data = change(frame.data)
            changed = None if data is None else RunFrame(data)
        if changed is not None and not isinstance(changed, UnknownFrame):
            kept.append(encode_frame(changed))
    return b"".join(kept)


def _flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
