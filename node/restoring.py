"""How an identity goes on at another device: 24 words, a new device, new logs."""

from __future__ import annotations

from ..protocol.hashing import short_id
from ..protocol.identity import incept
from .beginning import OpenStore, begin, open_sqlite_store, require_room
from .clock import RandomBytes, WallClock
from .home import Home
from .home_results import KeyRestoreResult
from .readmitting import check_epoch
from .root_signing import seed_of


def restore(
    home: Home,
    typed: str,
    *,
    language: str | None = None,
    label: str = "",
    place: str = "",
    epoch: int = 0,
    dry_run: bool = False,
    clock: WallClock,
    random_bytes: RandomBytes,
    open_store: OpenStore = open_sqlite_store,
) -> KeyRestoreResult:
    """Make a home for the identity of 24 words: a new device, certified by the root of epoch 0.

    The device begins logs of its own, so nothing that an earlier one has signed can be
    contradicted. What the earlier ones wrote is wanted from peers like everything of this
    identity. Interrupted, it is gone on with; done twice, it changes nothing.

    Args:
        typed: the words; ``language`` is found out if it is None.
        label, place: of the new device, as for `begin`.
        epoch: the number that was written beside the words at the last rotation; 0: none. The
            rotations themselves come from peers; see `readmitting`.
        dry_run: write nothing, and say what would be done.

    Raises:
        ServiceError: the words are no seed (``invalid``), the home holds another identity
            (``invalid``), or as for `begin`.
    """
    check_epoch(epoch)
    seed, language = seed_of(typed, language)
    identity = incept(seed).identity
    if dry_run:
        require_room(home, seed)
        created, device = not home.keys.exist, ""
    else:
        begun = begin(
            home,
            label=label,
            place=place,
            root_seed=seed,
            restored_epoch=epoch,
            clock=clock,
            random_bytes=random_bytes,
            open_store=open_store,
        )
        home.keys.note_words_verified(clock())
        created, device = begun.created, begun.device
    return KeyRestoreResult(
        home=str(home.path),
        identity=identity.hex(),
        short_id=short_id(identity),
        language=language,
        epoch=epoch,
        dry_run=dry_run,
        created=created,
        device=device,
    )
