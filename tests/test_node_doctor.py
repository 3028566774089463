"""What the doctor finds, on machines and homes that lack something."""

from __future__ import annotations

import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from slowlight.node import machine as machine_module
from slowlight.node.client import Client
from slowlight.node.config import Config, NodeConfig
from slowlight.node.db_operations import DB_STATS, DbStatsResult
from slowlight.node.direct import DirectClient
from slowlight.node.doctor import (
    CLOCK_OFF_MS,
    LEAST_FREE_BYTES,
    LITTLE_FREE_BYTES,
    LONG_AGO_MS,
    examine,
)
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home_results import CheckView, DoctorResult
from slowlight.node.machine import ThisMachine
from slowlight.node.operation import Result
from slowlight.node.peer_operations import (
    PEERS,
    STATUS,
    ClockView,
    LinkView,
    PeersResult,
    PeerView,
    StatusResult,
    SyncCounts,
)
from tests.command_line import ScriptedClient, some_peer, someone
from tests.nodes import RecordedLinks, make_home, service_of
from tests.people import START_MS

PLENTY = 10 * LITTLE_FREE_BYTES
STATS = DbStatsResult(
    entries=9,
    payload_bytes=1,
    header_bytes=1,
    database_bytes=1,
    free_bytes=0,
    log_bytes=0,
    index_bytes=0,
    lost_entries=0,
    classes=(),
    people=(),
)


@dataclass(frozen=True)
class Told:
    """A machine that answers what a test wants."""

    free: int = PLENTY
    taken: dict[str, str] = field(default_factory=dict[str, str])
    multicast: str = ""
    walls: tuple[str, ...] = ()
    own: tuple[str, ...] = ("192.0.2.2",)

    def free_bytes(self, path: Path) -> int:
        assert path.exists()
        return self.free

    def listen_error(self, address: str) -> str:
        return self.taken.get(address, "")

    def multicast_error(self) -> str:
        return self.multicast

    def firewalls(self) -> Sequence[str]:
        return self.walls

    def hosts(self) -> Sequence[str]:
        return self.own


@dataclass
class Patient:
    """A home, its machine, and what its node says."""

    path: Path
    machine: Told = field(default_factory=Told)
    config: Config = field(default_factory=Config)
    now_ms: int = START_MS
    failure: ServiceError | None = None
    answers: dict[str, Result | ServiceError] | None = None

    def __post_init__(self) -> None:
        self.made = make_home(self.path, 1, "ada")

    @contextmanager
    def open(self) -> Generator[Client]:
        """Reach its node."""
        if self.failure is not None:
            raise self.failure
        if self.answers is not None:
            yield ScriptedClient(self.answers)
        else:
            yield DirectClient(service_of(self.made, RecordedLinks()))

    def says(self, status: StatusResult, *peers: PeerView, lost: int = 0) -> None:
        """Let its node say this."""
        self.answers = {
            STATUS.name: status,
            DB_STATS.name: msgspec.structs.replace(STATS, lost_entries=lost),
            PEERS.name: PeersResult(peers=peers),
        }

    def examine(self) -> DoctorResult:
        """Let the doctor look."""
        return examine(
            self.made.home, self.config, self.open, self.machine, clock=lambda: self.now_ms
        )

    def check(self, name: str) -> CheckView:
        """What the doctor says of one thing."""
        (check,) = (each for each in self.examine().checks if each.name == name)
        return check


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A healthy node that does not run."""
    made = Patient(tmp_path / "ada")
    made.made.home.database.touch()  # its store is in memory
    made.made.home.keys.note_words_verified(START_MS)
    return made


def running(**fields: object) -> StatusResult:
    """How a running node is, unless ``fields`` say otherwise."""
    known = StatusResult(
        version="0.1.0",
        home="/home/ada",
        person=someone("ada", own=True),
        device="34" * 32,
        network="",
        running=True,
        pid=7,
        started="",
        started_ms=START_MS,
        listening=("0.0.0.0:4242",),
        links=(),
        peers=0,
        follows=0,
        unread=0,
        identities=1,
        logs=1,
        entries=9,
        posts=1,
        file_bytes=1,
        search_behind=0,
    )
    return msgspec.structs.replace(known, **fields)


def test_a_healthy_node_has_nothing_to_mend(patient: Patient) -> None:
    """All is looked at, in the order in which things depend on each other."""
    result = patient.examine()
    assert result.bad == 0
    assert [check.name for check in result.checks] == [
        "home",
        "key",
        "database",
        "disk",
        "clock",
        "network",
        "ports",
        "firewall",
        "multicast",
        "peers",
    ]
    assert {check.name: check.state for check in result.checks if check.state != "ok"} == {
        "peers": "note"
    }


def test_what_is_bad_is_counted(patient: Patient) -> None:
    """The exit code depends on it."""
    patient.machine = Told(free=0)
    patient.now_ms = 1
    assert patient.examine().bad == 2


def test_where_there_is_no_home_the_rest_is_looked_at_all_the_same(patient: Patient) -> None:
    """And what to type is said."""
    patient.made.home.database.unlink()
    home = patient.check("home")
    assert (home.state, home.fixes[0].endswith(" init")) == ("bad", True)
    assert patient.check("key").state == "note"
    assert patient.check("disk").state == "ok"
    assert patient.check("ports").state == "ok"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (Code.LOCKED, "home"),
        (Code.UNSAFE_HOME, "key"),
        (Code.KEYS_LOCKED, "key"),
        (Code.INTEGRITY, "database"),
        (Code.STORAGE, "database"),
    ],
)
def test_a_refusal_is_told_where_it_belongs(patient: Patient, code: Code, name: str) -> None:
    """With its hint: as a command if it is one, else in the words."""
    patient.failure = ServiceError(code, "it is so", "slowlight db rebuild")
    assert patient.check(name) == CheckView(
        name=name,  # type: ignore[arg-type]
        state="bad",
        text="it is so",
        fixes=("slowlight db rebuild",),
    )
    patient.failure = ServiceError(code, "it is so", "wait")
    assert (patient.check(name).text, patient.check(name).fixes) == ("it is so; wait", ())


def test_words_that_were_never_verified_are_a_note(patient: Patient) -> None:
    """As long as they can be lost."""
    patient.made.home.keys.note_words_verified(0)
    assert patient.check("key").fixes == ("slowlight key verify",)


def test_a_device_that_must_not_sign_is_bad(patient: Patient) -> None:
    """In the words of the operation that would refuse."""
    patient.says(running(objection="the home was copied"))
    assert "must not sign: the home was copied" in patient.check("key").text


def test_forks_and_damage_are_told(patient: Patient) -> None:
    """A fork of one's own is worse than entries that will come back."""
    patient.says(running(own_forks=1), lost=2)
    assert (patient.check("database").state, patient.check("database").fixes) == (
        "bad",
        ("slowlight forks",),
    )
    patient.says(running(), lost=2)
    assert (patient.check("database").state, patient.check("database").fixes) == (
        "note",
        ("slowlight sync",),
    )


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (LITTLE_FREE_BYTES, "ok"),
        (LITTLE_FREE_BYTES - 1, "note"),
        (LEAST_FREE_BYTES, "note"),
        (LEAST_FREE_BYTES - 1, "bad"),
    ],
)
def test_a_disk_that_fills_is_told_before_it_is_full(
    patient: Patient, free: int, state: str
) -> None:
    """There is time to make room."""
    patient.machine = Told(free=free)
    assert patient.check("disk").state == state


def clock(ahead_ms: int, *, error_ms: int = 0, noted_ms: int = START_MS) -> ClockView:
    """The clock of a peer."""
    return ClockView(ahead_ms=ahead_ms, error_ms=error_ms, noted="", noted_ms=noted_ms)


@pytest.mark.parametrize("now_ms", [0, 1_000, 4_200_000_000_000])
def test_a_clock_that_cannot_be_right_is_bad(patient: Patient, now_ms: int) -> None:
    """Of a machine without a battery, mostly."""
    patient.now_ms = now_ms
    assert (patient.check("clock").state, len(patient.check("clock").fixes)) == ("bad", 1)


def test_whose_clock_is_wrong_is_what_most_peers_say(patient: Patient) -> None:
    """Against one, nobody can tell; a slow link or an old note proves nothing."""
    far = CLOCK_OFF_MS + 1
    one, two, right = (
        some_peer(name, clock=clock(ahead)) for name, ahead in (("a", far), ("b", -far), ("c", 5))
    )
    for peers, state in (
        ((right,), "ok"),
        ((one,), "note"),
        ((one, right), "note"),
        ((one, two), "bad"),
        ((one, two, right), "bad"),
        ((some_peer("d", clock=clock(far, error_ms=9)),), "ok"),
        ((some_peer("e", clock=clock(far, noted_ms=START_MS - LONG_AGO_MS)),), "ok"),
        ((some_peer("f"),), "ok"),
    ):
        patient.says(running(), *peers)
        assert patient.check("clock").state == state, peers


def test_without_a_network_it_is_said_what_still_works(patient: Patient) -> None:
    """A note, for that is how these nodes live."""
    patient.machine = Told(own=("127.0.0.1",))
    assert patient.check("network").state == "note"
    patient.machine = Told(own=("192.0.2.2", "fd00::2"))
    assert "192.0.2.2 fd00::2" in patient.check("network").text


def test_a_port_that_is_taken_is_bad(patient: Patient) -> None:
    """Unless it is taken by this very node."""
    patient.machine = Told(taken={"0.0.0.0:4242": "another program has it"})
    assert "4242: another program has it" in patient.check("ports").text
    patient.says(running())
    assert patient.check("ports") == CheckView(
        name="ports", state="ok", text="listening on 0.0.0.0:4242"
    )


def test_who_listens_to_this_machine_alone_is_told(patient: Patient) -> None:
    """Or to nobody."""
    for listen in (("127.0.0.1:4242",), ("[::1]:0",), ("localhost:1",), ()):
        patient.config = Config(node=NodeConfig(listen=listen))
        assert patient.check("ports").state == "note"


def link(address: str, direction: str) -> LinkView:
    """A live link."""
    return LinkView(
        peer=someone(),
        device="11" * 32,
        address=address,
        direction=direction,  # type: ignore[arg-type]
        since="",
        since_ms=START_MS,
        in_sync=True,
        counts=SyncCounts(),
    )


def test_a_firewall_is_told_until_somebody_has_called(patient: Patient) -> None:
    """Each with the commands that open the ports; a call from this machine proves nothing."""
    patient.machine = Told(walls=("ufw", "firewalld"))
    assert patient.check("firewall").fixes == (
        "sudo ufw allow 4242/tcp",
        "sudo firewall-cmd --permanent --add-port=4242/tcp",
        "sudo firewall-cmd --reload",
    )
    for status, peers, state in (
        (running(links=(link("127.0.0.1", "in"),)), (), "note"),
        (running(links=(link("192.0.2.9", "out"),)), (), "note"),
        (running(links=(link("192.0.2.9", "in"),)), (), "ok"),
        (running(), (some_peer("bob", addresses=(), last_contact_ms=5),), "ok"),
        (running(), (some_peer("bob", last_contact_ms=5),), "note"),
    ):
        patient.says(status, *peers)
        assert patient.check("firewall").state == state


def test_without_multicast_invites_still_work(patient: Patient) -> None:
    """It is a note, with the reason."""
    patient.machine = Told(multicast="there is no network")
    check = patient.check("multicast")
    assert (check.state, check.text.startswith("there is no network: ")) == ("note", True)


def test_peers_that_were_not_met_for_long_are_told(patient: Patient) -> None:
    """Never, long ago, lately, now."""
    for peer, state in (
        (some_peer("bob"), "note"),
        (some_peer("bob", last_contact_ms=START_MS - LONG_AGO_MS - 1), "note"),
        (some_peer("bob", last_contact_ms=START_MS - LONG_AGO_MS), "ok"),
        (some_peer("bob", connected=True), "ok"),
    ):
        patient.says(running(), peer)
        assert patient.check("peers").state == state


# This machine


def test_this_machine_knows_its_disk_and_its_addresses(tmp_path: Path) -> None:
    """Nothing is changed to find out."""
    here = ThisMachine()
    assert here.free_bytes(tmp_path) > 0
    assert here.hosts()
    assert isinstance(here.multicast_error(), str)
    with pytest.raises(OSError, match="nowhere"):
        here.free_bytes(tmp_path / "nowhere")


def test_a_port_of_this_machine_is_free_or_taken() -> None:
    """By whoever listens on it now."""
    here = ThisMachine()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert here.listen_error(f"127.0.0.1:{port}") == "another program has it"
    assert here.listen_error("127.0.0.1:0") == ""
    assert here.listen_error("192.0.2.1:0") == "this machine has no such address"


def test_a_firewall_is_known_by_what_it_leaves_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules are for administrators alone."""
    ufw, firewalld = tmp_path / "ufw.conf", tmp_path / "firewalld"
    monkeypatch.setattr(machine_module, "_UFW", ufw)
    monkeypatch.setattr(machine_module, "_FIREWALLD", (firewalld,))
    here = ThisMachine()
    assert here.firewalls() == []
    ufw.write_text("# comment\nENABLED=no\n")
    assert here.firewalls() == []
    ufw.write_text("ENABLED=yes\n")
    firewalld.mkdir()
    assert here.firewalls() == ["ufw", "firewalld"]


def test_a_real_machine_can_be_examined(patient: Patient) -> None:
    """Whatever it lacks."""
    result = examine(
        patient.made.home, patient.config, patient.open, ThisMachine(), clock=lambda: START_MS
    )
    assert len(result.checks) == 10
