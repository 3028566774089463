"""Private messages of this node: for whom, under which keys, and by what they are opened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..protocol.content import SealedPlaintext
from ..protocol.content_sealed import Sealed
from ..protocol.entry import EMPTY_LOG, LogHead
from ..protocol.hashing import ZERO_HASH
from ..protocol.noise import KeyPair as BoxKey
from ..protocol.sealing import (
    PERIOD_OF_BOX_KEY,
    SECRET_BYTES,
    Place,
    Recipient,
    open_sealed,
    seal,
)
from ..store.base import Device, HeldEntry, NodeStore
from .clock import RandomBytes
from .errors import Code, ServiceError
from .period_keys import current_key
from .period_secrets import PeriodSecrets


class Addressed(NamedTuple):
    """The devices that a message is for, and which of them have no valid period key."""

    recipients: list[Recipient]
    without_key: list[Device]
    """They can only be reached by the box key of their certificate, which is never erased:
    such a message has no forward secrecy."""


def address(store: NodeStore, identities: Iterable[bytes], now_ms: int) -> Addressed:
    """Choose the key of each device of some people.

    Raises:
        ServiceError: somebody has no device that is known here (``not_found``).
    """
    addressed = Addressed([], [])
    for identity in dict.fromkeys(identities):
        devices = _open_devices(store, identity)
        if not devices:
            raise ServiceError(
                Code.NOT_FOUND,
                "no device of this person is known here",
                "slowlight follow WHO, and try again after the next sync",
            )
        for device in devices:
            key = current_key(store, device.device, now_ms)
            if key is None:
                addressed.without_key.append(device)
            else:
                addressed.recipients.append(Recipient(device.device, key.period, key.box_public))
    return addressed


def _open_devices(store: NodeStore, identity: bytes) -> list[Device]:
    standing = store.standing(identity)
    if standing is None:
        return []
    known = standing.devices
    return [
        one for one in store.devices(identity) if one.device in known and known[one.device].open
    ]


def by_box_key(devices: Iterable[Device]) -> list[Recipient]:
    """Return recipients without forward secrecy; the person was warned and wants it so."""
    return [Recipient(one.device, PERIOD_OF_BOX_KEY, one.box_public) for one in devices]


class Sealer:
    """Seals and opens in the name of one device."""

    def __init__(
        self,
        device: bytes,
        box: BoxKey,
        secrets: PeriodSecrets,
        *,
        random_bytes: RandomBytes,
    ) -> None:
        self._device = device
        self._box = box
        self._secrets = secrets
        self._random_bytes = random_bytes

    def seal(
        self,
        content: bytes,
        recipients: list[Recipient],
        *,
        channel: int,
        head: LogHead = EMPTY_LOG,
        seen: tuple[bytes, ...] = (),
    ) -> Sealed:
        """Seal content for the entry that comes behind ``head``.

        Args:
            content: encoded, of a kind that may be sealed.
            head: newest entry of the own log of ``channel``; the seal is valid only as the
                next one.

        Raises:
            ServiceError: the message is too long, or for too many devices (``invalid``).
        """
        plaintext = SealedPlaintext(
            device=self._device,
            channel=channel,
            seq=head.seq + 1,
            prev=head.id if head.seq >= 0 else ZERO_HASH,
            recipients=tuple(recipient.device for recipient in recipients),
            content=content,
            seen=seen,
        )
        try:
            return seal(
                plaintext,
                recipients,
                ephemeral_secret=self._random_bytes(SECRET_BYTES),
                message_key=self._random_bytes(SECRET_BYTES),
            )
        except ValueError as error:
            raise ServiceError(Code.INVALID, str(error), "shorten it, or name fewer people") from (
                error
            )

    def open(self, sealed: Sealed, held: HeldEntry) -> SealedPlaintext | None:
        """Read a sealed message that an entry carries; None if it is for others.

        Raises:
            IntegrityError: it was copied from elsewhere or sealed anew for others.
            ServiceError: as for `PeriodSecrets.load`.
        """
        secrets = {**self._secrets.load().by_period(), PERIOD_OF_BOX_KEY: self._box.private}
        place = Place(held.log.device, held.log.channel, held.entry.seq, held.prev)
        return open_sealed(sealed, secrets, device=self._device, place=place)
