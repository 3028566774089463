"""How an identity goes on at another device: 24 words, a new device, new logs."""

from __future__ import annotations

from ..protocol.hashing import short_id
from ..protocol.identity import incept
from ..protocol.words import WordLanguageError, WordsError, seed_from_words
from .beginning import OpenStore, begin, open_sqlite_store, require_room
from .clock import RandomBytes, WallClock
from .errors import Code, ServiceError
from .home import Home
from .operations import KeyRestoreResult


def restore(
    home: Home,
    typed: str,
    *,
    language: str | None = None,
    label: str = "",
    place: str = "",
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
        dry_run: write nothing, and say what would be done.

    Raises:
        ServiceError: the words are no seed (``invalid``), the home holds another identity
            (``invalid``), or as for `begin`.
    """
    try:
        seed, language = seed_from_words(typed, language)
    except WordsError as error:
        fits_two = isinstance(error, WordLanguageError)
        raise ServiceError(
            Code.INVALID,
            str(error),
            "--words-in names the language" if fits_two else "nothing was written; try again",
        ) from error
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
        dry_run=dry_run,
        created=created,
        device=device,
    )
