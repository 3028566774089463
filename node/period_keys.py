"""Period keys of this device: published ahead, found for others, erased when their time is up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from nacl.bindings import crypto_scalarmult_base

from ..protocol.content import PeriodKey, PeriodKeys, decode_content, split_payload
from ..protocol.content_fields import MAX_IDS
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.periods import erase_at_ms, key_for, period_at, period_of, periods_ahead
from ..protocol.sealing import SECRET_BYTES
from ..store.base import LogKey, LogStore
from .author import Author
from .clock import RandomBytes, WallClock, rfc3339
from .config import PrivateConfig
from .errors import Code, ServiceError
from .operation import DAY_MS
from .people_operations import PeriodsRequest, PeriodsResult, PeriodView
from .period_secrets import Held, PeriodSecret, PeriodSecrets
from .walk import newest_first

LEAP_MS: Final = 400 * DAY_MS
"""A clock that is later by more since the last look is doubted for a day before it erases."""


class Kept(NamedTuple):
    """What one look after the period keys did."""

    published: int
    erased: int


def published_keys(store: LogStore, device: bytes, now_ms: int) -> Iterator[PeriodKey]:
    """Yield the period keys that a device has published, those of its latest entry first.

    What the device published after its end does not count: see `Standing`.
    """
    for entry in newest_first(store, LogKey(device, CHANNEL_IDENTITY), now_ms):
        if entry.payload is not None:
            said = decode_content(split_payload(entry.payload), CHANNEL_IDENTITY)
            if isinstance(said, PeriodKeys):
                yield from said.keys


def current_key(store: LogStore, device: bytes, now_ms: int) -> PeriodKey | None:
    """Return the key to seal a message to a device with that is written now, or None."""
    return key_for(published_keys(store, device, now_ms), now_ms)


class PeriodKeeper:
    """Looks after the period keys of this device."""

    def __init__(
        self,
        store: LogStore,
        author: Author,
        secrets: PeriodSecrets,
        config: PrivateConfig,
        *,
        clock: WallClock,
        random_bytes: RandomBytes,
    ) -> None:
        self._store = store
        self._author = author
        self._secrets = secrets
        self._config = config
        self._clock = clock
        self._random_bytes = random_bytes

    def held(self) -> Held:
        """Return the secrets that are here; errors as for `PeriodSecrets.load`."""
        return self._secrets.load()

    def published(self) -> dict[int, PeriodKey]:
        """Return the keys that this device has published, by period; the latest word counts."""
        keys: dict[int, PeriodKey] = {}
        for key in published_keys(self._store, self._author.device, self._clock()):
            keys.setdefault(key.period, key)
        return keys

    def erase_at_ms(self, until_ms: int) -> int:
        """Return when the secret of a period that ends at ``until_ms`` is erased."""
        return erase_at_ms(
            until_ms,
            longest_delay_ms=self._config.longest_delay_days * DAY_MS,
            grace_ms=self._config.grace_days * DAY_MS,
        )

    def look_after(self, *, publish_all: bool = False) -> Kept:
        """Erase what is due, and publish keys where half of the foresight is used up.

        A secret is on the disk before its key is published: killed in between, the same key is
        published next time.

        Args:
            publish_all: publish every key of the foresight that is missing, however few.

        Raises:
            ServiceError: as for `PeriodSecrets.load` and `Author.write`.
            OSError: the disk does not take the file.
        """
        now_ms = self._clock()
        before = self._secrets.load()
        held = self._without_due(before, now_ms)
        due = self._to_publish(held, now_ms, everything=publish_all)
        known = held.by_period()
        made = [
            PeriodSecret(number, period_of(number).until_ms, self._random_bytes(SECRET_BYTES))
            for number in due
            if number not in known
        ]
        held = held.having((*held.secrets, *made))
        if held != before:
            self._secrets.save(held)
        self._publish(due, held)
        return Kept(len(due), len(before.secrets) + len(made) - len(held.secrets))

    def periods(self, request: PeriodsRequest) -> PeriodsResult:
        """Show the period keys, after publishing those that are missing if that is asked for."""
        try:
            kept = self.look_after(publish_all=True) if request.publish else Kept(0, 0)
        except OSError as error:
            raise ServiceError(
                Code.STORAGE,
                f"the secrets of period keys cannot be written: {error.strerror}",
                "make room on the disk, or make it writable",
            ) from error
        published, secrets = self.published(), self.held().by_period()
        return PeriodsResult(
            device=self._author.device.hex(),
            published=kept.published,
            periods=tuple(
                self._view(number, published.get(number), secrets.get(number))
                for number in sorted(published.keys() | secrets.keys())
            ),
        )

    def _view(self, number: int, published: PeriodKey | None, secret: bytes | None) -> PeriodView:
        month = published or period_of(number)
        from_ms, until_ms = month.from_ms, month.until_ms
        erased_ms = self.erase_at_ms(until_ms)
        return PeriodView(
            period=number,
            from_time=rfc3339(from_ms),
            from_ms=from_ms,
            until=rfc3339(until_ms),
            until_ms=until_ms,
            published=is_usable(published, secret),
            secret=secret is not None,
            erased=rfc3339(erased_ms),
            erased_ms=erased_ms,
        )

    def _without_due(self, held: Held, now_ms: int) -> Held:
        """Leave out what is no longer needed, unless the clock has leapt and is doubted."""
        leapt = held.seen_ms and now_ms > held.seen_ms + LEAP_MS
        believed = held.doubted_ms and now_ms >= held.doubted_ms + DAY_MS
        if leapt and not believed:
            doubted_ms = held.doubted_ms if 0 < held.doubted_ms <= now_ms else now_ms
            return Held(held.seen_ms, doubted_ms, held.secrets)
        kept = [one for one in held.secrets if now_ms < self.erase_at_ms(one.until_ms)]
        seen_ms = held.seen_ms if held.seen_ms // DAY_MS == now_ms // DAY_MS else now_ms
        return Held(seen_ms, 0, ()).having(kept)

    def _to_publish(self, held: Held, now_ms: int, *, everything: bool) -> list[int]:
        """Return the periods whose keys have to be published now."""
        ahead = self._config.months_ahead
        wanted = [period.number for period in periods_ahead(now_ms, ahead)]
        published, secrets = self.published(), held.by_period()
        missing = [
            number for number in wanted if not is_usable(published.get(number), secrets.get(number))
        ]
        few_left = period_at(now_ms).number in missing or len(missing) * 2 >= ahead
        return missing if missing and (everything or few_left) else []

    def _publish(self, numbers: Sequence[int], held: Held) -> None:
        secrets = held.by_period()
        keys = [
            PeriodKey(
                number,
                period_of(number).from_ms,
                period_of(number).until_ms,
                crypto_scalarmult_base(secrets[number]),
            )
            for number in numbers
        ]
        contents = [
            PeriodKeys(tuple(keys[at : at + MAX_IDS])) for at in range(0, len(keys), MAX_IDS)
        ]
        if contents:
            self._author.write(CHANNEL_IDENTITY, contents)


def is_usable(published: PeriodKey | None, secret: bytes | None) -> bool:
    """Say whether a message to the published key can be read here."""
    return (
        published is not None
        and secret is not None
        and published.box_public == crypto_scalarmult_base(secret)
    )
