"""A second decoder: inceptions, records, and what IDENT proves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nacl.signing import SigningKey

from tests.second_content import read_content
from tests.second_decoder import (
    LARGEST_SEQ,
    LARGEST_TIME,
    RefusedError,
    UnprovenError,
    Value,
    expect,
    is_bytes,
    is_signed,
    is_uint,
    items,
    named,
    read_run,
    read_value,
    rises,
    tagged,
    text,
    write,
)
from tests.second_runs import open_run

_MOST_BYTES: Final = 32_000
_CONTEXTS: Final = {
    "certificate": "sl-cert-1",
    "rotation": "sl-rotate-1",
    "revocation": "sl-revoke-1",
    "accept": "sl-accept-1",
}
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TYPED: Final = {"i": "1", "l": "1", "o": "0"}
_KINDS: Final = {2: "rotation", 3: "revocation", 4: "accept"}


def read_inception(data: bytes) -> dict[str, Any]:
    """Read an inception."""
    fields = named(read_value(data, 70), "version root_public next_commitment")
    expect(fields["version"] == 1)
    expect(is_bytes(fields["root_public"], 32) and is_bytes(fields["next_commitment"], 32))
    return fields


def read_certificate(data: bytes) -> dict[str, Any]:
    """Read the body of a certificate."""
    fields = _begin(data, "device box_public from_ms label place")
    expect(is_bytes(fields["device"], 32) and is_bytes(fields["box_public"], 32))
    expect(is_uint(fields["from_ms"], LARGEST_TIME))
    fields["label"] = text(fields["label"], 64)
    fields["place"] = text(fields["place"], 128)
    return fields


def read_rotation(data: bytes) -> dict[str, Any]:
    """Read the body of a rotation."""
    names = "rotation_public root_public predecessor next_commitment"
    fields = _begin(data, f"{names} devices")
    expect(fields["epoch"] >= 1)
    expect(all(is_bytes(fields[name], 32) for name in names.split()))
    devices = [named(each, "device open ends") for each in items(fields["devices"], 64)]
    for device in devices:
        expect(is_bytes(device["device"], 32))
        _check_ends(device)
    expect(rises([device["device"] for device in devices]))
    return fields


def read_revocation(data: bytes) -> dict[str, Any]:
    """Read the body of a revocation."""
    fields = _begin(data, "device ends")
    expect(is_bytes(fields["device"], 32))
    _check_ends({"open": 0, **fields})
    return fields


def read_accept(data: bytes) -> dict[str, Any]:
    """Read the body of an accept."""
    fields = _begin(data, "device open ends")
    expect(is_bytes(fields["device"], 32))
    _check_ends(fields)
    return fields


READERS: Final[dict[str, Callable[[bytes], dict[str, Any]]]] = {
    "inception": read_inception,
    "certificate": read_certificate,
    "rotation": read_rotation,
    "revocation": read_revocation,
    "accept": read_accept,
}


def verify_record(kind: str, body: bytes, signature: bytes, key: bytes) -> dict[str, Any]:
    """Read a record that a root key has to have signed, or a rotation that fits a commitment."""
    fields = READERS[kind](body)
    if kind == "rotation":
        committed, key = key, fields["rotation_public"]
        if commitment(key) != committed:
            raise UnprovenError("by another rotation key than the committed one")
    if not is_signed(_CONTEXTS[kind], body, signature, key):
        raise UnprovenError("not signed by its key")
    return {**fields, "hash": tagged("sl.record", body)}


def read_ident(data: bytes) -> dict[str, Any]:
    """Read an IDENT body: form first, then the four steps of the page."""
    inception, records, entries = _read_ident_form(data)
    identity = tagged("sl.inception", inception)
    begun: dict[str, Any] = {"hash": identity, "epoch": 0, **read_inception(inception)}
    rotations = _verify_rotations(begun, [each for each in records if each[0] == "rotation"])
    chain = [begun]
    while following := [each for each in rotations if each["predecessor"] == chain[-1]["hash"]]:
        chain.append(min(following, key=lambda each: each["hash"]))
    keys = [link["root_public"] for link in chain]
    contested = min(
        (
            each["epoch"]
            for each in rotations
            if keys[each["epoch"] : each["epoch"] + 1] != [each["root_public"]]
        ),
        default=2**16,
    )

    def stands(kind: str, body: bytes, signature: bytes) -> dict[str, Any] | None:
        """A record that its root key signed; nothing if it is void."""
        fields = READERS[kind](body)
        if fields["identity"] != identity:
            raise UnprovenError("names another identity")
        epoch = fields["epoch"]
        if epoch < len(keys) and is_signed(_CONTEXTS[kind], body, signature, keys[epoch]):
            return fields
        if epoch >= contested:
            return None
        raise UnprovenError("not signed by the root key of its epoch")

    devices = [
        {"device": entry["device"], "epoch": certificate["epoch"]}
        for entry in map(_read_first_entry, entries)
        if (certificate := stands("certificate", entry["body"], entry["signature"]))
        and _names_its_device(certificate, entry)
    ]
    standing = [
        tagged("sl.record", body)
        for kind, body, signature in records
        if kind == "rotation" or stands(kind, body, signature)
    ]
    return {"identity": identity, "roots": keys, "devices": devices, "records": standing}


def public_key(seed: bytes, tag: str, epoch: int) -> bytes:
    """The public half of the key that a seed gives an epoch under a tag."""
    derived = tagged(tag, epoch.to_bytes(4, "big"), key=seed)
    return bytes(SigningKey(derived).verify_key)


def commitment(key: Value) -> bytes:
    """The commitment to a rotation key."""
    return tagged("sl.commit", write([1, key]))


def short_id(full: bytes) -> str:
    """The short id of an id."""
    number = int.from_bytes(full, "big") >> 8 * len(full) - 60
    digits = "".join(_DIGITS[number >> shift & 31] for shift in range(55, -1, -5))
    return "-".join((digits[:4], digits[4:8], digits[8:]))


def typed_bits(typed: str) -> list[int] | None:
    """The bits that a typed beginning of a short id stands for, and how many; or nothing."""
    digits = [_TYPED.get(letter, letter) for letter in typed.lower() if letter != "-"]
    if not 1 <= len(digits) <= 12 or any(digit not in _DIGITS for digit in digits):
        return None
    number = 0
    for digit in digits:
        number = number * 32 + _DIGITS.index(digit)
    return [number, 5 * len(digits)]


def _read_ident_form(data: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]], list[bytes]]:
    body = named(read_value(data, 64_997), "inception records entries")
    expect(is_bytes(body["inception"], 70))
    read_inception(body["inception"])
    records: list[tuple[str, bytes, bytes]] = []
    for item in items(body["records"], 1_024):
        record = named(item, "kind body signature")
        if not is_uint(record["kind"], 4, 2):
            raise RefusedError("no kind of record that IDENT carries")
        expect(is_bytes(record["body"]) and is_bytes(record["signature"], 64))
        kind = _KINDS[record["kind"]]
        READERS[kind](record["body"])
        records.append((kind, record["body"], record["signature"]))
    expect(len({body for _, body, _ in records}) == len(records))
    entries: list[bytes] = []
    for each in items(body["entries"], 64):
        if not isinstance(each, bytes):
            raise RefusedError("not a run")
        entries.append(each)
    runs = [read_run(each) for each in entries]
    for run in runs:
        expect((run["channel"], run["first"], run["count"]) == (0, 0, 1))
    expect(len({run["device"] for run in runs}) == len(runs))
    return body["inception"], records, entries


def _verify_rotations(
    begun: dict[str, Any], told: list[tuple[str, bytes, bytes]]
) -> list[dict[str, Any]]:
    """Every rotation, each held to its predecessor."""
    rotations = [{**read_rotation(body), "hash": tagged("sl.record", body)} for _, body, _ in told]
    before: dict[bytes, dict[str, Any]] = {each["hash"]: each for each in [begun, *rotations]}
    for each, (_, body, signature) in zip(rotations, told, strict=True):
        predecessor = before.get(each["predecessor"])
        if predecessor is None or each["epoch"] != predecessor["epoch"] + 1:
            raise UnprovenError("continues nothing that is here")
        if each["identity"] != begun["hash"]:
            raise UnprovenError("names another identity")
        verify_record("rotation", body, signature, predecessor["next_commitment"])
    return rotations


def _read_first_entry(data: bytes) -> dict[str, Any]:
    """The certificate that an entry 0 carries, as it was signed."""
    run = open_run(data, None)
    payload = run["entries"][0]["payload"]
    content = payload and read_content(payload[16:], 0)
    if not content or content["kind"] != "certificate":
        raise UnprovenError("carries no certificate")
    return {
        "device": run["device"],
        "body": bytes.fromhex(content["body"]),
        "signature": bytes.fromhex(content["signature"]),
    }


def _names_its_device(certificate: dict[str, Any], entry: dict[str, Any]) -> bool:
    if certificate["device"] != entry["device"]:
        raise UnprovenError("names another device")
    return True


def _begin(data: bytes, names: str) -> dict[str, Any]:
    fields = named(read_value(data, _MOST_BYTES), f"version identity epoch {names}")
    expect(fields["version"] == 1 and is_bytes(fields["identity"], 32))
    expect(is_uint(fields["epoch"], 65_535))
    return fields


def _check_ends(device: dict[str, Any]) -> None:
    """Open 1: ends empty; open 0: at most 64 ends that rise by channel."""
    expect(is_uint(device["open"], 1))
    ends = [named(each, "channel seq id") for each in items(device["ends"], 64)]
    expect(not (device["open"] and ends))
    for end in ends:
        expect(is_uint(end["channel"], 2**32 - 1) and is_uint(end["seq"], LARGEST_SEQ))
        expect(is_bytes(end["id"], 32))
    expect(rises([end["channel"] for end in ends]))
