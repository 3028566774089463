"""What can happen to the homes of one person, and what must hold then, with everybody they meet."""

from __future__ import annotations

import copy
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Final

from slowlight.node.beginning import begin
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.key_operations import (
    PLAN_ACCEPT,
    PLAN_REVOCATION,
    PLAN_ROTATION,
    PlanAcceptRequest,
    PlanRevocationRequest,
    PlanRotationRequest,
    RecordPlan,
)
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.simulations.pair import Pair
from slowlight.store.memory import MemoryStore
from slowlight.sync.offers import Offers
from tests.machines import Backup, Births, CrashingStore, Machine, Owner, Place, PowerLossError
from tests.nodes import StoodClock
from tests.people import Person

MOST_MACHINES: Final = 5
PEERS: Final = 2
MOST_ROUNDS: Final = 6
"""After so many rounds all agree; each may bring a device the news that it was forgotten, so that
it readmits itself in the next."""


@dataclass
class World:
    """All homes of one person, and everybody who hears of them."""

    path: Path
    births: Births
    happened: Counter[str] = field(default_factory=Counter[str])
    """How often what came to pass, over all worlds."""

    def __post_init__(self) -> None:
        self.owner = Owner(bytes(32), StoodClock(), random.Random(1).randbytes)
        self.identity = self.owner.identity
        self.machines: list[Machine] = []
        self.promised: dict[bytes, Machine] = {}
        """Posts that were acknowledged, and which home has to have them: not those that a person
        took out of it by putting an older one back."""
        self.sent: dict[bytes, set[int]] = {}
        """Acknowledged posts, and the peers that have had them."""
        self._homes = 0
        self.begin(label="first")
        self.peers = [self._peer(number) for number in range(PEERS)]

    def _new_path(self) -> Path:
        self._homes += 1
        return self.path / str(self._homes)

    def _peer(self, number: int) -> Place:
        owner = Person(number)
        store = MemoryStore(owner.identity[:8])
        store.ingest([owner.verified_ident()], received_ms=self.owner.clock(), via="own")
        return Place(store, owner.identity, owner.device, self.everything, Offers(store))

    @property
    def everything(self) -> Roster:
        """A wish for all that the person writes."""
        channels = (CHANNEL_IDENTITY, CHANNEL_POSTS)
        return Roster(RosterRow(self.identity, one, Depth.EVERYTHING, 0) for one in channels)

    # What happens

    def begin(self, *, label: str = "") -> Machine:
        """Begin a home: of a new identity, or from its words with a new device."""
        home = Home(self._new_path(), machine=lambda: "m0")
        store = CrashingStore(self.owner.random_bytes(8))
        known = max((machine.epoch for machine in self.machines), default=0)
        done = begin(
            home,
            label=label,
            root_seed=self.owner.root_seed,
            restored_epoch=known if self.machines else None,
            clock=self.owner.clock,
            random_bytes=self.owner.random_bytes,
            open_store=lambda _home: store,
        )
        assert bytes.fromhex(done.person.identity) == self.identity
        self.machines.append(Machine(home, store, self.owner))
        return self.machines[-1]

    def post(self, machine: Machine) -> bool:
        """Post; return whether it was acknowledged."""
        try:
            post = machine.post()
        except ServiceError as error:
            if error.code not in (Code.INTEGRITY, Code.LOCKED):
                raise
            self.happened["refused"] += 1
            return False
        assert post not in self.promised
        self.promised[post] = machine
        self.happened["posted"] += 1
        return True

    def post_and_die(self, machine: Machine, *, committed: bool) -> None:
        """Lose power between signature and commit, or between commit and answer."""
        machine.store.dies = committed
        try:
            machine.post()
        except PowerLossError:
            self.happened["died"] += 1
        except ServiceError:
            self.happened["refused"] += 1
        machine.start()

    def meet(self, machine: Machine, other: Machine | int, *, cut_after: int | None = None) -> bool:
        """Let a home exchange with a peer or another home; return whether it came to its end."""
        both = [machine] if isinstance(other, int) else [machine, other]
        if not all(each.may_send() for each in both):
            self.happened["silent"] += 1
            return False
        there = self.peers[other] if isinstance(other, int) else other.place()
        done = self._exchange(machine.place(), there, cut_after)
        for each in both:
            if cut_after is not None:  # the power went with the link
                each.start()
            elif each.service.may_readmit:
                self._readmit(each)
        self._note_sent()
        return done

    def _exchange(self, one: Place, two: Place, cut_after: int | None = None) -> bool:
        sessions = (one.session(two, initiator=True), two.session(one, initiator=False))
        pair = Pair(*sessions, now_ms=self.owner.clock())
        if cut_after is None:
            pair.ends[0].finish()
        return pair.talk(cut_after=cut_after)

    def _readmit(self, machine: Machine) -> None:
        try:
            self.happened["readmitted"] += machine.service.readmit()
        except ServiceError:
            self.happened["refused"] += 1

    def _note_sent(self) -> None:
        for number, peer in enumerate(self.peers):
            for post in self.promised:
                if peer.store.entry(post) is not None:
                    self.sent.setdefault(post, set()).add(number)

    def back_up(self, machine: Machine) -> None:
        """Put a copy of a home aside."""
        folder = self._new_path()
        shutil.copytree(machine.home.path, folder)
        machine.backup = Backup(copy.deepcopy(machine.store), folder)

    def put_back(self, machine: Machine, *, whole: bool) -> None:
        """Put the whole home back, or its database alone; where there is no backup, make one."""
        if machine.backup is None:
            self.back_up(machine)
            return
        if whole:
            shutil.rmtree(machine.home.path)
            shutil.copytree(machine.backup.folder, machine.home.path)
            self._born_again(machine.home)
        machine.store = copy.deepcopy(machine.backup.store)
        lost = [
            post
            for post, owner in self.promised.items()
            if owner is machine and machine.store.entry(post) is None
        ]
        for post in lost:
            del self.promised[post]
        self.happened["put back"] += 1
        machine.start()

    def clone(self, machine: Machine, name: str) -> None:
        """Copy a home, to this machine or another one."""
        if len(self.machines) >= MOST_MACHINES:
            return
        home = Home(self._new_path(), machine=lambda: name)
        shutil.copytree(machine.home.path, home.path)
        self._born_again(home)
        self.happened["cloned"] += 1
        self.machines.append(Machine(home, copy.deepcopy(machine.store), self.owner))

    def move(self, machine: Machine, name: str) -> None:
        """Move a home, to another path or another machine."""
        home = replace(machine.home, path=self._new_path(), machine=lambda: name)
        machine.home.path.rename(home.path)
        if name == machine.home.machine():
            if home.witness.exists():
                self.births.keep(machine.home.witness, home.witness)
        else:
            self._born_again(home)
        machine.home = home
        machine.start()

    def _born_again(self, home: Home) -> None:
        if home.witness.exists():
            self.births.make(home.witness)

    def heal(self, machine: Machine) -> None:
        """Do what a home that must not sign says: begin a new device from the words."""
        if machine.pen.objection is not None and len(self.machines) < MOST_MACHINES:
            self.happened["healed"] += 1
            self.begin(label=f"healed {len(self.machines)}")

    def revoke(self, machine: Machine, other: Machine) -> None:
        """Close a device."""
        request = PlanRevocationRequest(device=other.device.hex())
        self._enact("revoked", machine, lambda: machine.service.call(PLAN_REVOCATION, request))

    def rotate(self, machine: Machine, left_out: Machine | None) -> None:
        """Take the next root key, and perhaps forget a device."""
        leave_out = () if left_out is None else (left_out.device.hex(),)
        request = PlanRotationRequest(leave_out=leave_out)
        self._enact("rotated", machine, lambda: machine.service.call(PLAN_ROTATION, request))

    def accept(self, machine: Machine, other: Machine) -> None:
        """Readmit a device that a rotation forgot."""
        request = PlanAcceptRequest(device=other.device.hex())
        self._enact("accepted", machine, lambda: machine.service.call(PLAN_ACCEPT, request))

    def _enact(self, what: str, machine: Machine, plan: Callable[[], RecordPlan]) -> None:
        try:
            machine.enact(plan())
        except ServiceError as error:
            if error.code not in (Code.INTEGRITY, Code.INVALID, Code.NOT_FOUND):
                raise
            self.happened["refused"] += 1
        else:
            self.happened[what] += 1

    # What must hold

    def check_no_fork(self) -> None:
        """Nobody knows of two entries with one number."""
        for store in (*(each.store for each in self.machines), *(p.store for p in self.peers)):
            assert store.forked_logs() == []

    def check_nothing_lost(self) -> None:
        """What a home acknowledged is in it, as long as nobody put an older one there."""
        for post, machine in self.promised.items():
            assert machine.store.entry(post) is not None, "an acknowledged post is lost"

    def settle(self) -> None:
        """Let everybody who may send meet a peer, and the peers each other, until all agree."""
        for _ in range(MOST_ROUNDS):
            for machine in self.machines:
                self.meet(machine, 0)
            for one, two in combinations(self.peers, 2):
                self._exchange(one, two)
            if self._agreed():
                break
        self._note_sent()

    def _agreed(self) -> bool:
        stores = [peer.store for peer in self.peers]
        stores += [machine.store for machine in self.machines if machine.may_send()]
        states = [sorted(store.states(self.everything)) for store in stores]
        return all(each == states[0] for each in states)

    def check_agreement(self) -> None:
        """Everyone tells the same, and has what anyone had who is no home of the person."""
        assert self._agreed(), f"no agreement after {MOST_ROUNDS} rounds"
        for post, numbers in self.sent.items():
            for peer in self.peers:
                held = peer.store.entry(post)
                assert held is not None or self._is_void(post, numbers), "a peer lacks a post"

    def _is_void(self, post: bytes, numbers: set[int]) -> bool:
        """Say whether a post counts for nothing where it is held."""
        for number in numbers:
            store = self.peers[number].store
            held = store.entry(post)
            ending = None if held is None else store.ending(held.log)
            if held is not None and (ending is None or held.entry.seq <= ending.seq):
                return False
        return True

    def check_words_bring_it_back(self) -> None:
        """A new device from the words is heard by everybody, whatever happened before."""
        machine = self.begin(label="last")
        for _ in range(2):  # the first time it may hear that a rotation forgot it
            assert self.meet(machine, 0)
        assert self.post(machine), "a new device from the words cannot write"
        assert self.meet(machine, 0)
        self._exchange(self.peers[0], self.peers[1])
        newest = next(post for post, owner in reversed(self.promised.items()) if owner is machine)
        for peer in self.peers:
            held = peer.store.entry(newest)
            assert held is not None
            assert peer.store.ending(held.log) is None
