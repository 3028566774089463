"""A second decoder, written from the pages alone, reads every vector alike.

Decoders are compared here, and what the pages let a reader compute: names, keys, digests, sums.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any, Final

import pytest

from tests import second_frames, second_link, second_reconcile, second_records, second_seals
from tests.both_decoders import MALFORMED, UNPROVEN, decoders, expected
from tests.second_content import read_plaintext
from tests.second_decoder import is_signed, read_varint, tagged, write
from tests.second_judge import SecondJudge, Told
from tests.second_runs import read_proof
from tests.vector_files import FOLDER, cases, vector_file, vectors

DECODERS: Final = {each.name: each for each in decoders()}
# Read here in tests of their own: what stands and digests are computed, not decoded.
COMPUTED: Final = {"standing", "digest"}
# No decoders: nothing about them can be refused.
WITHOUT_REFUSALS: Final = {"digest", "link prologue"}
unhex = bytes.fromhex


@pytest.mark.parametrize("name", DECODERS)
def test_both_decoders_find_the_same_in_every_vector(name: str) -> None:
    """They find what the file says, too."""
    decoder = DECODERS[name]
    for case in decoder.cases:
        first, second = decoder.verdicts(unhex(case["hex"]), case)
        assert first == second, case["name"]
        refused = second if second in (MALFORMED, UNPROVEN) else None
        if "expect" in case and name != "entries of a run":
            assert (refused and "refused") == (expected(case) and "refused"), case["name"]
        if "refused_by" in case and name != "entries of a run":
            assert refused == expected(case), case["name"]
        found = case.get("fields", case.get("value", case.get("frames", case.get("rows"))))
        if found is not None and isinstance(second, dict) and "rows" not in second:
            assert found.items() <= second.items(), case["name"]


def test_every_file_of_vectors_has_a_second_reader() -> None:
    """A case that is read only once, or a file without a reader here, is missed."""
    read = {id(case) for each in decoders() for case in each.cases}
    for path in FOLDER.glob("*.json"):
        for case in cases(path.stem):
            by_hand = path.stem in COMPUTED or case.get("kind") == "prologue"
            assert by_hand or id(case) in read, (path.stem, case["name"])


def test_every_decoder_has_bytes_to_accept_and_bytes_to_refuse() -> None:
    counts: dict[str, Counter[str]] = {}
    for path in FOLDER.glob("*.json"):
        for case in cases(path.stem):
            kind = case.get("what", case.get("kind", ""))
            means = "accept" if case.get("fields", 1) is not None else "reject"
            name = f"{path.stem} {kind}".strip()
            counts.setdefault(name, Counter())[case.get("expect", means)] += 1
    assert sum(count.total() for count in counts.values()) >= 300
    for name, count in counts.items():
        assert count["accept"] >= 1, name
        assert name in WITHOUT_REFUSALS or count["reject"] >= 8, (name, count)


# What is computed from the bytes


@vectors("encoding", what="varint", expect="accept")
def test_a_sign_is_unfolded(case: dict[str, Any]) -> None:
    number = read_varint(unhex(case["hex"]))
    assert case["signed"] == (-(number + 1) // 2 if number % 2 else number // 2)


@vectors("header", expect="accept")
def test_the_device_signed_the_id(case: dict[str, Any]) -> None:
    signature, device = unhex(case["signature"]), unhex(case["fields"]["device"])
    assert is_signed("sl-sig-1", tagged("sl.header", unhex(case["hex"])), signature, device)


def test_words_give_keys_and_ids_are_shown_short() -> None:
    told = vector_file("identity")
    for row in told["root_keys"]:
        key = second_records.public_key(unhex(row["seed"]), "sl.root", row["epoch"])
        assert key.hex() == row["public"]
    for row in told["rotation_keys"]:
        key = second_records.public_key(unhex(row["seed"]), "sl.rotate", row["epoch"])
        assert (key.hex(), second_records.commitment(key).hex()) == (
            row["public"],
            row["commitment"],
        )
    for short, full in told["short_ids"]["shown"].items():
        assert second_records.short_id(unhex(full)) == short
    for typed, bits in told["short_ids"]["typed"].items():
        assert second_records.typed_bits(typed) == bits, typed


@vectors("digest")
def test_a_digest_is_summed_up_again(case: dict[str, Any]) -> None:
    states = [
        write([unhex(log), kind, seq, *map(unhex, rest)])
        for log, kind, seq, *rest in case["states"]
    ]
    assert b"".join(states).hex() == case["hex"]
    digest = second_frames.digest_of(states)
    assert digest.hex() == case["digest"]
    assert second_frames.offer_of(bytes([1]) * 32, digest).hex() == case["offer"]


@vectors("sketch", expect="accept")
def test_symbols_are_summed_up_again(case: dict[str, Any]) -> None:
    part = second_reconcile.read_sketch(unhex(case["hex"]))
    order = [unhex(log) for log in case["order"]]
    positions = [
        second_reconcile.position_of(unhex(log), frozen=bool(frozen), order=order)
        for log, frozen, _ in case["values"]
    ]
    assert positions == case["positions"]
    values = zip(positions, (value for *_, value in case["values"]), strict=True)
    (row,) = part["rows"]
    symbols = second_reconcile.symbols_of(values, part["width"], part["first"], len(row))
    assert symbols == row


@vectors("reconcile", expect="accept")
def test_fingerprints_are_made_again(case: dict[str, Any]) -> None:
    salt = unhex(case["salt"])
    told = [[unhex(log), kind, seq, *map(unhex, rest)] for log, kind, seq, *rest in case["states"]]
    by_log = {state[0]: second_reconcile.fingerprint_of([write(state)], salt) for state in told}
    for node in second_reconcile.read_ranges(unhex(case["hex"]))["nodes"]:
        if node["kind"] == "split":
            assert node["fingerprints"] == second_reconcile.parts_of(told, salt)
        else:
            assert [each["check"] for each in node["states"]] == [
                by_log[each["log"]] for each in node["states"]
            ]


def test_of_two_proofs_the_second_reader_keeps_the_same() -> None:
    """Lowest frozen_from, one that reaches the split, the shorter one, the lower bytes."""

    def rank(data: bytes) -> tuple[int, bool, int, bytes]:
        found = read_proof(data)
        starts = {first for first, *_ in found["branches"]}
        at_split = starts == {found["frozen_from"]}
        return found["frozen_from"], not at_split, len(data), data

    for better, worse in combinations(map(unhex, vector_file("fork")["ranked"]), 2):
        assert rank(better) < rank(worse)


def test_a_seal_is_made_again_from_its_secrets() -> None:
    for case in cases("sealing", expect="accept"):
        if "ephemeral_secret" in case:
            decoder = DECODERS["seal"]
            ephemeral, keys, ciphertext = second_seals.seal(
                _padded_plaintext(case),
                [(period, unhex(public)) for _, period, public in case["recipients"]],
                unhex(case["ephemeral_secret"]),
                unhex(case["message_key"]),
            )
            for piece in (ephemeral, ciphertext, *(unhex(key["wrapped"]) for key in keys)):
                assert piece.hex() in case["hex"]
            assert decoder.verdicts(unhex(case["hex"]), case)[1]["content"] == case["content"]


def _padded_plaintext(case: dict[str, Any]) -> bytes:
    """The plaintext of a case, packed as its maker packs it."""
    recipients = [unhex(device) for device, *_ in case["recipients"]]
    told = write([unhex(case["device"]), case["channel"], case["seq"], unhex(case["prev"])])
    packed = b"\x96" + told[1:] + write(list(recipients)) + write(unhex(case["content"]))
    padded = (packed + b"\x80").ljust(256, b"\0")
    assert read_plaintext(padded) is not None
    return padded


@vectors("link", kind="prologue")
def test_a_prologue_is_made_again(case: dict[str, Any]) -> None:
    assert second_link.prologue_of(case["network"]).hex() == case["hex"]


@vectors("link", kind="session", expect="accept")
def test_a_link_carries_what_its_ends_said(case: dict[str, Any]) -> None:
    assert DECODERS["link"].verdicts(unhex(case["hex"]), case)[1] == case["plain"]


@vectors("standing")
def test_the_second_judge_finds_what_stands(case: dict[str, Any]) -> None:
    told = vector_file("standing")
    records, devices = told["records"], told["devices"]
    names = {record["signature"]: name for name, record in records.items()}
    held = [
        Told(record["kind"], unhex(record["body"]), unhex(record["signature"]))
        for record in (records[name] for name in case["records"])
    ]
    judge = SecondJudge(unhex(told["inception"]), held)
    assert len(judge.chain) == case["epoch"]
    admissions = ("named", "accepted", "certified", "forgotten")
    by_key = {device["public"]: name for name, device in devices.items()}
    assert {
        by_key[key.hex()]: (admissions[admission], names[record.signature.hex()])
        for key, (admission, record) in judge.admitted.items()
    } == {name: (each["admission"], each["certificate"]) for name, each in case["devices"].items()}
    for device, channel, seq, entry_id, *verdict in case["entries"]:
        why, record = judge.judge(
            unhex(devices[device]["public"]), channel, seq, unhex(entry_id or "")
        )
        reason, *name = verdict
        shown = [records[each]["hash"] if each else None for each in name]
        found = [] if why == "stands" else [record and record.hex()]
        assert entry_id is None or (why, found) == (reason or "stands", shown), (device, channel)
