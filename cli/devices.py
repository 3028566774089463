"""``slowlight key devices``, ``revoke``, ``rotate``, ``accept`` and ``forget-words``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, flow, line, prose
from .quantities import count, date
from .verbs import Verb
from .words import LANGUAGES, typed_words

if TYPE_CHECKING:
    from ..node.key_operations import (
        DevicesResult,
        DeviceView,
        EndView,
        PlannedDevice,
        RecordPlan,
    )
    from .shell import Shell

_CHANNELS: Final = {0: "profile and follows", 1: "posts", 2: "private", 3: "groups"}
_STATES: Final = {
    "open": Span("writes", Style.GOOD),
    "ended": Span("ended", Style.ODD),
    "forgotten": Span("forgotten", Style.BAD),
}

words_language = click.option(
    "--words-in",
    "language",
    type=click.Choice(LANGUAGES),
    help="List of the words; found out if it is not given.",
)
_source = click.argument("source", metavar="[-]", required=False)
_yes = click.option("--yes", is_flag=True, help="Do not ask before entries become void.")
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done; sign nothing.")


@click.command(
    "devices", cls=Verb, examples=("slowlight key devices", "slowlight key devices --json")
)
@click.pass_obj
def devices_(shell: Shell) -> None:
    """List the devices of your identity, and what stands of each.

    A device that ended wrote what it wrote until then; of a forgotten one nothing stands, until
    "slowlight key accept" readmits it.
    """
    from ..node.key_operations import DEVICES, DevicesRequest

    with shell.node("key devices") as node:
        result = node.call(DEVICES, DevicesRequest())
    shell.answer(result, _listed(result, shell.screen.width))
    if result.expected_epoch:
        shell.advise(
            f"A rotation is missing here: the words were at epoch {result.expected_epoch}."
            f" Next: {shell.command('sync')}"
        )
    own = next((one for one in result.devices if one.this), None)
    if own is not None and own.state == "forgotten":
        shell.advise(f"Next: {shell.command(f'key accept {own.short_id}')}")


def _listed(result: DevicesResult, width: int) -> Iterator[Line]:
    yield line(
        Span(result.person.label, Style.NAME),
        f"  {count(len(result.devices), 'device')}, epoch {result.epoch}",
    )
    for one in result.devices:
        yield EMPTY
        yield from flow(_facts(one), width)
        if one.state == "ended":
            yield from prose(f"stands: {_stretch(one.ends)}", width, indent=2)


def _facts(one: DeviceView) -> Iterator[Span]:
    yield Span(one.short_id, Style.STRONG)
    if one.label:
        yield Span(one.label, Style.NAME)
    if one.this:
        yield Span("this machine", Style.STRONG)
    yield _STATES[one.state]
    if one.place:
        yield Span(f"at {one.place}")
    yield Span(f"since {date(one.since_ms)}", Style.FAINT)
    yield Span(_admitted(one), Style.FAINT)


def _admitted(one: DeviceView) -> str:
    by_rotation = {"named": ", named by the rotation", "accepted": ", readmitted"}
    return f"certified in epoch {one.epoch}{by_rotation.get(one.admission, '')}"


def _stretch(ends: tuple[EndView, ...]) -> str:
    named = [
        f"{_CHANNELS.get(end.channel, f'channel {end.channel}')} up to entry {end.seq}"
        for end in ends
    ]
    return ", ".join(named) if named else "only its certificate"


@click.command(
    "revoke",
    cls=Verb,
    examples=(
        "slowlight key revoke phone",
        "slowlight key revoke phone --from 4kd7-0w3e-bb12 --dry-run",
        "slowlight key revoke phone - < words.txt",
    ),
)
@click.argument("device")
@_source
@click.option(
    "--from",
    "from_entries",
    metavar="ENTRY",
    multiple=True,
    help="First entry that does not stand; repeat for another channel.",
)
@words_language
@_yes
@_dry_run
@click.pass_obj
def revoke_(
    shell: Shell,
    device: str,
    source: str | None,
    from_entries: tuple[str, ...],
    language: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Close a device that was lost or stolen.

    What is here of it stands, and nothing that it writes from now on; with --from it ends before
    that entry, and the other channels before whatever claims to be as late. The root key signs:
    the words are asked for, or read with -, if they are not on this machine. Everybody who hears
    of it decides alike. Within an epoch nothing reopens the device, only a rotation can.
    """
    from ..node.key_operations import PLAN_REVOCATION, PlanRevocationRequest

    request = PlanRevocationRequest(device=device, from_entries=from_entries)
    with shell.node("key revoke") as node:
        plan = node.call(PLAN_REVOCATION, request)
    seed = root_seed(shell, source, language)
    _carry_out(shell, plan, seed, yes=yes, dry_run=dry_run)


@click.command(
    "accept",
    cls=Verb,
    examples=("slowlight key accept attic", "slowlight key accept attic --until 4kd7-0w3e-bb12"),
)
@click.argument("device")
@_source
@click.option(
    "--until",
    metavar="ENTRY",
    multiple=True,
    help="Last entry that stands; it does not go on writing. Repeat for another channel.",
)
@words_language
@_dry_run
@click.pass_obj
def accept_(
    shell: Shell,
    device: str,
    source: str | None,
    until: tuple[str, ...],
    language: str | None,
    dry_run: bool,
) -> None:
    """Readmit a device that a rotation did not name.

    It stands again with all that it wrote, and goes on. The root key signs, as for "key revoke".
    """
    from ..node.key_operations import PLAN_ACCEPT, PlanAcceptRequest

    with shell.node("key accept") as node:
        plan = node.call(PLAN_ACCEPT, PlanAcceptRequest(device=device, until=until))
    seed = root_seed(shell, source, language)
    _carry_out(shell, plan, seed, yes=True, dry_run=dry_run)


@click.command(
    "rotate",
    cls=Verb,
    examples=(
        "slowlight key rotate --dry-run",
        "slowlight key rotate --end phone",
        "slowlight key rotate - --leave-out phone --yes < words.txt",
    ),
)
@_source
@click.option(
    "--leave-out", metavar="DEVICE", multiple=True, help="Nothing that it wrote stands; repeat."
)
@click.option(
    "--end", metavar="DEVICE", multiple=True, help="What is here of it stands, no more; repeat."
)
@click.option(
    "--reopen",
    metavar="DEVICE",
    multiple=True,
    help="It goes on, and all that it wrote stands; repeat.",
)
@words_language
@_yes
@_dry_run
@click.pass_obj
def rotate_(
    shell: Shell,
    source: str | None,
    leave_out: tuple[str, ...],
    end: tuple[str, ...],
    reopen: tuple[str, ...],
    language: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Replace the root key, and void all that the old one signed.

    Do it when somebody else may have the root key. The 24 words stay the same; they are always
    typed, or read from standard input with -, because they give the one key that may sign this.
    The rotation names every device that stands: those that write go on, those that ended stay
    ended. What it does not name is void until "key accept" readmits it.
    """
    from ..node.key_operations import PLAN_ROTATION, PlanRotationRequest

    request = PlanRotationRequest(leave_out=leave_out, end=end, reopen=reopen)
    with shell.node("key rotate") as node:
        plan = node.call(PLAN_ROTATION, request)
    seed = _typed_seed(shell, source, language)
    if _carry_out(shell, plan, seed, yes=yes, dry_run=dry_run):
        shell.advise(f"Write beside your 24 words: {plan.epoch}. They stay the same.")


@click.command(
    "forget-words",
    cls=Verb,
    examples=("slowlight key forget-words", "slowlight key forget-words --json"),
)
@_yes
@click.pass_obj
def forget_words_(shell: Shell, yes: bool) -> None:
    """Take the words off this machine: from now on they are on paper alone.

    Whoever steals the machine then has its device key, which can neither certify nor revoke nor
    rotate. "slowlight key verify" should have found that you have the words.
    """
    from ..node.errors import Code, ServiceError
    from ..node.key_operations import KeyForgetResult

    home = shell.home
    home.require()
    with home.lock("slowlight key forget-words"):
        if home.keys.have_root_seed and not home.keys.words_verified_ms and not yes:
            raise ServiceError(
                Code.INVALID,
                "nobody has proven yet to have the 24 words; without them a lost machine is the"
                " end of this identity",
                shell.command("key verify"),
            )
        home = home.having_asked()
        changed = home.keys.forget_root_seed(os.urandom)
    result = KeyForgetResult(home=str(home.path), changed=changed)
    done = "are off this machine." if changed else "were not on this machine; nothing was changed."
    shell.answer(result, [line(f"The words {done}")])


# Signing

Seed = Callable[[], bytes]


def _typed_seed(shell: Shell, source: str | None, language: str | None) -> Seed:
    def seed() -> bytes:
        from ..node.root_signing import seed_of

        return seed_of(typed_words(shell, source), language)[0]

    return seed


def root_seed(shell: Shell, source: str | None, language: str | None) -> Seed:
    """Return what gets the root seed: words that are read, else the home, else the person."""
    if source is None and shell.home.keys.have_root_seed:
        return shell.home.keys.root_seed
    return _typed_seed(shell, source, language)


def _carry_out(shell: Shell, plan: RecordPlan, seed: Seed, *, yes: bool, dry_run: bool) -> bool:
    """Show a plan, let the person confirm what it voids, sign it and hand it in.

    Returns:
        Whether something was signed.
    """
    from ..node.key_operations import ENACT, EnactRequest, KeyRecordResult
    from ..node.root_signing import sign_plan

    width = shell.screen.width
    if plan.already or dry_run:
        result = KeyRecordResult(dry_run=dry_run, plan=plan, changed=False)
        shell.answer(result, _planned(plan, width))
        return False
    _confirm(shell, plan, yes=yes)
    record = sign_plan(plan, seed())
    with shell.node(f"key {plan.kind}") as node:
        enacted = node.call(ENACT, EnactRequest(records=(record,)))
    result = KeyRecordResult(dry_run=False, plan=plan, changed=enacted.changed)
    shell.answer(result, _done(plan, width))
    return enacted.changed


def _confirm(shell: Shell, plan: RecordPlan, *, yes: bool) -> None:
    """Let the person confirm what cannot be taken back.

    Raises:
        ServiceError: there is nobody to ask (``invalid``).
        click.Abort: they do not want it.
    """
    warnings = list(_warnings(plan))
    if not warnings or yes:
        return
    from ..node.errors import Code, ServiceError

    if not shell.screen.talks_to_person or shell.as_json:
        raise ServiceError(
            Code.INVALID,
            "; ".join(warnings),
            "--dry-run shows what would become void; --yes does it without asking",
        )
    for warning in warnings:
        shell.screen.tell(*prose(f"Careful: {warning}.", shell.screen.width, style=Style.ODD))
    click.confirm("Sign it?", abort=True, err=True)


def _warnings(plan: RecordPlan) -> Iterator[str]:
    what = {"revoke": "revocation", "rotate": "rotation"}.get(plan.kind, plan.kind)
    for one in plan.devices:
        named = one.label or one.short_id
        if one.void:
            yield (
                f"a {what} in the past of accepted entries: {count(one.void, 'entry', 'entries')}"
                f" of {named} that this node has accepted would become void"
            )
        if one.this and one.before == "open" and one.after != "open":
            yield f"{named} is the device that you type on: it could not write any more"


def _planned(plan: RecordPlan, width: int) -> Iterator[Line]:
    if plan.already:
        yield line("It is so already; nothing was signed.")
    else:
        yield line(Span("Nothing was signed.", Style.STRONG), " Without --dry-run:")
    if plan.kind == "rotate":
        yield line(f"The root key of epoch {plan.epoch} takes over.", indent=2)
    yield from _said(plan, width)
    for warning in _warnings(plan):
        yield from prose(f"Careful: {warning}.", width, indent=2, style=Style.ODD)


def _done(plan: RecordPlan, width: int) -> Iterator[Line]:
    done = {
        "revoke": "Revoked. Whoever hears of it decides alike.",
        "rotate": f"Rotated: the root key of epoch {plan.epoch} has taken over.",
        "accept": "Readmitted.",
    }[plan.kind]
    yield line(Span(done, Style.GOOD))
    yield from _said(plan, width)


def _said(plan: RecordPlan, width: int) -> Iterator[Line]:
    for one in plan.devices:
        yield from flow(_change(one), width, indent=2)
        if one.after == "ended":
            yield from prose(f"stands: {_stretch(one.ends)}", width, indent=4)


def _change(one: PlannedDevice) -> Iterator[Span]:
    yield Span(one.short_id, Style.STRONG)
    if one.label:
        yield Span(one.label, Style.NAME)
    if one.this:
        yield Span("this machine")
    if one.before == one.after == "ended" and one.void:
        yield Span("ends earlier", Style.ODD)
    elif one.before == one.after:
        yield Span({"open": "goes on writing", "ended": "stays ended"}.get(one.after, "stays void"))
    else:
        after = {"open": "writes again, all of it stands", "ended": "ends"}.get(
            one.after, "is left out"
        )
        yield Span(after, Style.ODD if one.after != "open" else Style.GOOD)
    if one.void:
        becomes = "becomes" if one.void == 1 else "become"
        yield Span(f"{count(one.void, 'entry', 'entries')} {becomes} void", Style.BAD)
