"""The vectors freeze who may say what: a stranger who follows the page finds the same."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from slowlight.protocol.closing import Closing
from slowlight.protocol.ident import RecordKind
from slowlight.protocol.identity import SignedRecord, decode_inception
from slowlight.protocol.standing import DeviceStanding, Standing, standing_of
from tests.vector_files import FOLDER, vector_file, vectors
from tests.vectors.make_standing import NAME, standing_text

FILE: Final = vector_file("standing")
DEVICES: Final = {name: bytes.fromhex(key["public"]) for name, key in FILE["devices"].items()}
RECORDS: Final = {
    name: SignedRecord(bytes.fromhex(each["body"]), bytes.fromhex(each["signature"]))
    for name, each in FILE["records"].items()
}
NAMES: Final = {record: name for name, record in RECORDS.items()}
CERTIFICATE_KIND: Final = 1


def judged(case: dict[str, Any]) -> Standing:
    """What stands of the records of a case, whatever order they come in."""
    names = case["records"] * 2
    random.Random(case["name"]).shuffle(names)
    kinds = {name: FILE["records"][name]["kind"] for name in names}
    return standing_of(
        decode_inception(bytes.fromhex(FILE["inception"])),
        [
            (RecordKind(kinds[name]), RECORDS[name])
            for name in names
            if kinds[name] != CERTIFICATE_KIND
        ],
        [RECORDS[name] for name in names if kinds[name] == CERTIFICATE_KIND],
    )


def shown_closing(closing: Closing) -> list[Any]:
    """An end as the file shows it."""
    at = [] if closing.end is None else [closing.end.seq, closing.end.id.hex()]
    return [NAMES[closing.record], *at]


def shown(device: DeviceStanding) -> dict[str, Any]:
    """A device as the file shows it."""
    closings = device.closings
    ends = {str(channel): shown_closing(each) for channel, each in closings.named.items()}
    if closings.others is not None:
        ends["others"] = shown_closing(closings.others)
    return {
        "certificate": NAMES[device.record],
        "admission": device.admission.name.lower(),
        "ends": ends or None,
    }


def test_the_committed_vectors_are_those_that_were_written_by_hand() -> None:
    assert (FOLDER / NAME).read_text(encoding="ascii") == standing_text()


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_named_by_its_hash(name: str) -> None:
    assert RECORDS[name].hash.hex() == FILE["records"][name]["hash"]


@vectors("standing")
def test_what_stands_is_what_the_file_says(case: dict[str, Any]) -> None:
    found = judged(case)
    assert found.identity.hex() == FILE["identity"]
    assert found.epoch == case["epoch"]
    devices = {name: found.devices[key] for name, key in DEVICES.items() if key in found.devices}
    assert {name: shown(device) for name, device in devices.items()} == case["devices"]
    assert len(devices) == len(found.devices)
    assert [NAMES[record] for _, record in found.records] == case["keep"]
    assert {NAMES[each.record]: each.flaw.value for each in found.ignored} == case["ignored"]
    assert (case["expect"] == "reject") == bool(found.ignored)


@vectors("standing")
def test_entries_stand_or_fall_as_the_file_says(case: dict[str, Any]) -> None:
    found = judged(case)
    for device, channel, seq, entry_id, *expected in case["entries"]:
        verdict = found.judge(
            DEVICES[device], channel, seq, bytes.fromhex(entry_id) if entry_id else None
        )
        record = verdict.closing and NAMES[verdict.closing.record]
        why = [None] if verdict.void is None else [verdict.void.value, record]
        assert why == expected, (device, channel, seq)
