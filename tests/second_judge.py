"""A second judge of what stands, written from ``docs/protocol/identity.md`` alone.

It imports nothing of the package, and answers each question by going through all records again
instead of keeping what they come to. Where it and the package disagree, one of them misreads the
page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from tests.second_decoder import RefusedError, read_value

_CONTEXTS: Final = {1: b"sl-cert-1", 2: b"sl-rotate-1", 3: b"sl-revoke-1", 4: b"sl-accept-1"}
_FIELDS: Final = {1: 8, 2: 8, 3: 5, 4: 6}
_DEVICES: Final = 64


class Told(NamedTuple):
    """A record as it came."""

    kind: int
    body: bytes
    signature: bytes

    @property
    def hash(self) -> bytes:
        return _hash(b"sl.record", self.body)

    @property
    def fields(self) -> list[Any]:
        """The fields, or nothing if the body is malformed."""
        fields = _array(self.body)
        return fields if len(fields) == _FIELDS[self.kind] else []


@dataclass(frozen=True)
class SecondJudge:
    """Everything that a reader holds about one identity."""

    inception: bytes
    told: Sequence[Told]

    @property
    def identity(self) -> bytes:
        return _hash(b"sl.inception", self.inception)

    def by_kind(self, kind: int) -> list[Told]:
        """The records of a kind that name this identity, by hash."""
        ours = [
            each
            for each in self.told
            if each.kind == kind and each.fields and each.fields[1] == self.identity
        ]
        return sorted(ours, key=lambda each: each.hash)

    @cached_property
    def chain(self) -> list[Told]:
        """The rotations of the chain."""
        chain: list[Told] = []
        *_, committed = self._begin()
        name = self.identity
        while True:
            for rotation in self.by_kind(2):
                _, _, epoch, key, _, predecessor, following, _ = rotation.fields
                if (
                    (predecessor, epoch) == (name, len(chain) + 1)
                    and _hash(b"sl.commit", b"\x92\x01\xc4\x20" + key) == committed
                    and _signed(rotation, key)
                ):
                    chain.append(rotation)
                    name, committed = rotation.hash, following
                    break
            else:
                return chain

    def root(self, epoch: int) -> bytes | None:
        """The root key of an epoch."""
        _, first, _ = self._begin()
        keys = [first, *(rotation.fields[4] for rotation in self.chain)]
        return keys[epoch] if epoch < len(keys) else None

    def proven(self, kind: int, *, now: bool) -> list[Told]:
        """Records of a kind that the root key of their epoch signed, perhaps only current ones."""
        epoch = len(self.chain)
        return [
            each
            for each in self.by_kind(kind)
            if (not now or each.fields[2] == epoch) and _signed(each, self.root(each.fields[2]))
        ]

    def certificate(self, device: bytes) -> Told | None:
        """The certificate of a device that counts."""
        ours = [each for each in self.proven(1, now=False) if each.fields[3] == device]
        return max(ours, key=lambda each: each.fields[2], default=None)  # the first: lower hash

    def admission(self, certificate: Told) -> int:
        """0 named, 1 accepted, 2 certified, 3 forgotten."""
        device = certificate.fields[3]
        if any(named[0] == device for named in self._named()):
            return 0
        if certificate.fields[2] == len(self.chain):
            return 2
        accepted = any(each.fields[3] == device for each in self.proven(4, now=True))
        return 1 if accepted else 3

    @cached_property
    def admitted(self) -> dict[bytes, tuple[int, Told]]:
        """The devices for which there is room."""
        ranked: list[tuple[int, bytes, bytes, Told]] = []
        for device in {each.fields[3] for each in self.proven(1, now=False)}:
            certificate = self.certificate(device)
            if certificate is not None:
                admission = self.admission(certificate)
                ranked.append((admission, certificate.hash, device, certificate))
        ranked.sort(key=lambda each: each[:2])
        return {device: (admission, told) for admission, _, device, told in ranked[:_DEVICES]}

    def judge(
        self, device: bytes, channel: int, seq: int, entry_id: bytes
    ) -> tuple[str, bytes | None]:
        """Whether an entry stands, or why not, and the hash of the record to show."""
        if device not in self.admitted:
            return "stranger", None
        admission, _ = self.admitted[device]
        ends = [] if admission == 3 else list(self._ends(device, channel, admission))
        if (channel, seq) == (0, 0) or (admission != 3 and not ends):
            return "stands", None
        if admission == 3:
            return "forgotten", self.chain[-1].hash
        last, shown, end_id = min(ends)
        if seq > last:
            return "ended", shown
        off = seq == last and entry_id != end_id
        return ("off branch", shown) if off else ("stands", None)

    def _begin(self) -> tuple[int, bytes, bytes]:
        return 1, self.inception[4:36], self.inception[38:70]

    def _named(self) -> list[Any]:
        chain = self.chain
        return list(chain[-1].fields[7]) if chain else []

    def _ends(
        self, device: bytes, channel: int, admission: int
    ) -> Iterable[tuple[int, bytes, bytes]]:
        """Each end that a word sets for a channel: seq (-1: empty), hash of the record, id."""
        words: list[tuple[Told, int, list[Any]]] = [
            (each, 0, each.fields[4])
            for each in self.proven(3, now=True)
            if each.fields[3] == device
        ]
        if admission == 0:
            words += [(self.chain[-1], *named[1:]) for named in self._named() if named[0] == device]
        if admission == 1:
            accepts = [each for each in self.proven(4, now=True) if each.fields[3] == device]
            words += [(each, each.fields[4], each.fields[5]) for each in accepts]
        for told, still_open, ends in words:
            if not still_open:
                by_channel = {end[0]: (end[1], told.hash, end[2]) for end in ends}
                yield by_channel.get(channel, (-1, told.hash, b""))


@cache
def _array(body: bytes) -> list[Any]:
    try:
        value = read_value(body, 32_000)
    except RefusedError:
        return []
    return list(value) if isinstance(value, list) else []


def _hash(person: bytes, data: bytes) -> bytes:
    return blake2b(data, digest_size=32, person=person).digest()


@cache
def _signed(told: Told, key: bytes | None) -> bool:
    if key is None or len(told.signature) != 64:
        return False
    try:
        VerifyKey(key).verify(_CONTEXTS[told.kind] + told.body, told.signature)
    except BadSignatureError:
        return False
    return True
