"""Edits in a store in memory: which version of a post is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .base import HeldEntry, LogKey
from .derived import word_rank
from .memory_log import MemoryLog


class MemoryEdits:
    """Edits that are held with their payload, by the id of the first version."""

    def __init__(self) -> None:
        self._of: Final[dict[bytes, dict[tuple[LogKey, int], HeldEntry]]] = {}
        self._target: Final[dict[tuple[LogKey, int], bytes]] = {}
        self._void: Final[set[tuple[LogKey, int]]] = set()

    def add(self, target: bytes, held: HeldEntry) -> None:
        """Take up an edit."""
        place = held.log, held.entry.seq
        self._of.setdefault(target, {})[place] = held
        self._target[place] = target

    def forget(self, key: LogKey, seq: int) -> None:
        """The payload of an entry goes, which may have been an edit."""
        target = self._target.pop((key, seq), None)
        if target is not None:
            del self._of[target][key, seq]

    def count(self, log: MemoryLog, seqs: Iterable[int], *, stand: bool) -> None:
        """Edits among these entries stand, or are void and fall away."""
        places = {(log.key, seq) for seq in seqs}
        if stand:
            self._void.difference_update(places)
        else:
            self._void.update(places & self._target.keys())

    def places(self, target: bytes, identity: bytes) -> list[tuple[LogKey, int]]:
        """Return where the edits of a post by an identity stand, void ones too."""
        edits = self._of.get(target, {})
        return [place for place, held in edits.items() if held.identity == identity]

    def versions(self, post: HeldEntry) -> list[HeldEntry]:
        """Return a post and its edits that count, the latest last."""
        edits = (
            held
            for place, held in self._of.get(post.entry.id, {}).items()
            if held.identity == post.identity and place not in self._void
        )
        return [post, *sorted(edits, key=lambda held: word_rank(held.entry))]

    def latest(self, post: HeldEntry) -> HeldEntry | None:
        """Return the edit that is shown in the place of a post; None if there is none."""
        if not self._of.get(post.entry.id):
            return None
        versions = self.versions(post)
        return versions[-1] if len(versions) > 1 else None
