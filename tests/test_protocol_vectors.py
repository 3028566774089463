"""The vectors freeze the core: what they accept has its fields, the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest

from slowlight.protocol.digest import LtHash, frozen_log_state, log_state, offer_digest
from slowlight.protocol.encoding import pack, put_varint, unpack, unzigzag, zigzag
from slowlight.protocol.entry import (
    decode_header,
    encode_header,
    log_id,
    sign_entry,
    verify_entry,
)
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.frames import (
    MAX_BODY_BYTES,
    UnknownFrame,
    decode_frames,
    encode_frame,
)
from slowlight.protocol.hashing import short_id, short_prefix
from slowlight.protocol.ident import decode_ident, root_keys, verify_ident
from slowlight.protocol.identity import (
    SignedRecord,
    commitment,
    decode_inception,
    device_key,
    incept,
    root_key,
    rotation_key,
)
from slowlight.protocol.roster import Roster, roster_rows, roster_value
from slowlight.protocol.run import build_run, decode_run, open_run
from tests.both_decoders import (
    DECODERS,
    MAX_VALUE_BYTES,
    VERIFIERS,
    optional,
    said,
    shown,
    verified,
    whole_varint,
)
from tests.vector_files import FOLDER, cases, in_hex, vector_file, vectors
from tests.vectors.make_core import core_files


def data_of(case: dict[str, Any]) -> bytes:
    """The bytes that a case is about."""
    return bytes.fromhex(case["hex"])


@pytest.mark.parametrize("name", core_files())
def test_the_committed_vectors_are_those_that_were_written_by_hand(name: str) -> None:
    """A vector is changed where it is explained, and never in passing."""
    assert (FOLDER / name).read_text(encoding="ascii") == core_files()[name]


# The canonical encoding


@vectors("encoding", what="value", expect="accept")
def test_a_value_is_read_and_written_back(case: dict[str, Any]) -> None:
    value = unpack(data_of(case), max_bytes=MAX_VALUE_BYTES)
    assert in_hex(value) == case["value"]
    assert pack(value) == data_of(case)


@vectors("encoding", what="value", expect="reject")
def test_another_form_of_a_value_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        unpack(data_of(case), max_bytes=MAX_VALUE_BYTES)


@vectors("encoding", what="varint", expect="accept")
def test_a_varint_is_read_and_written_back(case: dict[str, Any]) -> None:
    out = bytearray()
    put_varint(out, case["value"])
    assert whole_varint(data_of(case)) == case["value"]
    assert out == data_of(case)
    assert unzigzag(case["value"]) == case["signed"]
    assert zigzag(case["signed"]) == case["value"]


@vectors("encoding", what="varint", expect="reject")
def test_another_form_of_a_varint_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        whole_varint(data_of(case))


# Entries


@vectors("header", expect="accept")
def test_a_header_has_its_fields_id_and_signature(case: dict[str, Any]) -> None:
    header = decode_header(data_of(case))
    entry, fields = header.entry, case["fields"]
    found = {name: in_hex(getattr(header, name)) for name in ("device", "channel", "prev")}
    found |= {name: in_hex(getattr(entry, name)) for name in fields if hasattr(entry, name)}
    assert {"version": 1, **found} == fields
    assert entry.id.hex() == case["id"]
    assert entry.payload is None
    assert log_id(header.device, header.channel).hex() == case["log"]
    assert encode_header(header.device, header.channel, header.prev, entry) == data_of(case)

    ada = device_key(bytes.fromhex(vector_file("header")["keys"]["ada"]["seed"]))
    assert ada.public == header.device
    assert sign_entry(ada.secret, entry.id).hex() == case["signature"]
    verify_entry(header.device, entry.id, bytes.fromhex(case["signature"]))


@vectors("header", expect="reject")
def test_a_header_that_breaks_a_rule_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_header(data_of(case))


# Runs


@vectors("run", expect="accept")
def test_a_run_is_proven_and_gives_its_entries(case: dict[str, Any]) -> None:
    run = decode_run(data_of(case))
    entries = open_run(run, trusted_end=optional(case["trusted_end"]))
    names = case["entries"][0]
    assert [{name: in_hex(getattr(entry, name)) for name in names} for entry in entries] == case[
        "entries"
    ]
    outer = case["fields"]
    assert {name: in_hex(getattr(run, name) or b"") for name in outer if name != "first"} == {
        name: value for name, value in outer.items() if name != "first"
    }
    assert (run.first, run.last) == (outer["first"], entries[-1].seq)
    rebuilt = build_run(run.device, run.channel, run.prev, entries, run.signature)
    assert rebuilt.encode() == data_of(case)


@vectors("run", expect="reject", refused_by="form")
def test_a_run_of_another_form_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_run(data_of(case))


@vectors("run", expect="reject", refused_by="columns")
def test_a_run_with_malformed_columns_is_refused(case: dict[str, Any]) -> None:
    run = decode_run(data_of(case))
    with pytest.raises(DecodeError):
        open_run(run)


@vectors("run", expect="reject", refused_by="proof")
def test_a_run_without_proof_is_refused(case: dict[str, Any]) -> None:
    run = decode_run(data_of(case))
    with pytest.raises(IntegrityError):
        open_run(run, trusted_end=optional(case["trusted_end"]))


@vectors("run", expect="reject", refused_by="chain")
def test_a_run_that_leads_elsewhere_is_refused(case: dict[str, Any]) -> None:
    run = decode_run(data_of(case))
    with pytest.raises(IntegrityError, match="lead"):
        open_run(run, trusted_end=optional(case["trusted_end"]))


# Identities


@pytest.mark.parametrize("row", vector_file("identity")["root_keys"])
def test_words_give_every_root_key_back(row: dict[str, Any]) -> None:
    key = root_key(bytes.fromhex(row["seed"]), row["epoch"])
    assert key.public.hex() == row["public"]


@pytest.mark.parametrize("row", vector_file("identity")["rotation_keys"])
def test_words_give_every_rotation_key_back(row: dict[str, Any]) -> None:
    key = rotation_key(bytes.fromhex(row["seed"]), row["epoch"])
    assert (key.public.hex(), commitment(key.public).hex()) == (row["public"], row["commitment"])


@vectors("identity", what="inception", expect="accept")
def test_an_inception_names_the_identity(case: dict[str, Any]) -> None:
    inception = decode_inception(data_of(case))
    assert shown(inception) == case["fields"]
    assert inception.identity.hex() == case["identity"]
    assert inception == incept(bytes.fromhex(case["root_seed"]))
    assert inception.encode() == data_of(case)


@vectors("identity", what="inception", expect="reject")
def test_an_inception_that_breaks_a_rule_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_inception(data_of(case))


@pytest.mark.parametrize("what", VERIFIERS)
def test_records_are_read_verified_and_written_back(what: str) -> None:
    """One test a kind: the cases differ in little."""
    for case in cases("identity", what=what, expect="accept"):
        record = verified(data_of(case), case)
        assert shown(record) == case["fields"], case["name"]
        assert record.encode() == data_of(case)
        assert SignedRecord(data_of(case), b"").hash.hex() == case["hash"]


@vectors("identity", refused_by="form")
def test_a_record_of_another_form_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        DECODERS[case["what"]](data_of(case))


@vectors("identity", refused_by="proof")
def test_a_record_that_its_key_did_not_sign_is_refused(case: dict[str, Any]) -> None:
    assert DECODERS[case["what"]](data_of(case)).encode() == data_of(case)
    with pytest.raises(IntegrityError):
        verified(data_of(case), case)


@pytest.mark.parametrize(("short", "full"), vector_file("identity")["short_ids"]["shown"].items())
def test_a_short_id_shows_the_first_60_bits(short: str, full: str) -> None:
    assert short_id(bytes.fromhex(full)) == short


@pytest.mark.parametrize(("typed", "bits"), vector_file("identity")["short_ids"]["typed"].items())
def test_a_short_id_is_read_as_people_type_it(typed: str, bits: list[int] | None) -> None:
    if bits is None:
        with pytest.raises(DecodeError):
            short_prefix(typed)
    else:
        assert list(short_prefix(typed)) == bits


@vectors("ident", expect="accept")
def test_an_ident_proves_its_devices(case: dict[str, Any]) -> None:
    ident = decode_ident(data_of(case))
    verified = verify_ident(ident)
    assert ident.encode() == data_of(case)
    assert verified.identity.hex() == case["identity"]
    assert [record.hash.hex() for _, record in verified.records] == case["records"]
    assert [
        {"device": device.run.device.hex(), "epoch": device.certificate.epoch}
        for device in verified.devices
    ] == case["devices"]
    rotations = [record for kind, record in ident.records if kind.name == "ROTATE"]
    assert [key.hex() for key in root_keys(ident.inception, rotations)] == case["roots"]


@vectors("ident", refused_by="form")
def test_an_ident_of_another_form_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        verify_ident(decode_ident(data_of(case)))


@vectors("ident", refused_by="proof")
def test_an_ident_that_proves_nothing_is_refused(case: dict[str, Any]) -> None:
    ident = decode_ident(data_of(case))
    with pytest.raises(IntegrityError):
        verify_ident(ident)


# What nodes say to each other


@vectors("roster", expect="accept")
def test_a_roster_has_its_rows_and_its_name(case: dict[str, Any]) -> None:
    rows = roster_rows(unpack(data_of(case), max_bytes=MAX_BODY_BYTES))
    assert in_hex(roster_value(rows)) == case["rows"]
    roster = Roster(reversed(rows))
    assert list(roster.rows) == rows
    assert roster.hash.hex() == case["hash"]


@vectors("roster", expect="reject")
def test_a_roster_that_breaks_a_rule_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        roster_rows(unpack(data_of(case), max_bytes=MAX_BODY_BYTES))


@vectors("digest", expect="accept")
def test_a_digest_is_the_sum_of_its_states(case: dict[str, Any]) -> None:
    total = LtHash()
    hashed = b""
    for log, frozen, seq, *last in case["states"]:
        key = bytes.fromhex(log)
        state = frozen_log_state(key, seq) if frozen else log_state(key, seq, bytes.fromhex(*last))
        total.add(state)
        hashed += state
    assert hashed == data_of(case)
    assert total.digest().hex() == case["digest"]
    assert offer_digest(total.digest(), bytes([1]) * 32).hex() == case["offer"]


@vectors("frames", expect="accept")
def test_frames_are_read_and_written_back(case: dict[str, Any]) -> None:
    frames = list(decode_frames(data_of(case)))
    assert [said(frame) for frame in frames] == case["frames"]
    known = [frame for frame in frames if not isinstance(frame, UnknownFrame)]
    if known == frames:
        assert b"".join(map(encode_frame, known)) == data_of(case)


@vectors("frames", expect="reject")
def test_a_message_that_breaks_a_rule_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        list(decode_frames(data_of(case)))
