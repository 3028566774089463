"""Period keys: published ahead, found by others, erased when their time is up."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from nacl.bindings import crypto_scalarmult_base

from slowlight.node.author import Author
from slowlight.node.config import PrivateConfig
from slowlight.node.errors import Code, ServiceError
from slowlight.node.operation import DAY_MS
from slowlight.node.people_operations import PeriodsRequest
from slowlight.node.period_keys import PeriodKeeper, current_key, published_keys
from slowlight.node.period_secrets import PERIODS_FILE, PeriodSecrets
from slowlight.node.sealer import Sealer, address, by_box_key
from slowlight.protocol.content import (
    PeriodKey,
    Post,
    decode_content,
    decode_sealed_content,
    encode_content,
    split_payload,
)
from slowlight.protocol.content_sealed import Sealed
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_PRIVATE
from slowlight.protocol.errors import IntegrityError
from slowlight.protocol.periods import (
    MAX_PERIOD,
    erase_at_ms,
    key_for,
    period_at,
    period_of,
    periods_ahead,
)
from slowlight.store.base import HeldEntry, LogKey
from tests.nodes import NodeHome, make_home
from tests.people import START_MS, Person
from tests.stores import take

CONFIG: Final = PrivateConfig(months_ahead=6, longest_delay_days=10, grace_days=5)
KEPT_MS: Final = 25 * DAY_MS
MARCH_2030: Final = 723


@dataclass
class Holder:
    """Someone with a home and the keys of its periods."""

    made: NodeHome
    author: Author
    secrets: PeriodSecrets
    keeper: PeriodKeeper

    @property
    def sealer(self) -> Sealer:
        """What seals and opens for this device."""
        keys = self.made.home.keys.device_keys()
        return Sealer(keys.device, keys.box, self.secrets, random_bytes=random.Random(7).randbytes)

    def at(self, now_ms: int) -> None:
        """Set the clock."""
        self.made.clock.now_ms = now_ms


def holder(path: Path, seed: int, config: PrivateConfig = CONFIG) -> Holder:
    """Make a home with an identity."""
    made = make_home(path, seed, "ada")
    keys = made.home.keys.device_keys()
    chance = random.Random(seed).randbytes
    author = Author(
        made.store, keys, clock=made.clock, random_bytes=chance, on_written=lambda: None
    )
    secrets = PeriodSecrets(made.home.secrets, keys.box.private, chance)
    keeper = PeriodKeeper(
        made.store, author, secrets, config, clock=made.clock, random_bytes=chance
    )
    return Holder(made, author, secrets, keeper)


@pytest.fixture
def ada(tmp_path: Path) -> Holder:
    """Ada, in March 2030."""
    return holder(tmp_path / "ada", 1)


# --- Months ----------------------------------------------------------------------------------


def test_months_meet_without_gap() -> None:
    """From the first to the last that a calendar can name."""
    for number in (1, 2, 12, 13, MARCH_2030, MAX_PERIOD - 1):
        assert period_of(number).until_ms == period_of(number + 1).from_ms
        assert period_at(period_of(number).from_ms).number == number
        assert period_at(period_of(number).until_ms - 1).number == number
    assert period_of(1).from_ms == 0
    assert period_at(START_MS).number == MARCH_2030


@pytest.mark.parametrize("number", [0, -1, MAX_PERIOD + 1])
def test_a_month_beyond_the_calendar_is_refused(number: int) -> None:
    """Its number is wrong, wherever it came from."""
    with pytest.raises(ValueError, match="months are counted"):
        period_of(number)


def test_clocks_beyond_the_calendar_have_its_last_month() -> None:
    """A claim of the year 40,000 crashes nobody."""
    assert period_at(2**62).number == MAX_PERIOD
    assert [one.number for one in periods_ahead(2**62, 5)] == [MAX_PERIOD]
    assert period_at(-5).number == 1


def test_the_latest_word_about_a_period_counts() -> None:
    """And a key that was withdrawn is none."""
    month = period_of(MARCH_2030)
    old, new = (
        PeriodKey(MARCH_2030, month.from_ms, month.until_ms, bytes([n]) * 32) for n in (1, 2)
    )
    assert key_for([new, old], START_MS) == new
    withdrawn = PeriodKey(MARCH_2030, month.from_ms, month.from_ms, bytes(32))
    assert key_for([withdrawn, old], START_MS) is None
    assert key_for([old], month.until_ms) is None
    assert key_for([], START_MS) is None


def test_a_secret_outlives_its_month_by_twice_the_delay_and_grace() -> None:
    """The key was known one delay late, and the message takes another."""
    assert erase_at_ms(1_000, longest_delay_ms=50, grace_ms=7) == 1_107


# --- Publishing and erasing ------------------------------------------------------------------


def test_keys_are_published_ahead_and_renewed_when_half_are_used_up(ada: Holder) -> None:
    """One entry twice in the foresight, not one a month."""
    assert ada.keeper.look_after().published == 6
    assert [*ada.keeper.published()] == list(range(MARCH_2030, MARCH_2030 + 6))
    assert ada.keeper.look_after().published == 0
    ada.at(period_of(MARCH_2030 + 2).from_ms)
    assert ada.keeper.look_after().published == 0
    ada.at(period_of(MARCH_2030 + 3).from_ms)
    assert ada.keeper.look_after().published == 3
    assert ada.keeper.periods(PeriodsRequest(publish=True)).published == 0
    ada.at(period_of(MARCH_2030 + 4).from_ms)
    assert ada.keeper.periods(PeriodsRequest(publish=True)).published == 1


def test_a_secret_is_erased_when_nothing_can_be_on_its_way(ada: Holder) -> None:
    """To the millisecond, and the published key stays in the log."""
    ada.keeper.look_after()
    gone_ms = period_of(MARCH_2030).until_ms + KEPT_MS
    ada.at(gone_ms - 1)
    assert ada.keeper.look_after().erased == 0
    ada.at(gone_ms)
    assert ada.keeper.look_after().erased == 1
    assert MARCH_2030 not in ada.secrets.load().by_period()
    assert MARCH_2030 in ada.keeper.published()
    view = ada.keeper.periods(PeriodsRequest()).periods[0]
    assert (view.period, view.published, view.secret) == (MARCH_2030, False, False)


def test_a_clock_that_leaps_erases_nothing_for_a_day(ada: Holder) -> None:
    """Thirty years later by a mistake of the clock, and right again an hour after."""
    ada.keeper.look_after()
    before = ada.secrets.load().secrets
    leap_ms = START_MS + 30 * 365 * DAY_MS
    for now_ms in (leap_ms, leap_ms + DAY_MS - 1, START_MS + 1):
        ada.at(now_ms)
        assert ada.keeper.look_after().erased == 0
        assert set(before) <= set(ada.secrets.load().secrets)
    ada.at(leap_ms)
    ada.keeper.look_after()
    ada.at(leap_ms + DAY_MS)
    assert ada.keeper.look_after().erased == 6


def test_nothing_is_published_where_nobody_wants_it(tmp_path: Path) -> None:
    """Zero months ahead: messages use the box key, after a warning."""
    ada = holder(tmp_path, 1, PrivateConfig(months_ahead=0))
    assert ada.keeper.look_after().published == 0
    assert ada.keeper.published() == {}


def test_killed_between_secret_and_entry_the_same_key_is_published(ada: Holder) -> None:
    """No key is published whose secret is not on the disk."""
    ada.made.store.is_full = True
    with pytest.raises(Exception, match="disk full"):
        ada.keeper.look_after()
    written = ada.secrets.load().by_period()
    assert len(written) == 6
    ada.made.store.is_full = False
    assert ada.keeper.look_after().published == 6
    for number, key in ada.keeper.published().items():
        assert key.box_public == crypto_scalarmult_base(written[number])


def test_a_lost_file_means_new_keys(ada: Holder) -> None:
    """What was sealed to the old ones is lost; the next messages can be read."""
    ada.keeper.look_after()
    (ada.made.home.secrets / PERIODS_FILE).unlink()
    assert ada.keeper.look_after().published == 6
    assert all(view.published for view in ada.keeper.periods(PeriodsRequest()).periods)


def test_the_file_of_secrets_is_its_owners_and_says_when_it_is_damaged(ada: Holder) -> None:
    """Cut short, changed, another device's, or open to others."""
    ada.keeper.look_after()
    path = ada.made.home.secrets / PERIODS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    whole = path.read_bytes()
    secret = ada.secrets.load().secrets[0].secret
    assert secret not in bytes.fromhex(whole.decode())
    assert secret.hex() not in repr(ada.secrets.load())
    for damaged in (whole[: len(whole) // 2], b"\n", b"zz\n", whole.replace(whole[:2], b"0f", 1)):
        path.write_bytes(damaged)
        with pytest.raises(ServiceError, match="is damaged") as caught:
            ada.secrets.load()
        assert caught.value.code is Code.INTEGRITY
    path.write_bytes(whole)
    stranger = PeriodSecrets(ada.made.home.secrets, bytes(32), random.Random(1).randbytes)
    with pytest.raises(ServiceError, match="another device"):
        stranger.load()
    path.chmod(0o644)
    with pytest.raises(ServiceError, match="others on this machine") as caught:
        ada.secrets.load()
    assert "chmod 600" in caught.value.hint


# --- Messages --------------------------------------------------------------------------------


def hand_over(giver: Holder, taker: Holder) -> None:
    """Let one store know everything of the other's owner, as sync would."""
    store, key = giver.made.store, LogKey(giver.author.device, CHANNEL_IDENTITY)
    ident = store.ident(giver.author.identity)
    assert ident is not None
    from slowlight.protocol.ident import verify_ident

    head = store.head(key)
    run = store.read_run(key, 0, head.seq, end_known=False, max_bytes=60_000, now_ms=0)
    assert run is not None
    take(taker.made.store, verify_ident(ident), run)


def carried(holder: Holder, sealed: Sealed) -> HeldEntry:
    """Write a seal into channel 2 and return the entry as a reader holds it."""
    (entry,) = holder.author.write(CHANNEL_PRIVATE, [sealed])
    held = holder.made.store.entry(entry.id)
    assert held is not None
    return held


def test_a_message_is_sealed_to_the_month_and_unreadable_when_it_is_over(tmp_path: Path) -> None:
    """Ada writes to Bob; Bob reads it until the secret of March is erased."""
    ada, bob = holder(tmp_path / "ada", 1), holder(tmp_path / "bob", 2)
    bob.keeper.look_after()
    hand_over(bob, ada)
    addressed = address(ada.made.store, [bob.author.identity], START_MS)
    assert addressed.without_key == []
    assert [one.period for one in addressed.recipients] == [MARCH_2030]
    head = ada.made.store.head(LogKey(ada.author.device, CHANNEL_PRIVATE))
    content = encode_content(Post("Come soon."))
    sealed = ada.sealer.seal(content, addressed.recipients, channel=CHANNEL_PRIVATE, head=head)
    held = carried(ada, sealed)
    payload = held.entry.payload
    assert payload is not None
    arrived = decode_content(split_payload(payload), CHANNEL_PRIVATE)
    assert arrived == sealed
    assert held.entry.seen == ()

    found = bob.sealer.open(sealed, held)
    assert found is not None
    assert decode_sealed_content(found.content) == Post("Come soon.")
    assert ada.sealer.open(sealed, held) is None
    again = carried(ada, sealed)
    with pytest.raises(IntegrityError, match="copied from another entry"):
        bob.sealer.open(sealed, again)
    bob.at(period_of(MARCH_2030).until_ms + KEPT_MS)
    bob.keeper.look_after()
    assert bob.sealer.open(sealed, held) is None


def test_without_a_valid_period_key_the_writer_is_told(tmp_path: Path) -> None:
    """Bob has published nothing: the box key serves whoever insists."""
    ada, bob = holder(tmp_path / "ada", 1), holder(tmp_path / "bob", 2)
    hand_over(bob, ada)
    addressed = address(ada.made.store, [bob.author.identity], START_MS)
    assert addressed.recipients == []
    assert [one.device for one in addressed.without_key] == [bob.author.device]
    sealed = ada.sealer.seal(
        encode_content(Post("Anyway.")),
        by_box_key(addressed.without_key),
        channel=CHANNEL_PRIVATE,
    )
    assert bob.sealer.open(sealed, carried(ada, sealed)) is not None
    with pytest.raises(ServiceError) as caught:
        address(ada.made.store, [bytes(32)], START_MS)
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ServiceError, match="at most 31,999 fit"):
        ada.sealer.seal(bytes(32_000), by_box_key(addressed.without_key), channel=CHANNEL_PRIVATE)


def test_keys_are_read_from_the_log_the_latest_entry_first(ada: Holder) -> None:
    """Also from a log with holes and stubs, and from one that says nothing of keys."""
    store = ada.made.store
    bob = Person(5)
    take(store, bob.verified_ident())
    assert current_key(store, bob.device, START_MS) is None
    ada.keeper.look_after()
    ada.at(period_of(MARCH_2030 + 3).from_ms)
    ada.keeper.look_after()
    numbers = [key.period for key in published_keys(store, ada.author.device, START_MS)]
    assert numbers == [*range(MARCH_2030 + 6, MARCH_2030 + 9), *range(MARCH_2030, MARCH_2030 + 6)]
