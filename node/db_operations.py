"""Operations about the database of a node. The conventions are those of `operation`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from .operation import MAX_PAGE, Operation, Person, Request, Result, View


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
    header_bytes: int
    """Headers, kept signatures, keys and indexes, as quotas weigh them."""


class DbShareView(View, frozen=True):
    """What one person takes."""

    person: Person
    distance: Literal["self", "followed", "two_hops", "stranger"]
    entries: int
    payload_bytes: int
    header_bytes: int


class DbStatsResult(Result, frozen=True):
    """What takes how much room."""

    entries: int
    payload_bytes: int
    header_bytes: int
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


DB_STATS: Final = Operation("db_stats", DbStatsRequest, DbStatsResult)
DB_SCRUB: Final = Operation("db_scrub", DbScrubRequest, DbScrubResult)
DB_BACKUP: Final = Operation("db_backup", DbBackupRequest, DbBackupResult)

DB_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    DB_STATS,
    DB_SCRUB,
    DB_BACKUP,
)
