"""Whether a node can do its work: its home, its keys, its database, and the machine under it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median_low
from typing import Final, Literal, TypeAlias

from .addresses import is_away, parse_address
from .client import Client
from .clock import WallClock, rfc3339
from .config import Config
from .db_operations import DB_STATS, DbStatsRequest, DbStatsResult
from .errors import Code, ServiceError
from .home import Home
from .home_results import CheckView, DoctorResult
from .machine import Machine
from .peer_operations import PEERS, STATUS, PeersRequest, PeerView, StatusRequest, StatusResult

LEAST_FREE_BYTES: Final = 64 << 20
"""With less, a commit may not fit: the write-ahead log alone takes 16 MiB."""
LITTLE_FREE_BYTES: Final = 512 << 20
FIRST_LIGHT_MS: Final = 1_767_225_600_000
"""The first moment of 2026: no machine runs this program before."""
LAST_YEAR_MS: Final = 4_102_444_800_000
"""The first moment of 2100: a clock beyond is more likely to be wrong than right."""
CLOCK_OFF_MS: Final = 60_000
"""A clock is wrong if it is further than this, and the error of measuring, from another one."""
LONG_AGO_MS: Final = 14 * 86_400_000
"""Who was not met for so long is mentioned; what a clock showed then says nothing any more."""

OpenNode: TypeAlias = Callable[[], AbstractContextManager[Client]]
"""Reaches the node of the home; raises ServiceError."""

_KEYS: Final = frozenset({Code.KEYS_LOCKED, Code.UNSAFE_HOME})
_DATABASE: Final = frozenset({Code.STORAGE, Code.INTEGRITY})


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the node says of itself."""

    status: StatusResult
    stats: DbStatsResult
    peers: Sequence[PeerView]


def examine(
    home: Home, config: Config, open_node: OpenNode, machine: Machine, *, clock: WallClock
) -> DoctorResult:
    """Look at everything that a node needs; nothing is changed."""
    answers, failure = _ask(home, open_node)
    checks = (
        _home(home, failure),
        _key(home, answers, failure),
        _database(answers, failure),
        _disk(home, machine),
        _clock(clock(), answers),
        _network(machine),
        _ports(config, machine, answers),
        _firewall(config, machine, answers),
        _multicast(machine),
        _peers(clock(), answers),
    )
    return DoctorResult(
        home=str(home.path), checks=checks, bad=sum(check.state == "bad" for check in checks)
    )


def _ask(home: Home, open_node: OpenNode) -> tuple[_Answers | None, ServiceError | None]:
    try:
        home.require()
        with open_node() as node:
            status = node.call(STATUS, StatusRequest(top=0))
            stats = node.call(DB_STATS, DbStatsRequest(top=0))
            return _Answers(status, stats, node.call(PEERS, PeersRequest()).peers), None
    except ServiceError as error:
        return None, error


def _home(home: Home, failure: ServiceError | None) -> CheckView:
    if failure is None or failure.code in _DATABASE or failure.code is Code.KEYS_LOCKED:
        return CheckView(name="home", state="ok", text=str(home.path))
    return _failed("home", failure)


def _key(home: Home, answers: _Answers | None, failure: ServiceError | None) -> CheckView:
    if failure is not None and failure.code in _KEYS:
        return _failed("key", failure)
    if failure is not None and failure.code is Code.NO_IDENTITY:
        return CheckView(name="key", state="note", text="there is none yet")
    if answers is not None and answers.status.objection:
        return CheckView(
            name="key",
            state="bad",
            text=f"this device must not sign: {answers.status.objection}",
            fixes=("slowlight key devices",),
        )
    try:
        unproven = home.keys.have_root_seed and not home.keys.words_verified_ms
    except ServiceError as error:
        return _failed("key", error)
    if unproven:
        return CheckView(
            name="key",
            state="note",
            text="here, and the 24 words were never verified",
            fixes=("slowlight key verify",),
        )
    return CheckView(name="key", state="ok", text="here, and open to you alone")


def _database(answers: _Answers | None, failure: ServiceError | None) -> CheckView:
    if failure is not None and failure.code in _DATABASE:
        return _failed("database", failure)
    if answers is None:
        return CheckView(name="database", state="note", text="could not be asked")
    status, stats = answers.status, answers.stats
    if status.own_forks:
        return CheckView(
            name="database",
            state="bad",
            text=f"{status.own_forks} of your logs are forked: a copy of this home writes too",
            fixes=("slowlight forks",),
        )
    if stats.lost_entries:
        return CheckView(
            name="database",
            state="note",
            text=f"{stats.lost_entries:,} damaged entries were taken out and are not back yet",
            fixes=("slowlight sync",),
        )
    return CheckView(
        name="database", state="ok", text=f"{status.entries:,} entries, none known to be damaged"
    )


def _disk(home: Home, machine: Machine) -> CheckView:
    place = next(each for each in (home.path, *home.path.parents) if each.exists())
    try:
        free = machine.free_bytes(place)
    except OSError as error:
        return CheckView(name="disk", state="bad", text=f"{place}: {error.strerror or error}")
    text = f"{free // 1_000_000:,} MB are free"
    if free >= LITTLE_FREE_BYTES:
        return CheckView(name="disk", state="ok", text=text)
    return CheckView(
        name="disk",
        state="bad" if free < LEAST_FREE_BYTES else "note",
        text=f"only {text}",
        fixes=(f"df -h {place}", "slowlight db stats", "slowlight db compact"),
    )


def _clock(now_ms: int, answers: _Answers | None) -> CheckView:
    set_it = ("timedatectl set-ntp true",)
    if not FIRST_LIGHT_MS <= now_ms < LAST_YEAR_MS:
        return CheckView(
            name="clock",
            state="bad",
            text=f"it shows {_date(now_ms)}, which cannot be",
            fixes=set_it,
        )
    known = [
        peer.clock
        for peer in (answers.peers if answers else ())
        if peer.clock is not None and 0 <= now_ms - peer.clock.noted_ms < LONG_AGO_MS
    ]
    if not known:
        return CheckView(name="clock", state="ok", text="no peer to compare it with")
    off = [clock.ahead_ms for clock in known if abs(clock.ahead_ms) > CLOCK_OFF_MS + clock.error_ms]
    if not off:
        return CheckView(name="clock", state="ok", text=f"agrees with {_peers_named(len(known))}")
    apart = f"{abs(median_low(off)) // 1_000:,} s"
    if 2 * len(off) > len(known) > 1:
        return CheckView(
            name="clock",
            state="bad",
            text=f"{len(off)} of {_peers_named(len(known))} are {apart} away: it is wrong",
            fixes=set_it,
        )
    return CheckView(
        name="clock",
        state="note",
        text=f"{len(off)} of {_peers_named(len(known))} differ by {apart}: one side is wrong",
        fixes=("slowlight peer list",),
    )


def _network(machine: Machine) -> CheckView:
    hosts = [host for host in machine.hosts() if not ipaddress.ip_address(host).is_loopback]
    if hosts:
        return CheckView(name="network", state="ok", text=f"this machine is {' '.join(hosts)}")
    return CheckView(
        name="network",
        state="note",
        text="there is none: posting and reading work, and peers wait for a link",
    )


def _ports(config: Config, machine: Machine, answers: _Answers | None) -> CheckView:
    running = answers is not None and answers.status.running
    addresses = answers.status.listening if answers and running else config.node.listen
    if not addresses:
        return CheckView(
            name="ports", state="note", text="nobody can call: node.listen names no address"
        )
    if not running:
        for address in addresses:
            why = machine.listen_error(address)
            if why:
                return CheckView(
                    name="ports",
                    state="bad",
                    text=f"nobody can listen on {address}: {why}",
                    fixes=("slowlight run --listen 0.0.0.0:0", "slowlight config list"),
                )
    if not any(is_away(parse_address(address, least_port=0)[0]) for address in addresses):
        return CheckView(
            name="ports",
            state="note",
            text=f"only programs of this machine can call: {' '.join(addresses)}",
            fixes=("slowlight run --listen 0.0.0.0:4242",),
        )
    said = "listening on" if running else "free:"
    return CheckView(name="ports", state="ok", text=f"{said} {' '.join(addresses)}")


def _firewall(config: Config, machine: Machine, answers: _Answers | None) -> CheckView:
    """Say what is known: from inside nobody sees whether others get through."""
    called = answers is not None and (
        any(link.direction == "in" and is_away(link.address) for link in answers.status.links)
        or any(peer.last_contact_ms and not peer.addresses for peer in answers.peers)
    )
    if called:
        return CheckView(name="firewall", state="ok", text="others have called this node")
    on = machine.firewalls()
    if not on:
        return CheckView(
            name="firewall",
            state="ok",
            text="none is known to be on here; that others get through shows when they call",
        )
    addresses = answers.status.listening if answers else ()
    ports = _ports_of(addresses or config.node.listen)
    return CheckView(
        name="firewall",
        state="note",
        text=f"{' and '.join(on)} may keep others out; nobody has called yet",
        fixes=tuple(_opening(ports, on)),
    )


def _multicast(machine: Machine) -> CheckView:
    why = machine.multicast_error()
    if not why:
        return CheckView(name="multicast", state="ok", text="this machine hears what it sends")
    return CheckView(
        name="multicast",
        state="note",
        text=f"{why}: nodes nearby are not found by themselves, invites work all the same",
        fixes=("ip link show up", "slowlight invite"),
    )


def _peers(now_ms: int, answers: _Answers | None) -> CheckView:
    if answers is None:
        return CheckView(name="peers", state="note", text="could not be asked")
    if not answers.peers:
        return CheckView(
            name="peers", state="note", text="there is none yet", fixes=("slowlight invite",)
        )
    total = _peers_named(len(answers.peers))
    if any(peer.connected for peer in answers.peers):
        connected = sum(peer.connected for peer in answers.peers)
        return CheckView(name="peers", state="ok", text=f"{connected} of {total} connected")
    last_ms = max(peer.last_contact_ms for peer in answers.peers)
    if not last_ms or now_ms - last_ms > LONG_AGO_MS:
        met = f"the last one was met {_date(last_ms)}" if last_ms else "none was ever met"
        return CheckView(
            name="peers", state="note", text=f"{total}; {met}", fixes=("slowlight sync",)
        )
    return CheckView(name="peers", state="ok", text=f"{total}, last met {_date(last_ms)}")


def _failed(name: Literal["home", "key", "database"], failure: ServiceError) -> CheckView:
    """Return what a refusal says; its hint is a command, or prose."""
    is_command = failure.hint.startswith("slowlight ")
    said = [failure.message] if is_command or not failure.hint else [failure.message, failure.hint]
    fixes = (failure.hint,) if is_command else ()
    return CheckView(name=name, state="bad", text="; ".join(said), fixes=fixes)


def _date(t_ms: int) -> str:
    """Return a moment as ``2026-03-01 12:00 UTC``."""
    written = rfc3339(t_ms)
    return f"{written[:16].replace('T', ' ')} UTC" if written else "no date at all"


def _peers_named(number: int) -> str:
    return f"{number} peer" if number == 1 else f"{number} peers"


def _ports_of(addresses: Sequence[str]) -> list[int]:
    ports = {parse_address(address, least_port=0)[1] for address in addresses}
    return sorted(ports - {0})


def _opening(ports: Sequence[int], firewalls: Sequence[str]) -> Iterator[str]:
    for port in ports:
        if "ufw" in firewalls:
            yield f"sudo ufw allow {port}/tcp"
        if "firewalld" in firewalls:
            yield f"sudo firewall-cmd --permanent --add-port={port}/tcp"
    if "firewalld" in firewalls and ports:
        yield "sudo firewall-cmd --reload"
