"""What a node remembers: the interface that every store keeps.

Two stores keep it, one in SQLite and one in memory, and one set of contract tests holds both.
A store is used from one thread. Every call that changes something has committed when it
returns; a call that raises has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from ..protocol.entry import Entry, LogHead
from ..protocol.errors import SlowlightError
from ..protocol.fork import ForkProof
from ..protocol.frames import LogState, WantRange
from ..protocol.ident import Ident, VerifiedIdent
from ..protocol.roster import Roster
from ..protocol.run import Run
from ..protocol.standing import Standing, Void
from .marks import Mark
from .scrub import ScrubSlice

if TYPE_CHECKING:
    from .quota import Limits

MAX_RECORD_BYTES_OF_IDENTITY: Final = 28_000
"""All signed records of an identity together: with 64 devices they still fit an IDENT frame."""
MAX_CLIENT_KEYS: Final = 100_000
"""The newest are kept: months of posts, and a retry comes within minutes."""
MAX_PEER_MEMORIES: Final = 4_096
"""The devices met last; each names one roster at the most."""


MAX_PAYLOAD_HOLES: Final = 4_096
"""Ranges of stubs that are asked for in one session."""

Item: TypeAlias = Run | VerifiedIdent | ForkProof
"""What a store takes from others."""


class LogKey(NamedTuple):
    """One log: a channel of a device."""

    device: bytes
    channel: int


class Interval(NamedTuple):
    """Consecutive entries that are held, both ends included."""

    first: int
    last: int


class Voided(NamedTuple):
    """Why a held entry does not stand, for readers to show."""

    why: Void
    record: bytes
    """Hash of the signed record that voids it (32 bytes); empty for a device that no root key
    certified."""


class LogEnding(NamedTuple):
    """The last entry of a log that stands, by the records held of its identity."""

    seq: int
    """Its sequence number; -1: none stands."""
    id: bytes
    """Its id; empty if any will do: where none stands, or only entry 0 of channel 0."""
    why: Void
    """Why what comes after it does not stand."""
    record: bytes
    """Hash of the record that ends the log (32 bytes); empty for a stranger's."""

    def void(self, seq: int, entry_id: bytes) -> Voided | None:
        """Return why an entry of the log is void; None: it stands."""
        if seq > self.seq:
            return Voided(self.why, self.record)
        if seq == self.seq and self.id not in (b"", entry_id):
            return Voided(Void.OFF_BRANCH, self.record)
        return None


class Outcome(Enum):
    """What became of one run that was handed to the store."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """Everything in it was held already; no signature was checked."""
    UNATTRIBUTED = "unattributed"
    """Its device belongs to no identity known here; not stored."""
    MALFORMED = "malformed"
    """Columns or bodies were rubbish behind a good signature; not stored."""
    FORGED = "forged"
    """No proof for its end, or the entries do not lead there; not stored."""
    CONFLICT = "conflict"
    """Proven, but it contradicts what is held, and nothing of it is kept: a branch too many of
    a forked log, or a second certificate of a device."""
    FORKED = "forked"
    """Proven, and of another branch than the one held: the author forked. The log is frozen
    below its lowest forked entry, and what there is room for is kept beside it."""
    UNWANTED = "unwanted"
    """All of it lies below what is kept of its log: it was evicted, and there is no room to take
    it again; not stored."""
    OVER_LIMIT = "over limit"
    """One more than the 64 devices of an identity or 64 logs of a device, or more fork proofs
    of an identity than there is room for; not stored."""


class Ingested(NamedTuple):
    """The fate of one run."""

    outcome: Outcome
    entries: int
    """Entries that are new here."""
    payloads: int
    """Payloads that are new here, those of entries held as stubs before included."""
    reason: str
    """Empty, or why it was not stored."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity as far as it is known here."""

    identity: bytes
    inception: bytes
    petname: str
    """The reader's own name for it; empty if none was given."""
    name: str
    """The name in its newest profile: a claim; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device certified for an identity."""

    device: bytes
    identity: bytes
    box_public: bytes
    label: str
    place: str


@dataclass(frozen=True, slots=True)
class Follow:
    """An identity follows another: the newest word of the follower about it."""

    identity: bytes
    channels: tuple[int, ...]
    depth: int
    n: int
    entry: bytes = field(default=b"", compare=False)
    """Id of the entry that says so."""


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """One entry with where it belongs and how it came."""

    log: LogKey
    identity: bytes
    prev: bytes
    entry: Entry
    signature: bytes | None
    received_ms: int
    """When this node committed it, in its own clock."""
    via: str
    """How it came: ``own``, or the identity id of the peer in hexadecimal."""
    void: Voided | None = None
    """Why it does not stand; None: it counts as said by its identity."""


@dataclass(frozen=True, slots=True)
class ForkedLog:
    """A log whose device signed two entries with one number."""

    log: LogKey
    identity: bytes
    proof: ForkProof
    kept: int
    """Entries that are kept beside it."""


@dataclass(frozen=True, slots=True)
class TimelinePost:
    """A post in the timeline."""

    n: int
    """Rises with the order of arrival here, from 1, with gaps; a cursor for what is new."""
    order_ms: int
    """Where it stands in reading order: never before what it answers."""
    held: HeldEntry
    version: HeldEntry | None = None
    """The latest edit that counts, which is shown in its place; None: it stands as written."""


class PageMark(NamedTuple):
    """A place in the timeline: the page before it ends here."""

    order_ms: int
    n: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Posts that hold the words, best first, and how far the index had come."""

    posts: tuple[TimelinePost, ...]
    behind: int
    """Posts that the index has not read yet; 0 when it is complete."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A node that this one dials or knows."""

    identity: bytes
    device: bytes
    box_public: bytes
    addresses: tuple[str, ...]
    """``host:port``, tried in order; empty for one that only dials in."""
    name: str
    last_contact_ms: int
    """When a session last ended well; 0: never."""


class SentRange(NamedTuple):
    """Entries of one log that were sent to a peer, both ends included."""

    log: bytes
    """Its log id (32 bytes)."""
    first: int
    last: int


class Arrived(NamedTuple):
    """How many entries of one log came after some moment, and by whom."""

    identity: bytes
    log: LogKey
    via: str
    """As in `HeldEntry`."""
    entries: int


@dataclass(frozen=True, slots=True)
class PeerMemory:
    """What is remembered of a peer's state: hints, never the truth.

    Losing them costs bytes and never stalls.
    """

    nonce: bytes
    """Beginning of the instance nonce of its store; empty if never met."""
    counter: int
    """Its commit counter when last met; a lower one means amnesia."""
    roster: bytes
    """Hash of its roster (32 bytes), or empty."""
    acked: int
    """Our change counter up to which it has confirmed everything offered."""
    satisfied: bytes
    """Its digest after which we wanted nothing more; empty if none."""
    absent: bytes = b""
    """Logs that we hold and it did not offer, 8 bytes of each id, one behind the other."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a peer is known to have, for people who ask.

    It counts only as long as the peer is the same, wants the same, and is offered the same of it:
    see `holds_for`.
    """

    nonce: bytes = b""
    """As in `PeerMemory`, when it was noted; so is the next."""
    counter: int = 0
    offered: bytes = b""
    """Hash of the part of its roster that was offered to it: all but who was blocked here."""
    arrival: int = 0
    """Number of the arrival (`LogStore.last_arrival`) up to which it has confirmed that it lacks
    nothing of what was offered; 0: none."""
    confirmed_ms: int = 0
    """When it did so last, by this node's clock; 0: never."""
    heard_ms: int = 0
    """When we last had everything that it offered and we wanted, by this node's clock; 0: never.
    It counts whatever the peer has become."""
    sent: tuple[SentRange, ...] = ()
    """What it was sent since it confirmed, at most `MAX_SENT_RANGES`, the newest at the end."""

    def holds_for(self, memory: PeerMemory, offered: bytes) -> bool:
        """Say whether the peer is still the one that confirmed, and is offered the same.

        That it is an older copy of itself shows when it greets, and is noted then.

        Args:
            offered: hash of the part of its roster that is offered to it now.
        """
        return self.nonce != b"" and (self.nonce, self.offered) == (memory.nonce, offered)


MAX_SENT_RANGES: Final = 1_024
"""What was sent and not confirmed is remembered of so many logs of each peer."""

OWN: Final = "own"
"""How own entries came (`HeldEntry.via`)."""

NOTHING_DELIVERED: Final = Delivered()

NO_MEMORY: Final = PeerMemory(b"", 0, b"", 0, b"")


@dataclass(frozen=True, slots=True)
class Totals:
    """How much is held."""

    identities: int
    logs: int
    entries: int
    posts: int
    file_bytes: int
    """Bytes on disk with the write-ahead log; of a memory store an estimate of payloads."""
    search_behind: int
    forks: int
    """Logs that are known to be forked."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one identity takes."""

    identity: bytes
    entries: int
    payload_bytes: int
    header_bytes: int
    """Everything else, weighed as `weight` says: headers, kept signatures, indexes, keys."""

    @property
    def bytes(self) -> int:
        """What it counts for quotas."""
        return self.payload_bytes + self.header_bytes


@dataclass(frozen=True, slots=True)
class FileState:
    """How a store lies on the disk; all 0 for one in memory."""

    database_bytes: int
    free_bytes: int
    """Of those, pages that nothing uses; compacting gives them back."""
    log_bytes: int
    """The write-ahead log beside it."""
    index_bytes: int
    """The search index inside it."""
    lost_entries: int
    """Damaged entries that were taken out and have not come back yet."""


class StoreError(SlowlightError):
    """The store cannot be opened, read or written: what is wrong and what to do about it."""


class ReadOnlyError(StoreError):
    """The store was opened only to read it, or cannot be read where it cannot be written."""


class ForeignDatabaseError(StoreError):
    """A newer Slowlight, or another program, wrote the database; it was not changed."""


class DamagedFileError(StoreError):
    """The file of a store is damaged beyond single entries."""


class LostHeadError(StoreError):
    """The newest entries of an own log were damaged here: to write another would fork the log."""

    def __init__(self) -> None:
        super().__init__(
            "the newest entries of this log were damaged on the disk and have not come back yet:"
            " writing others in their place would contradict them"
        )


class LogStore(Protocol):
    """Logs and who they belong to: all that sync needs."""

    @property
    def nonce(self) -> bytes:
        """Instance nonce (8 random bytes), made with the store."""
        ...

    @property
    def change_counter(self) -> int:
        """Rises by one with each commit that changes the state of any log: the newest entry
        that stands, or the records of any identity."""
        ...

    @property
    def last_arrival(self) -> int:
        """Number of the entry that arrived last; 0 if there is none.

        Every entry, of any kind, gets a higher number than all before it; one that is filled with
        its payload later arrives anew.
        """
        ...

    @property
    def forgotten_at(self) -> int:
        """The value of `change_counter` when whole people were forgotten last, with all of
        their logs and states; 0: never."""
        ...

    def floor(self, key: LogKey) -> int:
        """Return from which sequence number on a log is kept; 0: from its beginning.

        What lies below was evicted (see `NodeStore.evict`). It is neither wanted nor taken.
        """
        ...

    def ingest(self, batch: Sequence[Item], *, received_ms: int, via: str) -> list[Ingested]:
        """Prove and store a batch in one transaction; one answer for each item, in order.

        A run is checked here and nowhere else: attribution, duplicates, then the signature
        or the link to a held entry, then the chain, then what is held on both sides of it.
        A later item may build on an earlier one of the batch. Anything may come twice, in
        any order, with gaps. A stub never replaces a payload; one that is filled arrives with
        its payload. A device that belongs to another identity already is left out of an
        identity; only if nothing else of it is new, the answer is `Outcome.CONFLICT`.

        A run on another branch than the one held freezes its log, as a fork proof does, whose
        signatures are checked here. One proof of each log is kept (see `kept_proof`), also of a
        log of which nothing is held. What belongs to a branch from the freeze on, and does not
        begin below it, is kept beside the log, up to `MAX_BRANCH_ENTRIES` of each branch.

        Of the records of an identity, whether they come with it or as content of channel 0 of
        one of its devices, those that decide something are kept. What they void is marked and
        left out of every view, its words count no more; what stands again comes back.
        """
        ...

    def standing(self, identity: bytes) -> Standing | None:
        """Return what stands of an identity by what is held here, or None if it is unknown."""
        ...

    def ending(self, key: LogKey) -> LogEnding | None:
        """Return where a held log ends; None: it is open, or nothing of it is held."""
        ...

    def ident(self, identity: bytes) -> Ident | None:
        """Return what proves the devices of an identity, or None if it is unknown."""
        ...

    def identity_of(self, device: bytes) -> bytes | None:
        """Return the identity that a device is certified for, or None."""
        ...

    def log_key(self, log: bytes) -> LogKey | None:
        """Return which log an id names, if it is known here."""
        ...

    def head(self, key: LogKey) -> LogHead:
        """Return the newest entry held of a log, void or not; `EMPTY_LOG` if there is none."""
        ...

    def logs_of(self, device: bytes) -> list[tuple[int, LogHead]]:
        """Return the channels of a device of which anything is held, lowest first, each with
        its newest entry, void or not."""
        ...

    def id_at(self, key: LogKey, seq: int) -> bytes | None:
        """Return the id of an entry, or None if it is not held."""
        ...

    def held(self, key: LogKey) -> list[Interval]:
        """Return the held intervals of a log, lowest first."""
        ...

    def states(self, roster: Roster, *, since: int = 0) -> Iterator[LogState]:
        """Yield the state of each log that a roster wants: the newest entry held that stands; of a
        frozen log its lowest forked number, without an id.

        An identity of which signed records are held has a state too, under its own id: that of
        its records (see `records_id`).

        Args:
            since: only states that changed after this value of `change_counter`.
        """
        ...

    def gone(self, roster: Roster, *, since: int) -> Iterator[bytes]:
        """Yield the ids of logs that a roster wants, which changed after this value of
        `change_counter` and of which no entry that stands is held now."""
        ...

    def read_run(
        self, key: LogKey, first: int, last: int, *, end_known: bool, max_bytes: int, now_ms: int
    ) -> Run | None:
        """Return a run for ``first..last``, from its upper end, ready to be sent.

        The run ends at the highest held entry of the range, or, where the asker cannot vouch
        for that id (``end_known`` false), at the next kept signature at or above it, the
        surplus as stubs. It begins as early as range, block, holdings and ``max_bytes`` of
        the encoded body allow, and holds at least one entry. The caller goes on below it
        with ``last = run.first - 1`` and ``end_known`` true. Payloads whose lifetime ended
        travel as stubs; the remaining lifetime is reduced by the time held here.

        What is void of a log travels only as such a surplus. A run that ends where the log
        ends is signed if the signature is held, also where the asker can vouch for it.

        Returns:
            None if nothing of the range is held that stands, or no signature can prove it.
        """
        ...

    def holes(self, roster: Roster) -> Iterator[WantRange]:
        """Yield the gaps below the newest held entry of each log that a roster wants, and up to
        `MAX_PAYLOAD_HOLES` ranges of stubs whose payload is wanted; all as far as they stand. Of a
        log of which headers are enough no payload is wanted; gaps below the newest entries are
        yielded also where no more than those are.

        Each range carries the id of its last entry, which is held or for which the entry above
        it vouches. Costs nothing for logs without gaps and stubs. Of a forked log, also what
        joins its branches to it, and their payloads.
        """
        ...

    def fork(self, key: LogKey) -> ForkProof | None:
        """Return the proof that froze a log; None if it is not known to be forked."""
        ...

    def forks(self, roster: Roster, *, since: int = 0) -> Iterator[ForkProof]:
        """Yield the proofs of frozen logs that a roster wants.

        Args:
            since: only those that changed after this value of `change_counter`.
        """
        ...

    def read_branch(
        self, key: LogKey, first: int, last: int, end_id: bytes, *, max_bytes: int, now_ms: int
    ) -> Run | None:
        """Return a run down from entry ``last`` with this id, if it is kept beside a forked log.

        It reaches down as `read_run` does, and continues with the ``prev`` of its first entry.
        """
        ...

    def written_ms(self, key: LogKey, seq: int) -> int:
        """Return the claimed time of the highest held entry at or below ``seq``; 0 if none."""
        ...

    def peer_memory(self, device: bytes) -> PeerMemory:
        """Return what is remembered of a peer's device; `NO_MEMORY` if nothing."""
        ...

    def remember_peer(self, device: bytes, memory: PeerMemory) -> None:
        """Replace what is remembered of a peer's device."""
        ...

    def delivered(self, device: bytes) -> Delivered:
        """Return what a peer's device is known to have; `NOTHING_DELIVERED` if nothing."""
        ...

    def remember_delivered(self, device: bytes, delivered: Delivered) -> None:
        """Replace what a peer's device is known to have."""
        ...

    def roster(self, name: bytes) -> Roster | None:
        """Return a roster of a peer that was kept, by its hash or the beginning of it (8 bytes)."""
        ...

    def keep_roster(self, roster: Roster) -> None:
        """Keep the roster of a peer; those that no peer memory names any more are dropped."""
        ...


class NodeStore(LogStore, Protocol):
    """Everything that a node remembers."""

    def append(
        self,
        key: LogKey,
        entries: Sequence[tuple[Entry, bytes]],
        *,
        received_ms: int,
        client_key: str = "",
    ) -> None:
        """Append own entries with their signatures, and remember the client key of the first.

        Raises:
            ValueError: they do not continue the head, or the client key was used before.
        """
        ...

    def entry_of_client_key(self, client_key: str) -> bytes | None:
        """Return the id of the first entry that was appended with this key, or None."""
        ...

    def entry(self, entry_id: bytes) -> HeldEntry | None:
        """Return an entry by its full id, of whatever branch of its log."""
        ...

    def arrival_of(self, entry_id: bytes) -> int:
        """Return the number by which an entry arrived (see `LogStore.last_arrival`); 0 if it is
        not held, or kept beside a forked log."""
        ...

    def arrived_since(self, arrival: int) -> list[Arrived]:
        """Count the entries that arrived after a number, by log and by who brought them."""
        ...

    def find_entries(self, bits: int, bit_count: int, limit: int) -> list[HeldEntry]:
        """Return posts and other entries whose id begins with these bits (see `short_prefix`)."""
        ...

    def find_identities(self, bits: int, bit_count: int, limit: int) -> list[Identity]:
        """Return identities whose id begins with these bits."""
        ...

    def timeline(
        self, *, before: PageMark | None = None, limit: int = 50, identity: bytes | None = None
    ) -> list[TimelinePost]:
        """Return a page of the timeline, newest first in reading order.

        Args:
            before: where the page above ended; None: from the top.
            identity: only posts of this identity.
        """
        ...

    def arrived(self, *, after: int, limit: int) -> list[TimelinePost]:
        """Return posts in order of arrival with ``n`` above ``after``."""
        ...

    def newest_arrival(self) -> int:
        """Return the highest ``n`` of any post; 0 if there is none."""
        ...

    def count_arrived(self, *, after: int, besides: bytes = b"") -> int:
        """Count the posts with ``n`` above ``after``; cheap however many there are.

        Args:
            besides: leave out those of this identity, whichever device wrote them.
        """
        ...

    def versions(self, post_id: bytes) -> list[HeldEntry]:
        """Return a post and its edits that count, the latest last; empty for what is no post
        or is held without its payload."""
        ...

    def mark_of(self, key: LogKey, seq: int) -> Mark | None:
        """Return why the payload of an entry is not wanted here; None if there is no reason."""
        ...

    def expire(self, now_ms: int, *, limit: int = 1_000) -> int | None:
        """Drop payloads whose lifetime has ended, at most ``limit``.

        A step of the clock backwards lengthens no life by more than the step, and one forwards
        counts as `MAX_LIFE_STEP_MS` at the most: see docs/protocol/deletion.md.

        Returns:
            In how many ms the next one ends (0: more are due now); None if none will.
        """
        ...

    def purge(self) -> bool:
        """Do one bounded step towards taking dropped payloads off the disk; return whether
        another is needed. What is left to do survives a crash."""
        ...

    def purge_due(self) -> bool:
        """Say whether something of dropped payloads may still be on the disk."""
        ...

    def thread(self, root: bytes, *, limit: int) -> list[TimelinePost]:
        """Return the post of this id, if held, and all that name it as their root or parent,
        in reading order."""
        ...

    def search(self, query: str, *, limit: int) -> SearchResult:
        """Return posts that hold every word of ``query``; accents and case do not matter.

        Raises:
            ValueError: there is no word in it, or there are too many.
        """
        ...

    def index_posts(self, limit: int) -> int:
        """Let the search index read up to ``limit`` more posts; return how many it is behind."""
        ...

    def identity(self, identity: bytes) -> Identity | None:
        """Return what is known of an identity, or None."""
        ...

    def identities_named(self, name: str) -> list[Identity]:
        """Return identities whose petname, or failing that profile name, is ``name``."""
        ...

    def devices(self, identity: bytes) -> list[Device]:
        """Return the certified devices of an identity."""
        ...

    def set_petname(self, identity: bytes, petname: str) -> None:
        """Name an identity for this reader; an empty name takes it away.

        Raises:
            ValueError: another identity has this petname, or nobody here has this identity.
        """
        ...

    def profile(self, identity: bytes) -> HeldEntry | None:
        """Return the entry with the newest profile of an identity, or None."""
        ...

    def follows(self, identity: bytes) -> list[Follow]:
        """Return whom an identity follows by its newest word about each, sorted by id."""
        ...

    def followers(self, identity: bytes) -> list[bytes]:
        """Return who follows an identity, as far as is known here, sorted."""
        ...

    def note_shown(self, entry_ids: Iterable[bytes]) -> None:
        """Remember foreign entries that the person was shown, for the next ``seen``."""
        ...

    def shown(self) -> list[HeldEntry]:
        """Return the newest shown entry of each foreign log since `forget_shown`, at most 8,
        of channels 0 and 1, those with the highest Lamport value first."""
        ...

    def forget_shown(self) -> None:
        """Begin again: an own entry has cited them."""
        ...

    def forked_logs(self, identity: bytes | None = None) -> list[ForkedLog]:
        """Return the logs that are known to be forked, of one identity or of all, in the order of
        identity, device and channel."""
        ...

    def written_elsewhere(self, device: bytes) -> bool:
        """Say whether entries of a device that writes here came from elsewhere."""
        ...

    def peers(self) -> list[Peer]:
        """Return the peers, by name and identity."""
        ...

    def peers_met(self) -> dict[bytes, tuple[PeerMemory, Delivered]]:
        """Return what is remembered of each device that was met, and what it is known to have."""
        ...

    def put_peer(self, peer: Peer) -> None:
        """Add or replace the peer with this device."""
        ...

    def remove_peer(self, device: bytes) -> bool:
        """Remove a peer; return whether there was one."""
        ...

    def add_invite(self, token_hash: bytes, expires_ms: int) -> None:
        """Keep the hash of a one-time token."""
        ...

    def use_invite(self, token_hash: bytes, now_ms: int) -> bool:
        """Use up a token; return whether it was valid. Expired ones are dropped."""
        ...

    def setting(self, name: str) -> str:
        """Return a small value kept by name; empty if never set."""
        ...

    def put_setting(self, name: str, value: str) -> None:
        """Keep a small value by name."""
        ...

    def scrub(self, *, after: int, limit: int, now_ms: int, mend: bool = True) -> ScrubSlice:
        """Hash a part of what is held again, and take out what is no longer as it was signed.

        What is taken out leaves a gap that `holes` names, or a log that ends lower.

        Args:
            after: 0 to begin, then `ScrubSlice.next`.
            limit: about how many entries.
            mend: False: only look.
        """
        ...

    def evict(self, own: bytes, limits: Limits, *, most: int) -> int:
        """Let go what of others is beyond their quotas, the oldest of each first.

        Payloads go first: identity logs, orders and edits stay, and what is dropped is marked and
        not wanted again. Where no payload is left to drop, headers go from the bottom of the held
        intervals of each log but that of channel 0; a log keeps its newest entry that stands, a
        forked one everything. It then begins at `floor`. Of strangers who still take too much,
        nothing stays.

        Args:
            own: the identity that is never touched, and from which distances are counted.
            most: about how many entries to look at.

        Returns:
            How many entries lost something; 0: all is within its quota, or can go no further.
        """
        ...

    def want_evicted(self, own: bytes, limits: Limits, *, most: int) -> int:
        """Want again what was evicted of people whose quota has room for it by now.

        An eighth of a quota stays free, so that nothing is evicted and fetched in turns. The
        newest payloads come first, as far as their sizes fit; then a log is wanted further down,
        by a block of 256 at the most until that has come.

        Args:
            own: from whom distances are counted.
            most: payloads that are wanted at once.

        Returns:
            How many entries are wanted again.
        """
        ...

    def shares(self) -> list[Share]:
        """Return how much of the store each identity takes, the largest first."""
        ...

    def has_lost_head(self, key: LogKey) -> bool:
        """Say whether entries above the head of a log were damaged and have not come back."""
        ...

    def file_state(self) -> FileState:
        """Return how the store lies on the disk; costs little."""
        ...

    def backup(self, path: Path) -> None:
        """Write a whole copy to a file that must not exist; half a copy never has its name.

        Raises:
            StoreError: it cannot be written, or the copy turned out damaged.
        """
        ...

    def totals(self) -> Totals:
        """Count what is held."""
        ...

    def close(self) -> None:
        """Close the store; it can be opened again."""
        ...
