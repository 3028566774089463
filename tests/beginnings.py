"""The ways in which a home begins, in processes that faults happen to, and what must hold then.

What is acknowledged they say: ``begun IDENTITY DEVICE``, and ``asked DEVICE`` where the code of a
new device was shown, which somebody has typed elsewhere since.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from slowlight.node.beginning import begin
from slowlight.node.client import open_client
from slowlight.node.clock import RandomBytes
from slowlight.node.config import Config
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.joining import ask, take_answer
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.restoring import restore
from slowlight.protocol.identity import Certificate, incept, root_key, sign_certificate
from slowlight.protocol.joining import JoinAnswer, write_answer
from slowlight.protocol.words import words_from_seed
from tests.children import Say
from tests.nodes import StoodClock
from tests.people import START_MS
from tests.remains import examine

SEED: Final = bytes(32)
"""Behind the words of whoever has an identity already."""

Begin: TypeAlias = Callable[[Home, RandomBytes, Say], None]


@dataclass(frozen=True)
class Beginning:
    """One way to begin; done again after any fault it goes on, or does nothing."""

    begin: Begin
    secrets: frozenset[str]
    """Names of the files that are there in the end."""
    has_seed: bool
    """Whether the seed is `SEED`."""

    def __call__(self, home: Home, say: Say) -> None:
        """Begin with new chance."""
        self.begin(home, os.urandom, say)

    def check(self, home: Home, said: Sequence[str]) -> None:
        """Whoever was named stays, no secret lies under another name, and the home is used."""
        device = home.keys.device_keys().device
        identity = incept(SEED if self.has_seed else home.keys.root_seed()).identity
        begun = f"begun {identity.hex()} {device.hex()}"
        assert set(said) <= {begun, f"asked {device.hex()}"}, "another one than was named"
        assert begun in said
        assert {path.name for path in home.secrets.iterdir()} == self.secrets
        with open_client(home, Config(), "a test") as client:
            post = client.call(POST, PostRequest(text="First light", client_key="first"))
        remains = examine(home.database, [identity], client_keys=["first"])
        assert remains.client_keys == {"first": bytes.fromhex(post.post.id)}


def _init(home: Home, random_bytes: RandomBytes, say: Say) -> None:
    done = begin(home, name="ada", clock=StoodClock(), random_bytes=random_bytes)
    say(f"begun {done.person.identity} {done.device}")


def _restore(home: Home, random_bytes: RandomBytes, say: Say) -> None:
    words = words_from_seed(SEED, "english")
    done = restore(home, " ".join(words), clock=StoodClock(), random_bytes=random_bytes)
    say(f"begun {done.identity} {home.keys.device_keys().device.hex()}")


def _join(home: Home, random_bytes: RandomBytes, say: Say) -> None:
    """Ask and take the answer; as a person does who types both again after a fault."""
    try:
        asked = ask(home, label="", place="", random_bytes=random_bytes)
    except ServiceError as error:
        if error.code is not Code.INVALID:
            raise
    else:
        say(f"asked {asked.device}")
    keys = home.keys.device_keys()
    inception = incept(SEED)
    certificate = Certificate(
        inception.identity, 0, keys.device, keys.box.public, START_MS, label="", place=""
    )
    record = sign_certificate(root_key(SEED, 0), certificate)
    answer = write_answer(JoinAnswer(inception, (), record))
    done = take_answer(home, answer, clock=StoodClock(), random_bytes=random_bytes)
    say(f"begun {done.person.identity} {done.device}")


_KEYS: Final = frozenset({"device.key", "box.key"})
BEGINNINGS: Final[Mapping[str, Beginning]] = {
    "init": Beginning(_init, _KEYS | {"root.seed"}, has_seed=False),
    "restore": Beginning(_restore, _KEYS | {"root.seed", "words-verified"}, has_seed=True),
    "join": Beginning(_join, _KEYS | {"root.absent"}, has_seed=True),
}
