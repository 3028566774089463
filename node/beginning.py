"""How a node begins: keys, an identity, its first entries; and the words that give it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..protocol.content import CertificateRecord, Profile, encode_content, make_payload
from ..protocol.entry import CHANNEL_IDENTITY, EMPTY_LOG, SALT_BYTES, sign_entry, write_entry
from ..protocol.hashing import ZERO_HASH
from ..protocol.ident import Ident, RecordKind, VerifiedIdent, verify_ident
from ..protocol.identity import (
    MAX_LABEL_BYTES,
    MAX_PLACE_BYTES,
    Certificate,
    Inception,
    SignedRecord,
    incept,
    root_key,
    sign_certificate,
)
from ..protocol.run import build_run
from ..protocol.words import words_from_seed
from ..store.base import OWN, NodeStore, StoreError
from .author import Author
from .clock import RandomBytes, WallClock
from .errors import Code, ServiceError, storage_error
from .files import write_whole
from .home import Home
from .home_results import InitResult, KeyWordsResult
from .keys import DeviceKeys
from .names import check_own_line
from .pen import Pen
from .readmitting import note_restored
from .views import Views

OpenStore: TypeAlias = Callable[[Home], NodeStore]
Records: TypeAlias = Sequence[tuple[RecordKind, SignedRecord]]


def open_sqlite_store(home: Home) -> NodeStore:
    """Open the database of a home, making it if it is not there, for its owner alone.

    Raises:
        ServiceError: ``storage``.
    """
    from ..store.sqlite import SqliteStore
    from ..store.sqlite_salvage import finish_rebuild

    finish_rebuild(home.database)
    new = not home.database.exists()
    if new:
        home.database.touch(mode=0o600)  # unused tokens of invites and petnames stand in it
    try:
        return SqliteStore(home.database)
    except StoreError as error:
        if new:  # its name may never be on the disk, whatever that says later
            home.database.unlink(missing_ok=True)
        raise storage_error(error) from error


def open_sqlite_to_read(home: Home) -> NodeStore:
    """Open the database of a home that cannot be written.

    Raises:
        ServiceError: ``storage``.
    """
    from ..store.sqlite import SqliteStore

    try:
        return SqliteStore(home.database, read_only=True)
    except StoreError as error:
        raise storage_error(error) from error


def open_own_store(home: Home, open_store: OpenStore) -> NodeStore:
    """Open the store of a home, and make sure that it is the one that the home began with.

    With an empty or foreign database the node would forget what it has signed, and sign
    other entries under the same numbers: everyone could prove that it lies.

    Raises:
        ServiceError: ``integrity``: it is another one; ``storage``.
    """
    store = open_store(home)
    noted = home.installation.read_bytes() if home.installation.exists() else None
    if noted in (None, f"{store.nonce.hex()}\n".encode()):
        return store
    store.close()
    raise ServiceError(
        Code.INTEGRITY,
        f"{home.database} is not the database that this home began with: it was lost or replaced",
        "put it back, or begin anew from your 24 words: slowlight --home DIR key restore",
    )


def begin(
    home: Home,
    *,
    name: str = "",
    label: str = "",
    place: str = "",
    root_seed: bytes | None = None,
    restored_epoch: int | None = None,
    clock: WallClock,
    random_bytes: RandomBytes,
    open_store: OpenStore = open_sqlite_store,
) -> InitResult:
    """Make a home with an identity, or go on where an earlier attempt was interrupted.

    Args:
        name: name for the profile; empty: no profile yet.
        label: name of this device in its certificate, which everyone can read; at most 64 bytes.
        place: where the account is created, as a path; at most 128 bytes.
        root_seed: of an identity that goes on here with a new device; None: a new identity.
        restored_epoch: the epoch that was written beside its words; None with a new identity.

    Raises:
        ServiceError: the home is in use or holds another identity than the one of
            ``root_seed``, its secrets are open to others, or an argument is too long.
    """
    if len(label.encode()) > MAX_LABEL_BYTES or len(place.encode()) > MAX_PLACE_BYTES:
        raise ServiceError(
            Code.INVALID,
            f"a label has at most {MAX_LABEL_BYTES} bytes, a place {MAX_PLACE_BYTES}",
            "shorten it",
        )
    for what, text in (("name", name), ("label", label), ("place", place)):
        check_own_line(what, text)
    profile = _profile(name)
    home.make()
    with home.lock("slowlight init"):
        if root_seed is not None:
            require_room(home, root_seed)
        elif home.installation.exists() and not home.keys.exist:
            raise ServiceError(
                Code.INTEGRITY,
                f"an identity began in {home.path}, and its keys are missing",
                "put its keys directory back, or begin anew from your 24 words:"
                " slowlight --home DIR key restore",
            )
        keys, seed = home.keys.make(random_bytes, root_seed)
        store = open_own_store(home, open_store)
        try:
            created = store.identity_of(keys.device) is None
            if created:
                if seed is None:
                    raise home.waiting()
                ident = _first_ident(keys, seed, label, place, clock(), random_bytes(SALT_BYTES))
                store.ingest([ident], received_ms=clock(), via=OWN)
            if restored_epoch is not None and created:
                note_restored(store, restored_epoch)
            if not home.installation.exists():
                write_whole(home.installation, store.nonce.hex())
            author = Author(
                store,
                keys,
                clock=clock,
                random_bytes=random_bytes,
                on_written=_nobody_to_tell,
                may_sign=Pen(home, store, keys.device).require,
            )
            if profile is not None and store.profile(author.identity) is None:
                author.write(CHANNEL_IDENTITY, [profile])
            return InitResult(
                home=str(home.path),
                created=created,
                person=Views(store, author.identity).person(author.identity),
                device=keys.device.hex(),
            )
        finally:
            store.close()


def require_room(home: Home, root_seed: bytes) -> None:
    """Require a home without an identity, or one with this very identity.

    Raises:
        ServiceError: ``invalid``, or as for `KeyFiles.root_seed`.
    """
    if home.keys.exist and not home.keys.have_root_seed:
        if home.request.exists():
            raise home.waiting()
        message = f"{home.path} is a device already, one without the words"
    elif home.keys.exist:
        if home.keys.root_seed() == root_seed:
            return
        message = f"{home.path} holds another identity already"
    elif home.database.exists():
        message = f"{home.path} holds the database of an identity whose keys are missing"
    else:
        return
    raise ServiceError(
        Code.INVALID, message, "choose an empty home: slowlight --home DIR key restore"
    )


def key_words(home: Home, language: str) -> KeyWordsResult:
    """Return the 24 words of a home's identity.

    They are read from the file, never through the API: no program that may talk to the node
    needs them.

    Args:
        language: ``english`` or ``french``.

    Raises:
        ServiceError: the seed is not here, open to others, or damaged.
        ValueError: there is no list of words in this language.
    """
    seed = home.keys.root_seed()
    return KeyWordsResult(
        identity=incept(seed).identity.hex(),
        language=language,
        words=tuple(words_from_seed(seed, language)),
    )


def _profile(name: str) -> Profile | None:
    try:
        return Profile(name=name) if name else None
    except ValueError as error:
        raise ServiceError(Code.INVALID, str(error), "shorten it") from error


def _first_ident(
    keys: DeviceKeys, seed: bytes, label: str, place: str, now_ms: int, salt: bytes
) -> VerifiedIdent:
    """Return the identity of a seed with this device as its first, and the entry that says so."""
    inception = incept(seed)
    certificate = Certificate(
        identity=inception.identity,
        epoch=0,
        device=keys.device,
        box_public=keys.box.public,
        from_ms=now_ms,
        label=label,
        place=place,
    )
    record = sign_certificate(root_key(seed, 0), certificate)
    return ident_of_device(keys, inception, (), record, now_ms, salt)


def ident_of_device(
    keys: DeviceKeys,
    inception: Inception,
    records: Records,
    certificate: SignedRecord,
    now_ms: int,
    salt: bytes,
) -> VerifiedIdent:
    """Return an identity with one device that takes its certificate on, in its entry 0.

    Args:
        records: those that prove the root key which signed the certificate.
        salt: 16 random bytes.

    Raises:
        DecodeError, IntegrityError: certificate or records prove nothing.
    """
    entry = write_entry(
        keys.device,
        CHANNEL_IDENTITY,
        EMPTY_LOG,
        payload=make_payload(salt, encode_content(CertificateRecord(*certificate))),
        t_ms=now_ms,
    )
    signature = sign_entry(keys.signing.secret, entry.id)
    run = build_run(keys.device, CHANNEL_IDENTITY, ZERO_HASH, [entry], signature)
    return verify_ident(Ident(inception, tuple(records), (run,)))


def _nobody_to_tell() -> None:
    """No link is up yet."""
