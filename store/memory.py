"""A store in memory: for simulations of many nodes, and for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final, TypeVar

from ..protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    EMPTY_LOG,
    MAX_SEEN,
    Entry,
    LogHead,
)
from ..protocol.fork import ForkProof
from ..protocol.frames import LogState, WantRange
from ..protocol.ident import CertifiedDevice, Ident, VerifiedIdent, records_id
from ..protocol.roster import Roster
from ..protocol.run import Run
from ..protocol.standing import Standing
from .base import (
    MAX_CLIENT_KEYS,
    MAX_PEER_MEMORIES,
    NO_MEMORY,
    NOTHING_DELIVERED,
    OWN,
    Arrived,
    Delivered,
    Device,
    FileState,
    Follow,
    ForkedLog,
    HeldEntry,
    Identity,
    Ingested,
    Interval,
    Item,
    LogEnding,
    LogKey,
    Outcome,
    PageMark,
    Peer,
    PeerMemory,
    SearchResult,
    Share,
    StoreError,
    TimelinePost,
    Totals,
)
from .branches import grouped
from .derived import links_of_post
from .eviction import make_room, want_again
from .forks import below_freeze, widened
from .ingest import (
    RefusedError,
    answer_to_ident,
    require_room_for_log,
    require_same_first_entry,
)
from .intervals import missing
from .marks import Mark
from .memory_arrivals import MemoryArrivals
from .memory_bodies import MemoryBodies
from .memory_branches import unsettled
from .memory_edits import MemoryEdits
from .memory_forks import MemoryForks
from .memory_log import Arrival, MemoryLog, Taken
from .memory_people import MemoryPerson, Words, words_of
from .memory_posts import MemoryPosts
from .memory_room import MemoryRoom
from .quota import Limits, distances
from .scrub import ScrubSlice
from .serving import within
from .standings import (
    KindedRecord,
    RememberedChecks,
    ending_of,
    floor_of,
    record_said,
    require_room_beside,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_ID_BITS: Final = 64
"""Bits of an id that a short id may name; the longest names 60."""


class MemoryStore:
    """Everything that a node remembers, until the process ends. Keeps `NodeStore`.

    Entries and their payloads are shared with whoever handed them over.
    """

    def __init__(self, nonce: bytes) -> None:
        """Begin empty; ``nonce`` is 8 random bytes that no other store has."""
        self._nonce: Final = nonce
        self._change_counter = 0
        self._check: Final = RememberedChecks()
        self._people: Final[dict[bytes, MemoryPerson]] = {}
        self._identity_of: Final[dict[bytes, bytes]] = {}
        self._logs: Final[dict[LogKey, MemoryLog]] = {}
        """By the change of their newest entry, the one that changed last at the end."""
        self._log_counts: Final[Counter[bytes]] = Counter()
        """How many logs each device has."""
        self._gappy: Final[dict[LogKey, MemoryLog]] = {}
        self._key_of: Final[dict[bytes, LogKey]] = {}
        self._place_of: Final[dict[bytes, tuple[MemoryLog, int]]] = {}
        self._arrivals: Final = MemoryArrivals()
        edits = MemoryEdits()
        self._posts: Final = MemoryPosts(edits)
        self._edits: Final = edits
        self._bodies: Final = MemoryBodies(self._logs, self._people, self._posts, edits)
        self._room: Final = MemoryRoom(
            self._logs,
            self._people,
            self._bodies,
            removed=self._remove,
            forget=self._forget_person,
        )
        self._forgotten_at = 0
        self._client_keys: Final[dict[str, bytes]] = {}
        self._own_devices: Final[set[bytes]] = set()
        self._written_elsewhere: Final[set[bytes]] = set()
        self._forks: Final = MemoryForks()
        self._shown: Final[dict[LogKey, int]] = {}
        self._petnames: Final[dict[bytes, str]] = {}
        self._peers: Final[dict[bytes, Peer]] = {}
        self._invites: Final[dict[bytes, int]] = {}
        self._settings: Final[dict[str, str]] = {}
        self._peer_memories: Final[dict[bytes, PeerMemory]] = {}
        self._delivered: Final[dict[bytes, Delivered]] = {}
        self._rosters: Final[dict[bytes, Roster]] = {}

    # What follows keeps the order of `NodeStore`, where everything is described.

    @property
    def nonce(self) -> bytes:
        return self._nonce

    @property
    def change_counter(self) -> int:
        return self._change_counter

    @property
    def last_arrival(self) -> int:
        return self._arrivals.last

    def ingest(self, batch: Sequence[Item], *, received_ms: int, via: str) -> list[Ingested]:
        arrival = Arrival(received_ms, via)
        commit = _Commit()
        answers: list[Ingested] = []
        for item in batch:
            try:
                if isinstance(item, ForkProof):
                    answers.append(self._take_proof(item, arrival, commit))
                elif isinstance(item, Run):
                    answers.append(self._take_run(item, arrival, commit))
                else:
                    answers.append(self._take_ident(item, arrival, commit))
            except RefusedError as refused:
                answers.append(refused.answer)
        self._finish(commit, received_ms)
        return answers

    def ident(self, identity: bytes) -> Ident | None:
        person = self._people.get(identity)
        return person.ident(self._check) if person else None

    @property
    def forgotten_at(self) -> int:
        return self._forgotten_at

    def floor(self, key: LogKey) -> int:
        log = self._logs.get(key)
        return floor_of(log.floor, log.ending) if log else 0

    def standing(self, identity: bytes) -> Standing | None:
        person = self._people.get(identity)
        return person.stand(self._check) if person else None

    def ending(self, key: LogKey) -> LogEnding | None:
        log = self._logs.get(key)
        return log.ending if log else None

    def identity_of(self, device: bytes) -> bytes | None:
        return self._identity_of.get(device)

    def log_key(self, log: bytes) -> LogKey | None:
        return self._key_of.get(log)

    def head(self, key: LogKey) -> LogHead:
        log = self._logs.get(key)
        return log.head if log else EMPTY_LOG

    def logs_of(self, device: bytes) -> list[tuple[int, LogHead]]:
        return sorted(
            (key.channel, log.head)
            for key, log in self._logs.items()
            if key.device == device and log.intervals
        )

    def id_at(self, key: LogKey, seq: int) -> bytes | None:
        held = self._logs[key].entries.get(seq) if key in self._logs else None
        return held.entry.id if held else None

    def held(self, key: LogKey) -> list[Interval]:
        log = self._logs.get(key)
        return [Interval(each.first, each.last) for each in log.intervals] if log else []

    def states(self, roster: Roster, *, since: int = 0) -> Iterator[LogState]:
        wanted: list[LogState] = []
        for log in reversed(self._logs.values()):
            if log.changed <= since:
                break
            newest = log.newest_standing
            if not roster.wants(log.identity, log.key.channel):
                continue
            if log.fork and log.ending is None:
                wanted.append(LogState(log.log, log.fork.frozen_from, b""))
            elif newest is not None:
                wanted.append(LogState(log.log, newest.seq, newest.id))
        for identity, person in self._people.items():
            if person.changed > since and roster.wants(identity, CHANNEL_IDENTITY):
                named = records_id(record.hash for _, record in person.records)
                wanted.append(LogState(identity, 0, named))
        return iter(wanted)

    def gone(self, roster: Roster, *, since: int) -> Iterator[bytes]:
        found: list[bytes] = []
        for log in reversed(self._logs.values()):
            if log.changed <= since:
                break
            if log.fork and log.ending is None:
                continue
            if log.newest_standing is None and roster.wants(log.identity, log.key.channel):
                found.append(log.log)
        return iter(found)

    def read_run(
        self, key: LogKey, first: int, last: int, *, end_known: bool, max_bytes: int, now_ms: int
    ) -> Run | None:
        log = self._logs.get(key)
        if log is None:
            return None
        return log.read_run(first, last, end_known=end_known, max_bytes=max_bytes, now_ms=now_ms)

    def holes(self, roster: Roster) -> Iterator[WantRange]:
        wanted: list[WantRange] = []
        for log in self._gappy.values():
            if roster.wants(log.identity, log.key.channel):
                prevs = {each.first: each.prev for each in log.intervals}
                is_frozen = log.fork and log.ending is None
                frozen_from = log.fork.frozen_from if log.fork and is_frozen else None
                floor = floor_of(log.floor, log.ending)
                for first, last in missing(floor, log.head.seq, log.intervals):
                    hole = WantRange(log.log, first, last, prevs[last + 1])
                    hole = widened(hole, floor) if log.fork and not is_frozen else hole
                    for below in below_freeze(hole, frozen_from):
                        wanted += within(below, log.ending)
        for log in self._forks:
            if roster.wants(log.identity, log.key.channel):
                wanted += self._forks.wants(log)
        return chain(wanted, self._bodies.holes(roster))

    def fork(self, key: LogKey) -> ForkProof | None:
        log = self._logs.get(key)
        return log.fork.proof if log and log.fork else None

    def forks(self, roster: Roster, *, since: int = 0) -> Iterator[ForkProof]:
        for log in self._forks:
            if (
                log.fork
                and log.fork_changed > since
                and roster.wants(log.identity, log.key.channel)
            ):
                yield log.fork.proof

    def read_branch(
        self, key: LogKey, first: int, last: int, end_id: bytes, *, max_bytes: int, now_ms: int
    ) -> Run | None:
        log = self._logs.get(key)
        if log is None or log.fork is None:
            return None
        return log.fork.read_run(key, first, last, end_id, max_bytes=max_bytes, now_ms=now_ms)

    def written_ms(self, key: LogKey, seq: int) -> int:
        log = self._logs.get(key)
        return log.written_ms(seq) if log else 0

    def peer_memory(self, device: bytes) -> PeerMemory:
        return self._peer_memories.get(device, NO_MEMORY)

    def remember_peer(self, device: bytes, memory: PeerMemory) -> None:
        _put_newest(self._peer_memories, device, memory, MAX_PEER_MEMORIES)

    def delivered(self, device: bytes) -> Delivered:
        return self._delivered.get(device, NOTHING_DELIVERED)

    def remember_delivered(self, device: bytes, delivered: Delivered) -> None:
        _put_newest(self._delivered, device, delivered, MAX_PEER_MEMORIES)

    def roster(self, name: bytes) -> Roster | None:
        return next((self._rosters[each] for each in self._rosters if each.startswith(name)), None)

    def keep_roster(self, roster: Roster) -> None:
        used = {memory.roster for memory in self._peer_memories.values()}
        for unused in [each for each in self._rosters if each not in used]:
            del self._rosters[unused]
        self._rosters[roster.hash] = roster

    def append(
        self,
        key: LogKey,
        entries: Sequence[tuple[Entry, bytes]],
        *,
        received_ms: int,
        client_key: str = "",
    ) -> None:
        identity = self._identity_of.get(key.device)
        if identity is None:
            raise ValueError("an entry of a device without certificate")
        if client_key in self._client_keys:
            raise ValueError(f"client key {client_key!r} was used before")
        log = self._logs.get(key) or self._new_log(key, identity)
        taken = log.append(entries, Arrival(received_ms, OWN), self._bodies.without_marked)
        commit = _Commit()
        self._note(log, taken, commit, grew=True)
        self._finish(commit, received_ms)
        self._own_devices.add(key.device)
        if client_key:
            _put_newest(self._client_keys, client_key, entries[0][0].id, MAX_CLIENT_KEYS)

    def entry_of_client_key(self, client_key: str) -> bytes | None:
        return self._client_keys.get(client_key)

    def entry(self, entry_id: bytes) -> HeldEntry | None:
        place = self._place_of.get(entry_id)
        return place[0].marked(place[1]) if place else self._forks.entry(entry_id)

    def arrival_of(self, entry_id: bytes) -> int:
        place = self._place_of.get(entry_id)
        return self._arrivals.number_of(*place) if place else 0

    def arrived_since(self, arrival: int) -> list[Arrived]:
        return self._arrivals.since(arrival)

    def find_entries(self, bits: int, bit_count: int, limit: int) -> list[HeldEntry]:
        known = chain(self._place_of, self._forks.ids())
        found = (self.entry(each) for each in known if _begins(each, bits, bit_count))
        return [held for held in islice(found, limit) if held]

    def find_identities(self, bits: int, bit_count: int, limit: int) -> list[Identity]:
        found = (self.identity(each) for each in self._people if _begins(each, bits, bit_count))
        return [identity for identity in islice(found, limit) if identity]

    def timeline(
        self, *, before: PageMark | None = None, limit: int = 50, identity: bytes | None = None
    ) -> list[TimelinePost]:
        return self._posts.timeline(before=before, limit=limit, identity=identity)

    def arrived(self, *, after: int, limit: int) -> list[TimelinePost]:
        return self._posts.arrived(after=after, limit=limit)

    def newest_arrival(self) -> int:
        return self._posts.newest_arrival()

    def count_arrived(self, *, after: int, besides: bytes = b"") -> int:
        return self._posts.count_arrived(after=after, besides=besides)

    def versions(self, post_id: bytes) -> list[HeldEntry]:
        held = self.entry(post_id)
        if held is None or links_of_post(held.log.channel, held.entry.payload) is None:
            return []
        return self._edits.versions(held)

    def mark_of(self, key: LogKey, seq: int) -> Mark | None:
        return self._bodies.mark_of(key, seq)

    def expire(self, now_ms: int, *, limit: int = 1_000) -> int | None:
        return self._bodies.expire(now_ms, limit)

    def purge(self) -> bool:
        return False

    def purge_due(self) -> bool:
        return False

    def thread(self, root: bytes, *, limit: int) -> list[TimelinePost]:
        return self._posts.thread(root, limit=limit)

    def search(self, query: str, *, limit: int) -> SearchResult:
        return self._posts.search(query, limit=limit)

    def index_posts(self, limit: int) -> int:  # noqa: ARG002  every search reads the posts anew
        return 0

    def identity(self, identity: bytes) -> Identity | None:
        person = self._people.get(identity)
        if person is None:
            return None
        petname = self._petnames.get(identity, "")
        name = self._words(person).name
        return Identity(identity, person.inception.encode(), petname, name)

    def identities_named(self, name: str) -> list[Identity]:
        known = (self.identity(each) for each in self._people)
        return [each for each in known if each and name and (each.petname or each.name) == name]

    def devices(self, identity: bytes) -> list[Device]:
        person = self._people.get(identity)
        return list(person.devices.values()) if person else []

    def set_petname(self, identity: bytes, petname: str) -> None:
        if identity not in self._people:
            raise ValueError("nobody with this identity is known here")
        if not petname:
            self._petnames.pop(identity, None)
            return
        if any(used == petname and who != identity for who, used in self._petnames.items()):
            raise ValueError(f"somebody else is called {petname!r} here")
        self._petnames[identity] = petname

    def profile(self, identity: bytes) -> HeldEntry | None:
        person = self._people.get(identity)
        return self._words(person).profile if person else None

    def follows(self, identity: bytes) -> list[Follow]:
        person = self._people.get(identity)
        return list(self._words(person).follows) if person else []

    def followers(self, identity: bytes) -> list[bytes]:
        return sorted(
            each
            for each, person in self._people.items()
            if any(follow.identity == identity for follow in self._words(person).follows)
        )

    def note_shown(self, entry_ids: Iterable[bytes]) -> None:
        for entry_id in entry_ids:
            place = self._place_of.get(entry_id)
            if place and place[0].key.channel in (CHANNEL_IDENTITY, CHANNEL_POSTS):
                log, seq = place
                self._shown[log.key] = max(seq, self._shown.get(log.key, 0))

    def shown(self) -> list[HeldEntry]:
        foreign = (
            self._logs[key].marked(seq)
            for key, seq in self._shown.items()
            if key.device not in self._own_devices
        )
        return sorted(foreign, key=lambda held: held.entry.lamport, reverse=True)[:MAX_SEEN]

    def forget_shown(self) -> None:
        self._shown.clear()

    def forked_logs(self, identity: bytes | None = None) -> list[ForkedLog]:
        listed = self._forks.listed()
        return [each for each in listed if identity in (None, each.identity)]

    def written_elsewhere(self, device: bytes) -> bool:
        return device in self._written_elsewhere

    def peers(self) -> list[Peer]:
        return sorted(
            self._peers.values(), key=lambda peer: (peer.name, peer.identity, peer.device)
        )

    def peers_met(self) -> dict[bytes, tuple[PeerMemory, Delivered]]:
        return {
            device: (memory, self.delivered(device))
            for device, memory in self._peer_memories.items()
        }

    def put_peer(self, peer: Peer) -> None:
        self._peers[peer.device] = peer

    def remove_peer(self, device: bytes) -> bool:
        return self._peers.pop(device, None) is not None

    def add_invite(self, token_hash: bytes, expires_ms: int) -> None:
        self._invites[token_hash] = expires_ms

    def use_invite(self, token_hash: bytes, now_ms: int) -> bool:
        for expired in [each for each, end_ms in self._invites.items() if end_ms <= now_ms]:
            del self._invites[expired]
        return self._invites.pop(token_hash, None) is not None

    def setting(self, name: str) -> str:
        return self._settings.get(name, "")

    def put_setting(self, name: str, value: str) -> None:
        self._settings[name] = value

    def scrub(self, *, after: int, limit: int, now_ms: int, mend: bool = True) -> ScrubSlice:  # noqa: ARG002  no disk changes what is in memory
        held = sum(len(log.entries) for log in self._logs.values())
        return ScrubSlice(next=0, entries=held, damaged=0, mended=0, named=())

    def evict(self, own: bytes, limits: Limits, *, most: int) -> int:
        done, forgot = make_room(self._room, distances(self, own), limits, most)
        if forgot:
            self._change_counter += 1
            self._forgotten_at = self._change_counter
        return done

    def want_evicted(self, own: bytes, limits: Limits, *, most: int) -> int:
        evicted = self._room.people_evicted()
        return want_again(self._room, distances(self, own), limits, most, evicted)

    def shares(self) -> list[Share]:
        return sorted(self._room.shares(), key=lambda share: -share.bytes)

    def _remove(self, log: MemoryLog, seqs: Collection[int]) -> None:
        """Let nothing point at entries that are about to go."""
        self._posts.hide(log, seqs)
        self._bodies.remove(log, seqs)
        for seq in seqs:
            self._place_of.pop(log.entries[seq].entry.id, None)
        if self._shown.get(log.key) in set(seqs):
            del self._shown[log.key]

    def _forget_person(self, identity: bytes) -> int:
        person = self._people[identity]
        if (
            identity in self._petnames
            or not self._own_devices.isdisjoint(person.devices)
            or any(peer.identity == identity for peer in self._peers.values())
        ):
            return 0
        gone = sum(len(log.entries) for log in person.logs)
        for log in person.logs:
            self._remove(log, list(log.entries))
            self._bodies.forget(log.key)
            self._forks.forget(log)
            del self._logs[log.key], self._key_of[log.log]
            self._gappy.pop(log.key, None)
        for device in person.devices:
            del self._identity_of[device]
            self._log_counts.pop(device, None)
        del self._people[identity]
        return max(gone, 1)

    def has_lost_head(self, key: LogKey) -> bool:  # noqa: ARG002  no disk damages what is in memory
        return False

    def file_state(self) -> FileState:
        return FileState(0, 0, 0, 0, 0)

    def backup(self, path: Path) -> None:
        raise StoreError(f"{path}: a store in memory cannot be copied to a file")

    def totals(self) -> Totals:
        held = [each for log in self._logs.values() for each in log.entries.values()]
        return Totals(
            identities=len(self._people),
            logs=len(self._logs),
            entries=len(held),
            posts=len(self._posts),
            file_bytes=sum(each.entry.size for each in held if each.entry.payload is not None),
            search_behind=0,
            forks=len(self._forks.listed()),
        )

    def close(self) -> None:
        """Nothing is open; what is remembered stays as long as this object."""

    def logs(self) -> Iterable[MemoryLog]:
        """Return every log that is held, for those who look into a simulated node."""
        return self._logs.values()

    def _take_run(self, run: Run, arrival: Arrival, commit: _Commit) -> Ingested:
        key = LogKey(run.device, run.channel)
        identity = self._identity_of.get(run.device)
        if identity is None:
            raise RefusedError(Outcome.UNATTRIBUTED, "nobody vouches for its device here")
        log = self._logs.get(key)
        if log is None:
            require_room_for_log(self._log_counts[run.device])
            log = self._new_log(key, identity)
        if log.fork is not None:
            commit.unsettled[key] = log
            judged = self._judge_run(log, run, arrival, commit)
            if isinstance(judged, Ingested):
                return judged
            run = judged
        newest = log.head.seq
        vouched = log.fork.vouched if log.fork else None
        try:
            taken = log.take(run, arrival, self._bodies.without_marked, vouched)
        except RefusedError as refused:
            if refused.answer.outcome is not Outcome.CONFLICT or log.fork is not None:
                raise
            judged = self._judge_run(log, run, arrival, commit)
            if not isinstance(judged, Ingested):
                raise
            return judged
        if taken.new:
            self._note_elsewhere(key, arrival)
        self._note(log, taken, commit, grew=log.head.seq > newest)
        if not (taken.new or taken.filled):
            return Ingested(Outcome.DUPLICATE, 0, 0, "")
        entries = (log.entries[seq].entry for seq in taken.new)
        payloads = sum(entry.payload is not None for entry in entries) + len(taken.filled)
        return Ingested(Outcome.STORED, len(taken.new), payloads, "")

    def _judge_run(
        self, log: MemoryLog, run: Run, arrival: Arrival, commit: _Commit
    ) -> Ingested | Run:
        answer = self._forks.judge_run(log, run, arrival)
        if isinstance(answer, Ingested):
            self._note_fork(log, answer, arrival, commit)
        return answer

    def _take_proof(self, proof: ForkProof, arrival: Arrival, commit: _Commit) -> Ingested:
        key = LogKey(proof.device, proof.channel)
        identity = self._identity_of.get(proof.device)
        if identity is None:
            raise RefusedError(Outcome.UNATTRIBUTED, "nobody vouches for its device here")
        log = self._logs.get(key)
        if log is None:
            require_room_for_log(self._log_counts[proof.device])
            log = self._new_log(key, identity)
        answer = self._forks.judge_proof(log, proof, arrival)
        self._note_fork(log, answer, arrival, commit)
        return answer

    def _note_fork(
        self, log: MemoryLog, answer: Ingested, arrival: Arrival, commit: _Commit
    ) -> None:
        """Make known what became of a forked log."""
        self._know(log)
        commit.unsettled[log.key] = log
        if answer.outcome in (Outcome.FORKED, Outcome.STORED):
            self._note_elsewhere(log.key, arrival)
        if log.fork is not None and log.fork.proof_changed:
            commit.grown[log.key] = commit.forked[log.key] = log

    def _note_elsewhere(self, key: LogKey, arrival: Arrival) -> None:
        """Remember that somebody else signs with the key of a device that writes here."""
        if key.device in self._own_devices and arrival.via != OWN:
            self._written_elsewhere.add(key.device)

    def _take_ident(self, ident: VerifiedIdent, arrival: Arrival, commit: _Commit) -> Ingested:
        person = self._people.get(ident.identity) or MemoryPerson(ident.inception)
        standing = None
        if ident.records or person.records:
            brought = [device.record for device in ident.devices]
            standing = person.standing_with((*person.records, *ident.records), brought, self._check)
        refused: list[RefusedError] = []
        added = 0
        for certified in ident.devices:
            try:
                added += self._take_device(person, certified, standing, arrival, commit)
            except RefusedError as error:
                refused.append(error)
        changed = False
        if ident.identity in self._people and standing is not None:
            changed = self._settle(person, ident.records, commit)
        return answer_to_ident(added, changed, refused)

    def _new_log(self, key: LogKey, identity: bytes) -> MemoryLog:
        """Return a log of which nothing is held yet, with the end that it has."""
        log, person = MemoryLog(key, identity), self._people[identity]
        if person.records:
            log.ending = ending_of(person.stand(self._check), *key)
        return log

    def _take_device(
        self,
        person: MemoryPerson,
        certified: CertifiedDevice,
        standing: Standing | None,
        arrival: Arrival,
        commit: _Commit,
    ) -> bool:
        """Take up a device and its entry 0; return whether it is new."""
        identity, device = certified.certificate.identity, certified.certificate.device
        key = LogKey(device, CHANNEL_IDENTITY)
        if device in self._identity_of:
            held = self._logs[key].entries[0].entry
            require_same_first_entry(held.id, certified.first_entry.id)
            return False
        require_room_beside(standing, person.devices, device)
        signature = certified.run.signature
        if signature is None:
            raise ValueError("a verified entry 0 without its signature")
        self._people[identity] = person
        self._identity_of[device] = identity
        person.add_device(certified)
        if arrival.via == OWN:
            self._own_devices.add(device)
        log = MemoryLog(key, identity)
        taken = log.keep_first(certified.first_entry, signature, arrival)
        self._note(log, taken, commit, grew=True)
        commit.widened.add(identity)
        return True

    def _note(self, log: MemoryLog, taken: Taken, commit: _Commit, *, grew: bool) -> None:
        """Make what a log took findable, and leave the rest to the end of the batch."""
        self._know(log)
        for seq in taken.new:
            self._place_of[log.entries[seq].entry.id] = log, seq
        self._note_gaps(log)
        if log.key.channel == CHANNEL_IDENTITY:
            self._people[log.identity].words = None
            said = (record_said(log.entries[seq].entry) for seq in (*taken.new, *taken.filled))
            records = [record for record in said if record is not None]
            if records:
                commit.records.setdefault(log.identity, []).extend(records)
        commit.taken.extend((log, seq) for seq in sorted((*taken.new, *taken.filled)))
        commit.arrived.extend(
            (log, seq)
            for seq in sorted((*taken.new, *taken.filled))
            if log.entries[seq].entry.payload is not None
        )
        if grew or (taken.new and log.ending is not None):
            commit.grown[log.key] = log

    def _note_gaps(self, log: MemoryLog) -> None:
        if len(log.intervals) > 1 or (log.intervals and log.intervals[0].first):
            self._gappy[log.key] = log
        else:
            self._gappy.pop(log.key, None)

    def _know(self, log: MemoryLog) -> None:
        if log.key not in self._logs:
            self._logs[log.key] = log
            self._log_counts[log.key.device] += 1
            self._people[log.identity].logs.append(log)
        self._key_of[log.log] = log.key

    def _settle(
        self, person: MemoryPerson, records: Iterable[KindedRecord], commit: _Commit
    ) -> bool:
        """Let records take effect; return whether those that are kept changed."""
        changed, moved = person.settle(records, self._check)
        if changed:
            commit.people.append(person)
        for log, was, now in moved:
            commit.grown[log.key] = log
            if log.fork is None:
                commit.moved.append((log, was, now))
                continue
            # Which of its branches counts is settled when all has come.
            commit.moved.append((log, was, min(now, log.fork.frozen_from - 1)))
            commit.thawed[log.key] = log
        return changed

    def _finish(self, commit: _Commit, received_ms: int) -> None:
        self._posts.add(commit.arrived)
        for log, seq in commit.arrived:
            if not log.stands(seq):
                self._posts.hide(log, [seq])
        for identity, records in commit.records.items():
            self._settle(self._people[identity], records, commit)
        self._bodies.take(commit.taken, received_ms)
        self._arrivals.add(commit.taken)
        for log, was, now in commit.moved:
            between = sorted(seq for seq in log.entries if min(was, now) < seq <= max(was, now))
            if now < was:
                self._posts.hide(log, between)
                self._bodies.lift(log, between)
            else:
                self._posts.show(log, between)
                self._bodies.apply(log, between)
        for identity in commit.widened:
            self._bodies.carry_out_all(identity)
        for key, log in {**commit.unsettled, **commit.thawed}.items():
            if log.ending is not None or key in commit.thawed:
                self._settle_branches(log, commit, moved=key in commit.thawed)
        self._change_counter += bool(commit.grown or commit.people)
        for key, log in commit.grown.items():
            log.changed = self._change_counter
            self._logs[key] = self._logs.pop(key)
        for log in commit.forked.values():
            log.fork_changed = self._change_counter
        for person in commit.people:
            person.changed = self._change_counter

    def _settle_branches(self, log: MemoryLog, commit: _Commit, *, moved: bool) -> None:
        """Let the main branch of a forked log be the one that its end selects."""
        changes = unsettled(log)
        if changes is None or not (changes.aside or changes.joined or moved):
            return
        commit.grown[log.key] = log
        for kept in changes.gone:
            self._posts.hide(log, [kept.entry.seq])
            self._bodies.lift(log, [kept.entry.seq])
            self._edits.forget(log.key, kept.entry.seq)
            self._place_of.pop(kept.entry.id, None)
        for span in changes.aside:
            entries = [log.entries[seq].entry for seq in range(span.first, span.last + 1)]
            self._bodies.put_aside(log.key, entries)
            if span.first <= self._shown.get(log.key, -1) <= span.last:
                del self._shown[log.key]
            log.cut(*span)
        log.fork = changes.fork
        self._forks.note(log, changes.fork)
        for group in grouped(changes.joined):
            entries = self._bodies.without_marked(log.key, [kept.entry for kept in group])
            log.put_in(group, entries)
            places = [(log, entry.seq) for entry in entries]
            self._place_of.update((entry.id, (log, entry.seq)) for entry in entries)
            self._posts.add([place for place in places if log.has_payload(place[1])])
            self._posts.hide(log, [entry.seq for entry in entries if not log.stands(entry.seq)])
            self._bodies.take(places, group[0].received_ms)
        self._note_gaps(log)
        standing = [
            seq for seq in log.entries if changes.fork.frozen_from <= seq and log.stands(seq)
        ]
        self._posts.show(log, sorted(standing))
        self._bodies.apply(log, standing)
        self._people[log.identity].words = None

    def _words(self, person: MemoryPerson) -> Words:
        if person.words is None:
            logs = (self._logs[LogKey(device, CHANNEL_IDENTITY)] for device in person.devices)
            person.words = words_of(
                held for log in logs for seq, held in log.entries.items() if log.stands(seq)
            )
        return person.words


class _Commit:
    """What a batch changed and has yet to be made known."""

    __slots__ = (
        "arrived",
        "forked",
        "grown",
        "moved",
        "people",
        "records",
        "taken",
        "thawed",
        "unsettled",
        "widened",
    )

    def __init__(self) -> None:
        self.arrived: Final[list[tuple[MemoryLog, int]]] = []
        """Entries that came with their payload."""
        self.grown: Final[dict[LogKey, MemoryLog]] = {}
        """Logs whose newest entry that stands may be another one, or whose proof changed."""
        self.taken: Final[list[tuple[MemoryLog, int]]] = []
        """Entries that came, or whose payload did."""
        self.widened: Final[set[bytes]] = set()
        """Identities that have a new device."""
        self.forked: Final[dict[LogKey, MemoryLog]] = {}
        """Logs whose proof changed."""
        self.moved: Final[list[tuple[MemoryLog, int, int]]] = []
        """Logs whose end changed, with the last entry that could stand before and that can now."""
        self.unsettled: Final[dict[LogKey, MemoryLog]] = {}
        """Forked logs of which something came."""
        self.thawed: Final[dict[LogKey, MemoryLog]] = {}
        """Forked logs that end elsewhere now."""
        self.people: Final[list[MemoryPerson]] = []
        """Identities whose records changed."""
        self.records: Final[dict[bytes, list[KindedRecord]]] = {}
        """Records that entries brought, by the identity that wrote them."""


def _begins(full_id: bytes, bits: int, bit_count: int) -> bool:
    return int.from_bytes(full_id[:8], "big") >> (_ID_BITS - bit_count) == bits


def _put_newest(kept: dict[_Key, _Value], key: _Key, value: _Value, limit: int) -> None:
    """Put a value last and drop the first one beyond the limit."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > limit:
        del kept[next(iter(kept))]
