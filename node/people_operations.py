"""Operations about people: follows, profiles, names, forks and period keys.

The conventions are those of `operation`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta

from .operation import Operation, Person, Request, Result, View, Who, WhoList

FollowDepth: TypeAlias = Literal["", "everything", "newest", "headers"]
"""How much of a log is fetched: all of it, its newest entries, or no texts at all."""


class FollowRequest(Request, frozen=True):
    """Follow people: one signed entry for each who is not followed yet, or not so deep, all in one
    commit."""

    who: WhoList
    """An invite also adds its node as a peer."""
    depth: FollowDepth = ""
    """Empty: everything of whom is not followed yet, and as before of others."""
    n: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Entries of each log where the depth is ``newest``, else 0."""


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
    depth: FollowDepth
    n: int
    """Entries of each log where the depth is ``newest``, else 0."""
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
    void: bool = False
    """Whether its author has ended the log elsewhere, so that it does not count."""


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


FOLLOW: Final = Operation("follow", FollowRequest, FollowResult)
UNFOLLOW: Final = Operation("unfollow", UnfollowRequest, UnfollowResult)
FOLLOWS: Final = Operation("follows", FollowsRequest, FollowsResult)
FORKS: Final = Operation("forks", ForksRequest, ForksResult)
PROFILE: Final = Operation("profile", ProfileRequest, ProfileResult)
SET_PROFILE: Final = Operation("set_profile", SetProfileRequest, SetProfileResult)
NAME: Final = Operation("name", NameRequest, NameResult)
PERIODS: Final = Operation("periods", PeriodsRequest, PeriodsResult)

PEOPLE_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    FOLLOW,
    UNFOLLOW,
    FOLLOWS,
    FORKS,
    PROFILE,
    SET_PROFILE,
    NAME,
    PERIODS,
)
