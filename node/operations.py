"""Every operation of a node: its name, what is asked, what is answered.

These structs are the JSON of the API and of ``--json``. Ids are whole and in lower-case
hexadecimal; each has a short form beside it for people, which is never an authority. Each time
is there twice: Unix milliseconds (``*_ms``), and RFC 3339 in UTC, empty for 0 and for claims
outside the years 1 to 9999. Texts from peers stand here as they came: whoever shows them makes
them safe.

A *who* argument names an identity by its whole id, its short id or the beginning of it, the
reader's petname, the name in its profile, ``name@short-id``, or an invite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

SCHEMA: Final = 1
"""Version of this JSON: it rises when a field is taken away or changes its meaning."""

MAX_PAGE: Final = 500
"""Posts on one page: about 15 MB of JSON at the worst, 250 KB as people write."""
MAX_DELETED: Final = 1_000
"""Entries that are deleted at once."""
MAX_WHO: Final = 1_000
"""Names in one request."""
DAY_MS: Final = 86_400_000

PageLimit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Who = Annotated[str, Meta(min_length=1, max_length=4_096)]
WhoList = Annotated[tuple[Who, ...], Meta(min_length=1, max_length=MAX_WHO)]
EntryRef = Annotated[str, Meta(min_length=1, max_length=64)]
"""An entry by its whole id (64 hexadecimal digits), its short id or the beginning of that."""
Address = Annotated[str, Meta(min_length=1, max_length=300)]
"""``host:port``; an IPv6 host stands in brackets."""
Addresses = Annotated[tuple[Address, ...], Meta(max_length=16)]
Ms = Annotated[int, Meta(ge=0, le=2**62 - 1)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked; a field that the operation does not know is refused."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer."""


class Result(View, frozen=True, kw_only=True):
    """An answer."""

    schema: Literal[1] = SCHEMA


Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, R]):
    """One operation: ``POST /v1/<name>`` in the API."""

    name: str
    request: type[Q]
    result: type[R]


# People and entries

ForkPlace: TypeAlias = Literal["", "common", "branch"]
"""Where an entry of a forked log stands: below the fork and valid like any other, or on one of the
branches, which say different things under one number. Empty: no fork of its log is known."""


class Person(View, frozen=True):
    """An identity as this reader knows it."""

    identity: str
    short_id: str
    petname: str
    """The reader's own name for it; empty if none was given."""
    name: str
    """The name in its profile: a claim; empty if there is none."""
    label: str
    """How to show it: ``ada@k3v9-7qpm-x2da``, with the petname before the claimed name."""
    own: bool
    """Whether it is this node's identity."""


class PostView(View, frozen=True):
    """One post."""

    id: str
    short_id: str
    author: Person
    device: str
    seq: int
    n: int
    """Rises with the order of arrival here, from 1; 0: kept beside its log, on another branch."""
    claimed: str
    claimed_ms: int
    """When the author says it was written."""
    received: str
    received_ms: int
    """When this node committed it, by its own clock."""
    order_ms: int
    """Where it stands in reading order: never before what it answers."""
    via: str
    """``own``, or the identity that handed it over."""
    text: str | None
    """None: the post is known, its text is not here (expired, deleted or still to come)."""
    title: str
    language: str
    warning: str
    tags: tuple[str, ...]
    mentions: tuple[Person, ...]
    place: str
    """Path of where it was written, a claim: ``sol/earth/france/toulouse``."""
    media_type: str
    """Empty: plain text."""
    reply_to: str | None
    root: str | None
    """Entry that began the thread; None: this one did."""
    expire_ms: int
    """Lifetime from writing; 0: it does not expire."""
    attachments: int
    """How many files it names."""
    edited: str = ""
    edited_ms: int = 0
    """When the author says the version shown was written; 0: as first written."""
    edit_note: str = ""
    """What changed, in the author's words."""
    parent_deleted: bool = False
    """Whether its author deleted what this answers."""
    fork: ForkPlace = ""
    """Where it stands if its log forks; see `ForksRequest`."""


class EntryView(View, frozen=True):
    """One entry of a log, as signed."""

    id: str
    short_id: str
    author: Person
    device: str
    channel: int
    seq: int
    prev: str
    claimed: str
    claimed_ms: int
    t_quality: int
    """log2 of the clock uncertainty in ms that the author claims; 63: no clock."""
    lamport: int
    seen: tuple[str, ...]
    """Foreign entries that the author had been shown."""
    expire_ms: int
    size_bytes: int
    payload_hash: str
    signature: str | None
    """None: the entry is proven by a later one."""
    received: str
    received_ms: int
    via: str
    content: Any
    """The content as JSON, its kind in ``kind``; None if it is not here or not understood."""
    gone: Literal["", "deleted", "expired", "evicted"] = ""
    """Why the payload is not here and not wanted; empty: no reason."""
    deleted_by: str | None = None
    """Entry that ordered the deletion."""
    deleted: str = ""
    deleted_ms: int = 0
    """When the author says it was ordered."""
    reason: str = ""
    """Why it was deleted, in the author's words."""
    void: Literal["", "stranger", "forgotten", "ended", "off branch"] = ""
    """Why it does not count as said by its author; empty: it does."""
    voided_by: str | None = None
    """Hash of the signed record that voids it."""
    fork: ForkPlace = ""
    """Where it stands if its log forks; see `ForksRequest`."""


# Status


class StatusRequest(Request, frozen=True):
    """How is the node?"""


class SyncCounts(View, frozen=True):
    """What a session carried so far."""

    entries_in: int = 0
    """Entries new here."""
    entries_out: int = 0
    payload_bytes_in: int = 0
    payload_bytes_out: int = 0
    wire_bytes_in: int = 0
    """All bytes received on the link, handshake and encryption included."""
    wire_bytes_out: int = 0
    wanted: int = 0
    """Entries asked for that have not come yet."""


class LinkView(View, frozen=True):
    """A live session with a peer."""

    peer: Person
    device: str
    address: str
    direction: Literal["in", "out"]
    since: str
    since_ms: int
    in_sync: bool
    counts: SyncCounts


class StatusResult(Result, frozen=True):
    """How the node is."""

    version: str
    home: str
    person: Person
    device: str
    network: str
    """Nodes of different networks never talk to each other; empty: the common one."""
    running: bool
    """Whether a daemon answers; false where the command line opened the home itself."""
    pid: int
    started: str
    started_ms: int
    """When the daemon started; 0 without one."""
    listening: tuple[str, ...]
    """Addresses on which it accepts peers, with their real ports."""
    links: tuple[LinkView, ...]
    peers: int
    follows: int
    unread: int
    """Posts that arrived since the last reading, own ones among them."""
    identities: int
    logs: int
    entries: int
    posts: int
    file_bytes: int
    search_behind: int
    """Posts that the search index has not read yet."""
    purge_due: bool = False
    """Whether something of deleted texts may still be on this disk."""
    forks: int = 0
    """Logs that are known to be forked, own ones among them."""
    own_forks: int = 0
    """Those of own devices that still write."""


# Writing


class PostRequest(Request, frozen=True):
    """Write a post."""

    text: str
    """At most 30,000 bytes of UTF-8; a longer one is refused with the advice to attach it."""
    title: str = ""
    language: str = ""
    """BCP 47 tag."""
    reply_to: str = ""
    """Entry that it answers; empty: none."""
    tags: tuple[str, ...] = ()
    """Topics without the ``#``."""
    mentions: tuple[Who, ...] = ()
    warning: str = ""
    """What to be warned of before reading."""
    place: str = ""
    """Path of where it is written; empty: not said."""
    expire_ms: Ms = 0
    """Lifetime of the text; 0: it does not expire."""
    media_type: str = ""
    """Empty: plain text."""
    client_key: Annotated[str, Meta(max_length=128)] = ""
    """The same key again returns the first post instead of a second one; empty: a fresh key."""


class PostResult(Result, frozen=True):
    """The post, committed and signed."""

    post: PostView
    repeated: bool
    """Whether the client key had been used: nothing new was written."""


class DeleteRequest(Request, frozen=True):
    """Delete own entries, of whichever own device: texts go, headers stay."""

    ids: Annotated[tuple[EntryRef, ...], Meta(min_length=1, max_length=MAX_DELETED)]
    reason: Annotated[str, Meta(max_length=300)] = ""
    """Everybody can read it."""


class DeletedEntry(View, frozen=True):
    """An entry that is deleted now."""

    id: str
    short_id: str
    already: bool
    """Whether it had been deleted before: nothing new was written for it."""


class DeleteResult(Result, frozen=True):
    """The deletions, committed and signed."""

    entries: tuple[DeletedEntry, ...]
    ordered_by: tuple[str, ...]
    """The entries that order it; peers drop the texts when these reach them."""
    off_disk: bool
    """Whether the texts are off this disk already; else the node goes on with it by itself."""


class EditRequest(Request, frozen=True):
    """Replace the text of an own post."""

    id: EntryRef
    text: str
    title: str | None = None
    """None: it stays."""
    note: Annotated[str, Meta(max_length=300)] = ""
    """What changed; everybody can read it."""


class EditResult(Result, frozen=True):
    """The post as it is shown now."""

    post: PostView
    changed: bool
    """False: it said the same before, and nothing was written."""


# Reading


class ReadRequest(Request, frozen=True):
    """Read posts: those of others that are new since the last reading, or all by pages."""

    scope: Literal["new", "all"] = "new"
    author: str = ""
    """Only posts of this identity (who); only with scope ``all``."""
    before: Annotated[str, Meta(max_length=64)] = ""
    """``next_before`` of the page above; only with scope ``all``."""
    limit: PageLimit = 50
    mark: bool = True
    """Whether a person is shown them: what is new moves on, and the next own entry cites them."""


class ReadResult(Result, frozen=True):
    """Posts in reading order: oldest first for ``new``, newest first for ``all``."""

    posts: tuple[PostView, ...]
    next_before: str
    """Where the next page of ``all`` begins; empty: this was the last."""
    unread: int
    """Posts that arrived and are still new after this page, own ones among them."""


class ThreadRequest(Request, frozen=True):
    """Read a conversation: all that belongs to the thread of an entry."""

    id: EntryRef
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE
    mark: bool = True


class ThreadPost(View, frozen=True):
    """A post in its conversation."""

    depth: int
    """Answers between it and the root: 0 for the root."""
    post: PostView


class ThreadResult(Result, frozen=True):
    """A conversation, every answer after what it answers, siblings in reading order."""

    root: str
    root_held: bool
    root_deleted: bool
    """Whether its author deleted the post that began it."""
    posts: tuple[ThreadPost, ...]
    more: bool
    """Whether there are posts beyond the limit."""


class ShowRequest(Request, frozen=True):
    """Look at one entry."""

    id: EntryRef
    versions: bool = False
    """Whether to show every version of a post."""


class VersionView(View, frozen=True):
    """One version of a post."""

    id: str
    short_id: str
    claimed: str
    claimed_ms: int
    title: str
    text: str
    note: str


class ShowResult(Result, frozen=True):
    """One entry, and the post that it is, if it is one."""

    entry: EntryView
    post: PostView | None
    versions: tuple[VersionView, ...] = ()
    """The first version and those that replaced it, the one that is shown last; if asked for."""


class SearchRequest(Request, frozen=True):
    """Find posts that hold every word; accents and case do not matter."""

    query: Annotated[str, Meta(max_length=1_000)]
    limit: PageLimit = 20


class SearchResult(Result, frozen=True):
    """Posts, best first."""

    posts: tuple[PostView, ...]
    behind: int
    """Posts that the index has not read yet; 0: the answer is complete."""


# People


class FollowRequest(Request, frozen=True):
    """Follow people: one signed entry for each who is not followed yet, all in one commit."""

    who: WhoList
    """An invite also adds its node as a peer."""


class FollowOutcome(View, frozen=True):
    """What became of one name."""

    person: Person
    changed: bool
    """False: it was so already."""


class FollowResult(Result, frozen=True):
    """One outcome for each name, in the order asked."""

    outcomes: tuple[FollowOutcome, ...]


class UnfollowRequest(Request, frozen=True):
    """Stop following people; what is here of them stays."""

    who: WhoList


class UnfollowResult(Result, frozen=True):
    """One outcome for each name, in the order asked."""

    outcomes: tuple[FollowOutcome, ...]


class FollowsRequest(Request, frozen=True):
    """Whom does someone follow?"""

    who: str = ""
    """Empty: this node's own identity."""


class FollowView(View, frozen=True):
    """Someone who is followed."""

    person: Person
    channels: tuple[int, ...]
    held: bool
    """Whether anything of them has arrived here."""


class FollowsResult(Result, frozen=True):
    """Whom an identity follows."""

    person: Person
    follows: tuple[FollowView, ...]


class ForksRequest(Request, frozen=True):
    """Which devices signed two entries with one number?"""

    who: str = ""
    """Only logs of this identity (who); empty: of all."""


class ForkBranchView(View, frozen=True):
    """The first entry of a branch."""

    id: str
    short_id: str
    held: bool
    """Whether it is here, so that it can be shown."""


class ForkView(View, frozen=True):
    """A log that its device forked, as two signatures prove."""

    person: Person
    device: str
    device_short_id: str
    device_label: str
    """Its name in its certificate; empty: it has none."""
    this: bool
    """Whether it is the device of this home."""
    closed: bool
    """Whether its identity has closed the device: nothing is left to be done."""
    channel: int
    frozen_from: int
    """The lowest number that has two entries; what is below is valid."""
    branches: tuple[ForkBranchView, ForkBranchView]
    """The two entries with this number."""
    kept: int
    """Entries of another branch than the one in the timeline that are kept here."""


class ForksResult(Result, frozen=True):
    """The forked logs: those of this device first, then of other own ones, then of others."""

    forks: tuple[ForkView, ...]


class ProfileRequest(Request, frozen=True):
    """How does someone describe themselves?"""

    who: str = ""
    """Empty: this node's own identity."""


class LinkField(View, frozen=True):
    """A way out of Slowlight."""

    url: str
    title: str = ""


class ProfileView(View, frozen=True):
    """How someone wants to be shown."""

    name: str
    bio: str
    languages: tuple[str, ...]
    place: str
    links: tuple[LinkField, ...]
    tags: tuple[str, ...]
    automated: bool
    """Whether a program writes the posts."""


class ProfileResult(Result, frozen=True):
    """Someone's newest profile."""

    person: Person
    entry: str | None
    """Id of the entry that says so; None: there is no profile."""
    profile: ProfileView


class SetProfileRequest(Request, frozen=True):
    """Change the own profile: what is None stays as it is."""

    name: str | None = None
    bio: str | None = None
    languages: tuple[str, ...] | None = None
    place: str | None = None
    links: tuple[LinkField, ...] | None = None
    tags: tuple[str, ...] | None = None
    automated: bool | None = None


class SetProfileResult(Result, frozen=True):
    """The own profile as it now is."""

    person: Person
    entry: str | None
    profile: ProfileView
    changed: bool
    """False: it was so already, and nothing was written."""


class NameRequest(Request, frozen=True):
    """Give someone a petname, which only this reader sees."""

    who: Who
    petname: Annotated[str, Meta(max_length=64)]
    """Empty takes the name away. No ``@``, and nothing that looks like an id or an invite."""


class NameResult(Result, frozen=True):
    """The person as now named."""

    person: Person


# Peers


class PeersRequest(Request, frozen=True):
    """Which nodes does this one dial or accept?"""


class PeerView(View, frozen=True):
    """A node that this one dials or knows."""

    person: Person
    device: str
    box_public: str
    addresses: tuple[str, ...]
    """Tried in order; empty for one that only dials in."""
    name: str
    last_contact: str
    last_contact_ms: int
    """When a session last ended well; 0: never."""
    connected: bool
    following: bool


class PeersResult(Result, frozen=True):
    """The peers."""

    peers: tuple[PeerView, ...]


class AddPeerRequest(Request, frozen=True):
    """Add a node to dial: by invite, or an identity known here with an address."""

    who: Who
    addresses: Addresses = ()
    """Replace the addresses known before or named in the invite; empty keeps those."""
    name: Annotated[str, Meta(max_length=64)] = ""


class AddPeerResult(Result, frozen=True):
    """The peers that were added or changed: one for each device of the identity."""

    peers: tuple[PeerView, ...]
    changed: bool


class RemovePeerRequest(Request, frozen=True):
    """Forget a node: no more dialling, and it is accepted only if it is followed."""

    who: Who
    """Identity (who) or device id."""


class RemovePeerResult(Result, frozen=True):
    """What was removed."""

    peers: tuple[PeerView, ...]


class InviteRequest(Request, frozen=True):
    """Make an invite: a line that lets one new node connect to this one."""

    addresses: Addresses = ()
    """Where this node is reached; empty: as configured, else as the node listens."""
    name: Annotated[str, Meta(max_length=64)] = ""
    """Name suggested for this node; empty: the one of the profile."""
    valid_ms: Annotated[int, Meta(ge=1_000, le=366 * DAY_MS)] = 7 * DAY_MS


class InviteResult(Result, frozen=True):
    """The invite. Whoever has it may connect once: hand it over like a key."""

    uri: str
    identity: str
    addresses: tuple[str, ...]
    name: str
    expires: str
    expires_ms: int


# Sync


class PeriodsRequest(Request, frozen=True):
    """Look after the period keys of this device, to which private messages are sealed."""

    publish: bool = False
    """Publish every key of the foresight that is missing; without it nothing is changed."""


class PeriodView(View, frozen=True):
    """One month, and its key."""

    period: int
    """Months since January 1970, which is 1."""
    from_time: str
    from_ms: int
    until: str
    until_ms: int
    """First millisecond after it."""
    published: bool
    """Whether others can seal to a key of which the secret is here."""
    secret: bool
    """Whether the secret is here."""
    erased: str
    erased_ms: int
    """When the secret is erased at the latest."""


class PeriodsResult(Result, frozen=True):
    """The period keys of this device, earliest first."""

    device: str
    published: int
    """How many were published now."""
    periods: tuple[PeriodView, ...]


class SyncRequest(Request, frozen=True):
    """Exchange entries with peers now, once, and tell how it went."""

    who: Annotated[tuple[Who, ...], Meta(max_length=MAX_WHO)] = ()
    """Only these peers; empty: all that have an address or are connected."""
    timeout_ms: Annotated[int, Meta(ge=1, le=30 * DAY_MS)] = 10 * 60_000
    """Longest time for the whole; what was exchanged until then is kept."""


class SyncEvent(View, frozen=True):
    """Progress of one peer."""

    peer: Person
    device: str
    state: Literal["dialling", "connected", "exchanging", "done", "failed"]
    counts: SyncCounts
    note: str = ""


class SyncOutcome(View, frozen=True):
    """How it went with one peer."""

    peer: Person
    device: str
    address: str
    """The one that answered, or the last one tried; empty for a peer that had dialled in."""
    outcome: Literal["in_sync", "unreachable", "refused", "failed", "timeout"]
    """``refused``: it answered, and one side did not accept the other. ``failed``: the link
    broke or the peer broke the protocol. What came before the end is kept in any case."""
    reason: str
    """Empty for ``in_sync``."""
    counts: SyncCounts
    """What came and went since the last receipt for this session, or since it began."""
    took_ms: int
    """From the request to this end; a session that was live may have done its part before."""


class SyncResult(Result, frozen=True):
    """The receipt."""

    outcomes: tuple[SyncOutcome, ...]
    in_sync: int
    """How many peers ended in sync; 0: nobody was reached (exit code 5)."""
    total: SyncCounts
    took_ms: int


# The database


class DbStatsRequest(Request, frozen=True):
    """What takes how much room?"""

    top: Annotated[int, Meta(ge=0, le=MAX_PAGE)] = 10
    """How many people to name, those with the most first."""


class DbClassView(View, frozen=True):
    """Everybody who is equally far away."""

    distance: Literal["self", "followed", "two_hops", "stranger"]
    people: int
    entries: int
    payload_bytes: int


class DbShareView(View, frozen=True):
    """What one person takes."""

    person: Person
    distance: Literal["self", "followed", "two_hops", "stranger"]
    entries: int
    payload_bytes: int


class DbStatsResult(Result, frozen=True):
    """What takes how much room."""

    entries: int
    payload_bytes: int
    database_bytes: int
    free_bytes: int
    """Pages of the database that nothing uses: ``db compact`` gives them back."""
    log_bytes: int
    """The write-ahead log beside the database."""
    index_bytes: int
    """The search index inside it."""
    lost_entries: int
    """Damaged entries that were taken out and have not come back yet."""
    classes: tuple[DbClassView, ...]
    people: tuple[DbShareView, ...]


class DbScrubRequest(Request, frozen=True):
    """Hash a part of all entries again; what is damaged is taken out."""

    after: Annotated[int, Meta(ge=0)] = 0
    """0 to begin, then ``next`` of the answer."""
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 20_000
    """About how many entries: the node does nothing else meanwhile."""


class DbDamage(View, frozen=True):
    """Something that is not as it was signed or noted."""

    device: str
    channel: int
    seq: int
    """-1: a note about the whole log."""
    reason: str


class DbScrubResult(Result, frozen=True):
    """What was found in this part."""

    next: int
    """Where the next part begins; 0: that was the last."""
    entries: int
    damaged: int
    """Entries that were taken out; sync brings them back."""
    mended: int
    """Notes about entries that were wrong and are right now."""
    named: tuple[DbDamage, ...]


class DbBackupRequest(Request, frozen=True):
    """Copy the database while it is in use."""

    path: Annotated[str, Meta(min_length=1, max_length=4_096)]
    """Whole path of a file that must not exist."""


class DbBackupResult(Result, frozen=True):
    """The copy, whole and checked. Neither keys nor words are in it."""

    path: str
    size_bytes: int


class DbCheckResult(Result, frozen=True):
    """Whether a database is sound."""

    path: str
    sound: bool
    complaints: tuple[str, ...]
    """What SQLite found wrong with the file."""
    entries: int
    damaged: int
    mended: int
    """Notes about entries that are wrong; nothing was changed."""
    named: tuple[DbDamage, ...]


class DbRebuildResult(Result, frozen=True):
    """A database whose views were derived again."""

    path: str
    kept_aside: str
    """The damaged file, where it had to be replaced by what could be read of it; else empty."""
    entries: int
    lost: int
    """Entries that could not be read or were damaged; sync brings them back."""


class DbCompactResult(Result, frozen=True):
    """A database without free pages."""

    path: str
    before_bytes: int
    after_bytes: int


# What works on a home without its daemon


class InitResult(Result, frozen=True):
    """A home with an identity."""

    home: str
    created: bool
    """False: the identity was there already and nothing was changed."""
    person: Person
    device: str


class KeyWordsResult(Result, frozen=True):
    """The words that give the identity back on another machine."""

    identity: str
    language: str
    words: tuple[str, ...]
    """24 words; whoever has them is this person."""


class KeyPassphraseResult(Result, frozen=True):
    """How the secrets of a home are kept."""

    home: str
    passphrase: bool
    """Whether they are under a passphrase now."""


class KeyVerifyResult(Result, frozen=True):
    """The person has the words."""

    identity: str
    language: str
    positions: tuple[int, ...]
    """Words that were asked for, from 1 to 24."""


class KeyRestoreResult(Result, frozen=True):
    """An identity that goes on at another device."""

    home: str
    identity: str
    short_id: str
    language: str
    epoch: int
    """The one that was written beside the words; 0: none."""
    dry_run: bool
    """True: nothing was written, and the rest says what would be."""
    created: bool
    """False: this home had the identity already, and nothing was changed."""
    device: str
    """The new device; empty in a dry run."""


class ServiceResult(Result, frozen=True):
    """The unit that keeps a node running."""

    unit: str
    """Its file."""
    text: str
    """What stands in it, or would."""
    installed: bool
    """Whether it stands there now, or would without ``dry_run``."""
    changed: bool
    dry_run: bool


class ConfigItem(View, frozen=True):
    """One setting."""

    key: str
    """``section.key`` as in the file."""
    value: str | int | bool | tuple[str, ...]
    origin: Literal["flag", "environment", "file", "default"]
    source: str
    """The flag, variable or ``file:line`` that decided; empty for a default."""
    meaning: str


class ConfigResult(Result, frozen=True):
    """All settings, in the order of the documentation."""

    file: str
    """Where the configuration file is or would be."""
    items: tuple[ConfigItem, ...]


STATUS: Final = Operation("status", StatusRequest, StatusResult)
POST: Final = Operation("post", PostRequest, PostResult)
READ: Final = Operation("read", ReadRequest, ReadResult)
THREAD: Final = Operation("thread", ThreadRequest, ThreadResult)
DELETE: Final = Operation("delete", DeleteRequest, DeleteResult)
EDIT: Final = Operation("edit", EditRequest, EditResult)
SHOW: Final = Operation("show", ShowRequest, ShowResult)
SEARCH: Final = Operation("search", SearchRequest, SearchResult)
FOLLOW: Final = Operation("follow", FollowRequest, FollowResult)
UNFOLLOW: Final = Operation("unfollow", UnfollowRequest, UnfollowResult)
FOLLOWS: Final = Operation("follows", FollowsRequest, FollowsResult)
FORKS: Final = Operation("forks", ForksRequest, ForksResult)
PROFILE: Final = Operation("profile", ProfileRequest, ProfileResult)
SET_PROFILE: Final = Operation("set_profile", SetProfileRequest, SetProfileResult)
NAME: Final = Operation("name", NameRequest, NameResult)
PEERS: Final = Operation("peers", PeersRequest, PeersResult)
ADD_PEER: Final = Operation("add_peer", AddPeerRequest, AddPeerResult)
REMOVE_PEER: Final = Operation("remove_peer", RemovePeerRequest, RemovePeerResult)
INVITE: Final = Operation("invite", InviteRequest, InviteResult)
PERIODS: Final = Operation("periods", PeriodsRequest, PeriodsResult)
DB_STATS: Final = Operation("db_stats", DbStatsRequest, DbStatsResult)
DB_SCRUB: Final = Operation("db_scrub", DbScrubRequest, DbScrubResult)
DB_BACKUP: Final = Operation("db_backup", DbBackupRequest, DbBackupResult)
SYNC: Final = Operation("sync", SyncRequest, SyncResult)
"""Its progress comes as `SyncEvent`s before the result."""

OPERATIONS: Final[Mapping[str, Operation[Any, Any]]] = {
    operation.name: operation
    for operation in (
        STATUS,
        POST,
        READ,
        THREAD,
        SHOW,
        DELETE,
        EDIT,
        SEARCH,
        FOLLOW,
        UNFOLLOW,
        FOLLOWS,
        FORKS,
        PROFILE,
        SET_PROFILE,
        NAME,
        PEERS,
        ADD_PEER,
        REMOVE_PEER,
        INVITE,
        PERIODS,
        DB_STATS,
        DB_SCRUB,
        DB_BACKUP,
        SYNC,
    )
}


class ErrorBody(View, frozen=True):
    """What went wrong; see ``ServiceError``."""

    code: str
    message: str
    hint: str
    exit: int
    """Exit code of the command line."""
    candidates: tuple[str, ...] = ()


class ErrorResult(Result, frozen=True):
    """The answer where an operation failed."""

    error: ErrorBody


class StreamLine(View, frozen=True):
    """One line of an answer that tells its progress: exactly one of these."""

    event: SyncEvent | None = None
    result: SyncResult | None = None
    error: ErrorBody | None = None
