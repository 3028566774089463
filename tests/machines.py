"""Homes of one person on machines that crash: the node's own code, and what stands in for a disk.

Pen and witness work on files, and so do service, author and sessions as ever. Only the database is
in memory, where it can be copied as quickly as tests need, and files are born when the model says
so: a copy has another birth, and what is moved keeps its own.
"""

from __future__ import annotations

import copyreg
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from slowlight.node.clock import RandomBytes, WallClock
from slowlight.node.config import Config
from slowlight.node.direct import make_service
from slowlight.node.errors import ServiceError
from slowlight.node.home import Home
from slowlight.node.interest import roster_of
from slowlight.node.key_operations import ENACT, EnactRequest, RecordPlan
from slowlight.node.pen import Pen
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.root_signing import sign_plan
from slowlight.protocol.entry import Entry
from slowlight.protocol.identity import incept
from slowlight.protocol.roster import Roster
from slowlight.store.base import LogKey
from slowlight.store.memory import MemoryStore
from slowlight.sync.offers import Offers
from slowlight.sync.session import Session
from tests.nodes import RecordedLinks


def _remade(proxy: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return MappingProxyType, (dict(proxy),)


copyreg.pickle(MappingProxyType, _remade)  # so that a store can be copied like a file


class Births:
    """When each witness was born, in the place of a file system that tells."""

    def __init__(self) -> None:
        self._born: dict[str, int] = {}
        self._count = 0

    def birth_of(self, descriptor: int) -> str:
        """Return the birth of an open file; see `place.birth_of`."""
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if path.endswith(".new"):  # it is being written, and gets its name with this birth
            path = path.removesuffix(".new")
            self.make(Path(path))
        return f"born {self._born[path]}"

    def make(self, path: Path) -> None:
        """Let a file be born."""
        self._count += 1
        self._born[str(path)] = self._count

    def keep(self, old: Path, new: Path) -> None:
        """Let a file have a new path."""
        self._born[str(new)] = self._born[str(old)]


class PowerLossError(Exception):
    """The process is gone, in the middle of what it did."""


class CrashingStore(MemoryStore):
    """A database whose process can die at a commit."""

    dies: bool | None = None
    """Before the commit (False) or after it (True), at the next one; None: it lives."""

    def close(self) -> None:
        """Keep everything: the next life opens it again."""

    def append(
        self,
        key: LogKey,
        entries: Sequence[tuple[Entry, bytes]],
        *,
        received_ms: int,
        client_key: str = "",
    ) -> None:
        """Commit, if the process lives so long."""
        if self.dies is False:
            raise PowerLossError
        super().append(key, entries, received_ms=received_ms, client_key=client_key)
        if self.dies:
            raise PowerLossError


@dataclass(eq=False)
class Place:
    """A store, whose it is, and what it wants: one end of a session."""

    store: MemoryStore
    identity: bytes
    device: bytes
    wants: Roster
    offers: Offers

    def session(self, peer: Place, *, initiator: bool) -> Session:
        """Return a new session with another end."""
        return Session(
            self.store,
            roster=self.wants,
            identity=self.identity,
            peer_device=peer.device,
            peer_identity=peer.identity,
            offers=self.offers,
            salt=self.device[:8],
            initiator=initiator,
        )


@dataclass(frozen=True)
class Owner:
    """Whose the homes are, with the words."""

    root_seed: bytes
    clock: WallClock
    random_bytes: RandomBytes

    @property
    def identity(self) -> bytes:
        """The person's."""
        return incept(self.root_seed).identity


@dataclass
class Backup:
    """What a person put aside."""

    store: CrashingStore
    folder: Path


class Machine:
    """A home, and the process that has it open."""

    def __init__(self, home: Home, store: CrashingStore, owner: Owner) -> None:
        self.home = home
        self.store = store
        self.backup: Backup | None = None
        self._owner = owner
        self.start()

    def start(self) -> None:
        """Open the home: a new process, which looks at it once."""
        self.store.dies = None
        keys = self.home.keys.device_keys()
        self.device = keys.device
        self.pen = Pen(self.home, self.store, keys.device)
        self.service = make_service(
            self.home,
            Config(),
            self.store,
            keys,
            RecordedLinks(),
            clock=self._owner.clock,
            random_bytes=self._owner.random_bytes,
            may_sign=self.pen.require,
        )
        self._offers = Offers(self.store)

    def post(self) -> bytes:
        """Post; return the id that was acknowledged."""
        done = self.service.call(POST, PostRequest(text="anything"))
        return bytes.fromhex(done.post.id)

    def may_send(self) -> bool:
        """Note what was signed, and say whether anything may go out."""
        try:
            self.pen.before_sending()
        except ServiceError:
            return False
        return True

    def place(self) -> Place:
        """Return this end of a session."""
        identity = self._owner.identity
        wants = roster_of(self.store, identity)
        return Place(self.store, identity, self.device, wants, self._offers)

    def enact(self, plan: RecordPlan) -> None:
        """Sign a plan with the words, and let it take effect."""
        record = sign_plan(plan, self._owner.root_seed)
        self.service.call(ENACT, EnactRequest(records=(record,)))

    @property
    def epoch(self) -> int:
        """How many rotations it knows of."""
        standing = self.store.standing(self._owner.identity)
        assert standing is not None
        return standing.epoch
