"""A device without the words: it asks, is answered, begins; and every way to mix that up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slowlight.node.beginning import begin
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.home import Home
from slowlight.node.home_results import InitResult
from slowlight.node.joining import answer_asking, ask, read_asking, take_answer
from slowlight.node.key_operations import (
    ANSWER,
    ENACT,
    PLAN_ROTATION,
    AnswerRequest,
    EnactRequest,
    KeyAnswerResult,
    PlanRotationRequest,
)
from slowlight.node.keys import KeyFiles
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.restoring import restore
from slowlight.node.root_signing import sign_plan
from slowlight.node.service import Service
from slowlight.node.vault import LEAST
from slowlight.protocol.ident import verify_ident
from slowlight.protocol.joining import JoinAnswer, read_answer, write_answer
from slowlight.protocol.words import words_from_seed
from tests.nodes import (
    NodeHome,
    OpenMemoryStore,
    RecordedLinks,
    make_home,
    seeded,
    service_of,
)
from tests.people import START_MS


def machine(path: Path, seed: int) -> NodeHome:
    """A machine on which nothing has begun."""
    random_bytes = seeded(seed)
    return NodeHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)


def asked(made: NodeHome, label: str = "laptop") -> str:
    """The code with which a machine asks."""
    return ask(made.home, label=label, place="sol/earth", random_bytes=made.random_bytes).code


def answered(service: Service, made: NodeHome, code: str) -> KeyAnswerResult:
    """What the machine with the words answers."""
    request = read_asking(code)
    answer = service.call(ANSWER, AnswerRequest(device=request.device.hex()))
    return answer_asking(answer, request, made.home.keys.root_seed, START_MS)


def taken(made: NodeHome, code: str) -> InitResult:
    """Let a machine begin with an answer."""
    return take_answer(
        made.home,
        code,
        clock=made.clock,
        random_bytes=made.random_bytes,
        open_store=made.open_store,
    )


@pytest.fixture
def ada(tmp_path: Path) -> NodeHome:
    """The machine with the words."""
    return make_home(tmp_path / "ada", 1, "ada")


@pytest.fixture
def service(ada: NodeHome) -> Service:
    """Its node."""
    return service_of(ada, RecordedLinks())


def test_a_machine_joins_without_the_words(tmp_path: Path, ada: NodeHome, service: Service) -> None:
    """It writes as the same person, holds no seed, and each step done twice changes nothing."""
    laptop = machine(tmp_path / "laptop", 2)
    code = asked(laptop)
    assert asked(laptop) == code
    with pytest.raises(ServiceError, match="waits for the answer") as waiting:
        laptop.home.require()
    assert "key add-device --answer" in waiting.value.hint
    answer = answered(service, ada, code)
    assert (answer.label, answer.place, answer.already) == ("laptop", "sol/earth", False)
    begun = taken(laptop, answer.code)
    assert (begun.created, begun.person.identity) == (True, service.identity.hex())
    assert not taken(laptop, answer.code).created
    assert not laptop.home.request.exists()
    assert not laptop.home.keys.have_root_seed
    assert not (laptop.home.secrets / "root.seed").exists()
    with pytest.raises(ServiceError, match="the words are not on this machine") as absent:
        laptop.home.keys.root_seed()
    assert absent.value.exit is Exit.NOTHING
    post = service_of(laptop, RecordedLinks()).call(POST, PostRequest(text="here too")).post
    assert post.author.identity == service.identity.hex()


def test_nothing_makes_a_second_seed(tmp_path: Path, ada: NodeHome, service: Service) -> None:
    """Neither init nor restore, before the answer or after it, and no passphrase that changes."""
    laptop = machine(tmp_path / "laptop", 2)
    code = asked(laptop)
    words = " ".join(words_from_seed(ada.home.keys.root_seed(), "english"))

    def init() -> InitResult:
        return begin(
            laptop.home,
            clock=laptop.clock,
            random_bytes=laptop.random_bytes,
            open_store=laptop.open_store,
        )

    def from_words() -> object:
        return restore(
            laptop.home,
            words,
            clock=laptop.clock,
            random_bytes=laptop.random_bytes,
            open_store=laptop.open_store,
        )

    with pytest.raises(ServiceError, match="waits for the answer"):
        init()
    with pytest.raises(ServiceError, match="waits for the answer"):
        from_words()
    taken(laptop, answered(service, ada, code).code)
    assert not init().created
    with pytest.raises(ServiceError, match="without the words"):
        from_words()
    device = laptop.home.keys.device_keys()
    KeyFiles(laptop.home.secrets, cost=LEAST).set_passphrase("correct horse", seeded(4))
    locked = KeyFiles(laptop.home.secrets, lambda: "correct horse", cost=LEAST)
    assert {path.name for path in laptop.home.secrets.iterdir()} == {"vault"}
    assert not locked.have_root_seed
    assert locked.device_keys() == device
    with pytest.raises(ServiceError, match="not on this machine"):
        locked.root_seed()
    locked.remove_passphrase()
    assert laptop.home.keys.device_keys() == device
    assert not laptop.home.keys.have_root_seed


def test_the_words_can_leave_a_machine(ada: NodeHome) -> None:
    """From plain files, and from under a passphrase; the device key stays."""
    keys = KeyFiles(ada.home.secrets, lambda: "correct horse", cost=LEAST)
    device, seed = keys.device_keys(), keys.root_seed()
    keys.set_passphrase("correct horse", seeded(4))
    assert keys.root_seed() == seed
    assert keys.forget_root_seed(seeded(5))
    assert not keys.forget_root_seed(seeded(6))
    assert (keys.have_root_seed, keys.device_keys()) == (False, device)
    keys.remove_passphrase()
    assert (keys.have_root_seed, keys.device_keys()) == (False, device)
    assert not (ada.home.secrets / "root.seed").exists()


def test_words_that_should_be_gone_go_when_that_was_interrupted(ada: NodeHome) -> None:
    """The mark is written first: killed behind it, the seed counts as gone and is removed."""
    (ada.home.secrets / "root.absent").write_text("\n")
    assert not ada.home.keys.have_root_seed
    ada.home.keys.device_keys()
    assert not (ada.home.secrets / "root.seed").exists()


def test_a_device_that_is_certified_gets_its_certificate_again(
    tmp_path: Path, ada: NodeHome, service: Service
) -> None:
    """Without the words, when the machine with the words has heard of it."""
    laptop = machine(tmp_path / "laptop", 2)
    code = asked(laptop)
    taken(laptop, answered(service, ada, code).code)
    ident = laptop.store.ident(service.identity)
    assert ident is not None
    ada.store.ingest([verify_ident(ident)], received_ms=START_MS, via="own")
    request = read_asking(code)
    answer = service.call(ANSWER, AnswerRequest(device=request.device.hex()))
    again = answer_asking(answer, request, never, START_MS)
    assert again.already
    assert not taken(laptop, again.code).created


def never() -> bytes:
    """Stand for words that must not be asked for."""
    pytest.fail("the words were asked for")


def test_after_a_rotation_the_answer_brings_it_along(
    tmp_path: Path, ada: NodeHome, service: Service
) -> None:
    """The new device can prove which root key certified it."""
    plan = service.call(PLAN_ROTATION, PlanRotationRequest())
    service.call(ENACT, EnactRequest(records=(sign_plan(plan, ada.home.keys.root_seed()),)))
    laptop = machine(tmp_path / "laptop", 2)
    assert taken(laptop, answered(service, ada, asked(laptop)).code).created
    ident = laptop.store.ident(service.identity)
    assert ident is not None
    assert len(ident.records) == 1


def test_codes_are_mixed_up(tmp_path: Path, ada: NodeHome, service: Service) -> None:
    """Another device's answer, one of another identity, a request where an answer belongs."""
    laptop, phone = machine(tmp_path / "laptop", 2), machine(tmp_path / "phone", 3)
    to_laptop = answered(service, ada, asked(laptop)).code
    to_phone = answered(service, ada, asked(phone, "phone")).code
    taken(laptop, to_laptop)
    bob = make_home(tmp_path / "bob", 4, "bob")
    by_bob = answered(service_of(bob, RecordedLinks()), bob, asked(machine(tmp_path / "x", 2)))
    invite = "slowlight:abc"
    refusals: list[tuple[Callable[[], object], Code, str, str]] = [
        (lambda: taken(phone, to_laptop), Code.INVALID, "for another device", "take it there"),
        (lambda: taken(laptop, to_phone), Code.INVALID, r"for another device.*phone", "take it"),
        (lambda: taken(laptop, by_bob.code), Code.INVALID, "belongs to another", "empty home"),
        (lambda: taken(phone, asked(phone)), Code.INVALID, "must begin with", "is a request"),
        (lambda: read_asking(to_phone), Code.INVALID, "must begin with", "is an answer"),
        (lambda: read_asking(invite), Code.INVALID, "must begin with", "is an invite"),
        (lambda: taken(phone, to_phone[:-9]), Code.INVALID, "missing or altered", "shown again"),
        (lambda: asked(laptop), Code.INVALID, "holds an identity already", "empty home"),
        (lambda: asked(ada), Code.INVALID, "holds an identity already", "empty home"),
        (
            lambda: taken(machine(tmp_path / "new", 9), to_phone),
            Code.INVALID,
            "has asked for nothing",
            "--request",
        ),
    ]
    for attempt, code, said, hint in refusals:
        with pytest.raises(ServiceError, match=said) as caught:
            attempt()
        assert caught.value.code is code
        assert hint in caught.value.hint
    assert taken(phone, to_phone).created


def test_a_certificate_by_the_wrong_key_is_refused(
    tmp_path: Path, ada: NodeHome, service: Service
) -> None:
    """The words of another identity certify nobody; a forged answer is an integrity error."""
    laptop = machine(tmp_path / "laptop", 2)
    request = read_asking(asked(laptop))
    answer = service.call(ANSWER, AnswerRequest(device=request.device.hex()))
    with pytest.raises(ServiceError, match="words of another identity"):
        answer_asking(answer, request, lambda: bytes(32), START_MS)
    good = read_answer(answered(service, ada, asked(laptop)).code)
    forged = JoinAnswer(good.inception, (), good.certificate._replace(signature=bytes(64)))
    with pytest.raises(ServiceError, match="signature of a certificate") as caught:
        taken(laptop, write_answer(forged))
    assert caught.value.exit is Exit.INTEGRITY
    assert laptop.store.ident(service.identity) is None


def test_an_interrupted_beginning_is_gone_on_with(
    tmp_path: Path, ada: NodeHome, service: Service
) -> None:
    """Killed after the entry was committed, and before: the same answer finishes it."""
    laptop = machine(tmp_path / "laptop", 2)
    code = answered(service, ada, asked(laptop)).code
    laptop.store.is_full = True
    with pytest.raises(Exception, match="disk full"):
        taken(laptop, code)
    laptop.store.is_full = False
    assert laptop.home.request.exists()
    taken(laptop, code)
    laptop.home.installation.unlink()
    laptop.home.request.write_text("as if it were still waiting\n")
    laptop.home.request.chmod(0o600)
    assert not taken(laptop, code).created
    assert laptop.home.installation.exists()
    assert not laptop.home.request.exists()
