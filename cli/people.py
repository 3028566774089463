"""``slowlight follow``, ``unfollow``, ``follows``, ``name`` and ``profile``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from .lines import Line, Span, Style, line, prose, table
from .params import complete_who, in_parts, names_from
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.operation import Person
    from ..node.people_operations import FollowDepth, FollowOutcome, FollowsResult, ProfileView
    from .shell import Shell

MOST_NEWEST: Final = 1_000_000

WHO_HELP = (
    "WHO is a name you gave, the name in a profile, a short id such as k3v9-7qpm-x2da, a whole id,"
    " or an invite; - reads one of these from each line of standard input."
)


def _read_depth(
    _context: click.Context, _option: click.Parameter, value: str
) -> tuple[FollowDepth, int]:
    """Read ``everything``, ``headers``, or how many of the newest posts; empty: as it was."""
    match value:
        case "" | "everything" | "headers":
            return value, 0
        case _ if value.isdecimal() and 1 <= int(value) <= MOST_NEWEST:
            return "newest", int(value)
        case _:
            raise click.BadParameter(
                f"{value!r} is not everything, headers, or a number up to {MOST_NEWEST:,}"
            )


@click.command(
    "follow",
    cls=Verb,
    examples=(
        "slowlight follow ada",
        "slowlight follow ada --depth 50",
        "slowlight follow - < crew.txt",
    ),
    help=(
        "Follow people: their posts are fetched and kept from now on. Follow them again to change"
        f" the depth; what is here stays.\n\n{WHO_HELP}"
    ),
)
@click.argument("who", nargs=-1, required=True, shell_complete=complete_who)
@click.option(
    "--depth",
    metavar="DEPTH",
    default="",
    callback=_read_depth,
    help="everything (as usual), headers (no texts), or how many of the newest posts.",
)
@click.pass_obj
def follow_command(shell: Shell, who: Sequence[str], depth: tuple[FollowDepth, int]) -> None:
    """Follow people."""
    from ..node.operation import MAX_WHO
    from ..node.people_operations import FOLLOW, FollowRequest, FollowResult

    with shell.node("follow") as node:
        parts = [
            node.call(FOLLOW, FollowRequest(who=part, depth=depth[0], n=depth[1])).outcomes
            for part in in_parts(names_from(who), MAX_WHO)
        ]
    result = FollowResult(outcomes=tuple(chain.from_iterable(parts)))
    shell.answer(result, _outcomes(result.outcomes, "Following", "Already following"))
    if any(outcome.changed for outcome in result.outcomes):
        shell.advise(f"Next: {shell.command('sync')}")


@click.command(
    "unfollow",
    cls=Verb,
    examples=("slowlight unfollow ada", "slowlight unfollow - < crew.txt"),
    help=f"Stop following people; what is here of them stays.\n\n{WHO_HELP}",
)
@click.argument("who", nargs=-1, required=True, shell_complete=complete_who)
@click.pass_obj
def unfollow_command(shell: Shell, who: Sequence[str]) -> None:
    """Stop following people."""
    from ..node.operation import MAX_WHO
    from ..node.people_operations import UNFOLLOW, UnfollowRequest, UnfollowResult

    with shell.node("unfollow") as node:
        parts = [
            node.call(UNFOLLOW, UnfollowRequest(who=part)).outcomes
            for part in in_parts(names_from(who), MAX_WHO)
        ]
    result = UnfollowResult(outcomes=tuple(chain.from_iterable(parts)))
    shell.answer(result, _outcomes(result.outcomes, "No longer following", "Not followed before:"))


def _outcomes(outcomes: Sequence[FollowOutcome], changed: str, unchanged: str) -> Iterator[Line]:
    for outcome in outcomes:
        done = changed if outcome.changed else unchanged
        yield line(f"{done} ", _label(outcome.person))


@click.command(
    "follows",
    cls=Verb,
    examples=("slowlight follows", "slowlight follows ada --json"),
)
@click.argument("who", default="", shell_complete=complete_who)
@click.pass_obj
def follows_command(shell: Shell, who: str) -> None:
    """List whom someone follows; without WHO, whom you follow."""
    from ..node.people_operations import FOLLOWS, FollowsRequest

    with shell.node("follows") as node:
        result = node.call(FOLLOWS, FollowsRequest(who=who))
    shell.answer(result, _follows(result), paged=True)


def _follows(result: FollowsResult) -> Iterator[Line]:
    if not result.follows:
        yield line("Nobody is followed yet.")
    for follow in result.follows:
        waiting = () if follow.held else (Span("  nothing has arrived yet", Style.FAINT),)
        shallow = {"newest": f"  newest {follow.n:,}", "headers": "  headers only"}
        depth = shallow.get(follow.depth, "")
        yield line(_label(follow.person), Span(depth, Style.FAINT), *waiting)


@click.command(
    "name",
    cls=Verb,
    examples=("slowlight name k3v9-7qpm-x2da ada", "slowlight name ada --remove"),
)
@click.argument("who", shell_complete=complete_who)
@click.argument("petname", required=False)
@click.option("--remove", is_flag=True, help="Take the name away.")
@click.pass_obj
def name_command(shell: Shell, who: str, petname: str | None, remove: bool) -> None:
    """Give someone a name that only you see; it wins over what they call themselves."""
    from ..node.people_operations import NAME, NameRequest

    if (petname is None) != remove:
        raise click.UsageError("give either a PETNAME or --remove")
    with shell.node("name") as node:
        result = node.call(NAME, NameRequest(who=who, petname=petname or ""))
    shell.answer(result, [line("Shown from now on as ", _label(result.person))])


@click.command(
    "profile",
    cls=Verb,
    examples=(
        "slowlight profile ada",
        'slowlight profile --name ada --bio "Geologist, Jezero crater" --language en --language fr',
    ),
)
@click.argument("who", required=False, shell_complete=complete_who)
@click.option("--name", help="Your name.")
@click.option("--bio", metavar="TEXT", help="A few words about you.")
@click.option("--place", metavar="PATH", help="Where you are: sol/mars/jezero.")
@click.option("--language", "languages", metavar="TAG", multiple=True, help="You read it; repeat.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="A topic of yours; repeat.")
@click.option("--link", "links", metavar="URL", multiple=True, help="A way out; repeat.")
@click.option("--automated/--not-automated", default=None, help="Whether a program writes.")
@click.pass_obj
def profile_command(shell: Shell, /, who: str | None, **fields: Any) -> None:
    """Read a profile, or change yours.

    Without WHO and options it shows yours. An option replaces what stood there before; an empty
    one ('') takes it away. What is not named stays.
    """
    given = {name: value for name, value in fields.items() if value not in (None, ())}
    if not given:
        _show_profile(shell, who or "")
    elif who is None:
        _set_profile(shell, given)
    else:
        raise click.UsageError("you can change only your own profile: leave WHO out")


def _show_profile(shell: Shell, who: str) -> None:
    from ..node.people_operations import PROFILE, ProfileRequest

    with shell.node("profile") as node:
        result = node.call(PROFILE, ProfileRequest(who=who))
    shell.answer(result, _profile(result.person, result.profile, shell.screen.width))
    if result.person.own and result.entry is None:
        shell.advise(f"Next: {shell.command('profile --name NAME')}")


def _set_profile(shell: Shell, given: dict[str, Any]) -> None:
    from ..node.people_operations import SET_PROFILE, LinkField, SetProfileRequest

    for name in ("languages", "tags", "links"):
        if name in given:
            given[name] = tuple(value for value in given[name] if value)
    if "links" in given:
        given["links"] = tuple(LinkField(url=url) for url in given["links"])
    with shell.node("profile") as node:
        result = node.call(SET_PROFILE, SetProfileRequest(**given))
    done = "Your profile now:" if result.changed else "Your profile was like this already:"
    lines = [line(done), *_profile(result.person, result.profile, shell.screen.width)]
    shell.answer(result, lines)


def _profile(person: Person, profile: ProfileView, width: int) -> Iterator[Line]:
    yield line(_label(person), " (you)" if person.own else "")
    if profile.bio:
        yield from prose(profile.bio, width, indent=2)
    yield from table(_profile_facts(person, profile), width)


def _profile_facts(person: Person, profile: ProfileView) -> Iterator[tuple[str, str]]:
    yield "identity", person.identity
    yield "name", profile.name or "(none)"
    if person.petname:
        yield "yours", f"{person.petname}, the name that you gave"
    if profile.place:
        yield "place", profile.place
    if profile.languages:
        yield "reads", ", ".join(profile.languages)
    if profile.tags:
        yield "topics", " ".join(f"#{tag}" for tag in profile.tags)
    for link in profile.links:
        yield "link", f"{link.url}  {link.title}".rstrip()
    if profile.automated:
        yield "automated", "a program writes these posts"


def _label(person: Person) -> Span:
    return Span(person.label, Style.NAME)
