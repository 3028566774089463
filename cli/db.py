"""``slowlight db``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .lines import EMPTY, Line, Span, Style, line, prose, table
from .quantities import count, size
from .verbs import VerbGroup

if TYPE_CHECKING:
    from ..node.db_operations import DbCheckResult, DbDamage, DbScrubResult, DbStatsResult
    from .shell import Shell

_DISTANCES = {
    "self": "you",
    "followed": "people you follow",
    "two_hops": "whom they follow",
    "stranger": "strangers",
}


@click.group(
    "db",
    cls=VerbGroup,
    examples=("slowlight db stats", "slowlight db backup /media/usb/node.db"),
)
def db_command() -> None:
    """Look after the database, in which everything is but the keys."""


@db_command.command("stats", examples=("slowlight db stats", "slowlight db stats --top 50"))
@click.option("--top", type=click.IntRange(0, 500), default=10, help="How many people to name.")
@click.pass_obj
def stats_(shell: Shell, top: int) -> None:
    """See what takes how much room."""
    from ..node.db_operations import DB_STATS, DbStatsRequest

    with shell.node("db stats") as node:
        result = node.call(DB_STATS, DbStatsRequest(top=top))
    shell.answer(result, _stats(result, shell.screen.width))
    if result.lost_entries:
        shell.advise(f"Next: {shell.command('sync')}")


def _stats(result: DbStatsResult, width: int) -> Iterator[Line]:
    facts = [
        (
            "entries",
            f"{result.entries:,}, their payloads {size(result.payload_bytes)},"
            f" headers and keys {size(result.header_bytes)}",
        ),
        ("database", f"{size(result.database_bytes)}, {size(result.free_bytes)} of it free"),
        ("search", f"{size(result.index_bytes)} of index in it"),
        ("log", f"{size(result.log_bytes)} of write-ahead log beside it"),
    ]
    if result.lost_entries:
        damaged = count(result.lost_entries, "entry", "entries")
        facts.append(("damage", f"{damaged} taken out, to be fetched again"))
    yield from table(facts, width, indent=0)
    yield EMPTY
    yield from table(
        [
            (
                _DISTANCES[one.distance],
                f"{count(one.entries, 'entry', 'entries')} of"
                f" {count(one.people, 'person', 'people')},"
                f" {size(one.payload_bytes + one.header_bytes)}",
            )
            for one in result.classes
        ],
        width,
        indent=0,
    )
    if result.people:
        yield EMPTY
        yield from table(
            [
                (
                    one.person.label,
                    f"{count(one.entries, 'entry', 'entries')},"
                    f" {size(one.payload_bytes + one.header_bytes)}",
                )
                for one in result.people
            ],
            width,
            indent=0,
        )


@db_command.command("check", examples=("slowlight db check", "slowlight db check --json"))
@click.pass_obj
def check_(shell: Shell) -> None:
    """Read the whole database and say whether it is sound; nothing is changed.

    Every entry is hashed again. The exit code is 6 if anything is damaged. The node must not run
    meanwhile; one that runs looks after its entries by itself, once a week.
    """
    from ..node.clock import system_clock
    from ..node.offline_upkeep import check, require_sound

    result = check(shell.home, clock=system_clock, on_progress=_progress(shell))
    _clear(shell)
    shell.answer(result, _checked(result, shell.screen.width))
    require_sound(result)


def _checked(result: DbCheckResult, width: int) -> Iterator[Line]:
    if result.sound:
        entries = count(result.entries, "entry", "entries")
        yield line(Span(f"Sound: {entries}, each as it was signed.", Style.GOOD))
        return
    for complaint in result.complaints:
        yield from prose(complaint, width)
    for one in result.named:
        yield line(f"{one.device[:16]} channel {one.channel} entry {one.seq}: {one.reason}")


@db_command.command("scrub", examples=("slowlight db scrub", "slowlight db scrub --json"))
@click.pass_obj
def scrub_(shell: Shell) -> None:
    """Hash every entry again, and take out what the disk has damaged.

    What is taken out comes back with the next sync, from any peer that holds it. A running node
    does this by itself; see storage.scrub_days.
    """
    from ..node.db_operations import DB_SCRUB, DbScrubRequest, DbScrubResult

    tell = _progress(shell)
    entries = damaged = mended = 0
    named: list[DbDamage] = []
    with shell.node("db scrub") as node:
        part = node.call(DB_SCRUB, DbScrubRequest())
        while True:
            entries, damaged = entries + part.entries, damaged + part.damaged
            mended += part.mended
            named += part.named
            tell(entries)
            if not part.next:
                break
            part = node.call(DB_SCRUB, DbScrubRequest(after=part.next))
    _clear(shell)
    result = DbScrubResult(
        next=0, entries=entries, damaged=damaged, mended=mended, named=tuple(named[:20])
    )
    shell.answer(result, _scrubbed(result))
    if damaged:
        shell.advise(f"Next: {shell.command('sync')}")


def _scrubbed(result: DbScrubResult) -> Iterator[Line]:
    entries = count(result.entries, "entry", "entries")
    if not result.damaged and not result.mended:
        yield line(Span(f"Sound: {entries}, each as it was signed.", Style.GOOD))
        return
    taken = count(result.damaged, "damaged entry", "damaged entries")
    notes = count(result.mended, "wrong note")
    yield line(Span(f"{entries}: {taken} taken out, {notes} put right.", Style.ODD))


@db_command.command("rebuild", examples=("slowlight db rebuild", "slowlight db rebuild --json"))
@click.pass_obj
def rebuild_(shell: Shell) -> None:
    """Derive timeline, threads, names and search again from the signed entries.

    Where the file itself is damaged, what can be read of it goes into a new one; the damaged one
    is kept beside it. The node must not run meanwhile.
    """
    from ..node.clock import system_clock
    from ..node.offline_upkeep import rebuild

    result = rebuild(shell.home, clock=system_clock, on_progress=_progress(shell))
    _clear(shell)
    lost = count(result.lost, "entry", "entries")
    facts = [("entries", f"{result.entries:,}")]
    if result.lost:
        facts.append(("lost", f"{lost} could not be read; sync brings back what peers hold"))
    if result.kept_aside:
        facts.append(("kept aside", result.kept_aside))
    done = [line(Span("Rebuilt.", Style.GOOD)), *table(facts, shell.screen.width)]
    shell.answer(result, done)
    if result.kept_aside:
        shell.advise(f"Next: {shell.command('sync')}")


@db_command.command(
    "backup",
    examples=("slowlight db backup node-backup.db", "slowlight db backup /media/usb/node.db"),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def backup_(shell: Shell, file: Path) -> None:
    """Copy the database to FILE while it is in use.

    Neither keys nor the 24 words are in it. Whoever has the copy reads what you can read.
    """
    from ..node.db_operations import DB_BACKUP, DbBackupRequest

    with shell.node("db backup") as node:
        result = node.call(DB_BACKUP, DbBackupRequest(path=os.fspath(file.absolute())))
    facts = [("copy", result.path), ("size", size(result.size_bytes))]
    shell.answer(result, table(facts, shell.screen.width, indent=0))
    shell.advise(
        "Neither keys nor words are in it: only the 24 words give the identity back"
        f" ({shell.command('key words')})."
    )


@db_command.command("compact", examples=("slowlight db compact", "slowlight db compact --json"))
@click.pass_obj
def compact_(shell: Shell) -> None:
    """Give the room that nothing uses any more back to the disk.

    The node must not run meanwhile, and the disk needs room for two further copies.
    """
    from ..node.offline_upkeep import compact

    result = compact(shell.home)
    shell.answer(result, [line(f"From {size(result.before_bytes)} to {size(result.after_bytes)}.")])


def _progress(shell: Shell) -> Callable[[int], None]:
    def tell(entries: int) -> None:
        if shell.screen.shows_progress and not shell.as_json:
            shell.screen.replace_last(f"{entries:,} entries looked at")

    return tell


def _clear(shell: Shell) -> None:
    if shell.screen.shows_progress and not shell.as_json:
        shell.screen.clear_last()
