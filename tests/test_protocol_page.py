"""``docs/protocol.md`` says what the code does: its numbers, tags and example are held here."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from slowlight.protocol import (
    encoding,
    entry,
    frames,
    hashing,
    ident,
    identity,
    roster,
    run,
    signing,
)
from slowlight.protocol.hashing import short_id
from tests.source_tree import ROOT
from tests.vector_files import FOLDER, cases, vector_file

PAGE: Final = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
LIMITS: Final = {
    "integer": encoding.MAX_UINT,
    "nesting": encoding.MAX_DEPTH,
    "varint": encoding.MAX_VARINT_BYTES,
    "header": entry.MAX_HEADER_BYTES,
    "payload": entry.MAX_PAYLOAD_BYTES,
    "random bytes of a payload": entry.SALT_BYTES,
    "ids in seen": entry.MAX_SEEN,
    "ext": entry.MAX_EXT_BYTES,
    "channel": entry.MAX_CHANNEL,
    "seq": entry.MAX_SEQ,
    "t_ms": entry.MAX_T_MS,
    "lamport": entry.MAX_LAMPORT,
    "t_quality": entry.MAX_QUALITY,
    "step of Lamport values": entry.MAX_LAMPORT_STEP,
    "entries of a run": run.BLOCK,
    "frame": frames.MAX_FRAME_BYTES,
    "record": identity.MAX_RECORD_BYTES,
    "inception": identity.INCEPTION_BYTES,
    "epoch": identity.MAX_EPOCH,
    "devices of an identity": identity.MAX_DEVICES,
    "ends of a device": identity.MAX_LOGS_PER_DEVICE,
    "label": identity.MAX_LABEL_BYTES,
    "place": identity.MAX_PLACE_BYTES,
    "records in IDENT": ident.MAX_IDENT_RECORDS,
    "rows of a roster": roster.MAX_ROSTER_ROWS,
    "rows in one ROSTER": frames.MAX_ROWS_PER_PART,
    "parts of a roster": frames.MAX_ROSTER_PARTS,
    "states in one HAVE": frames.MAX_STATES,
    "ranges in one WANT": frames.MAX_WANTS,
    "text of BYE": frames.MAX_BYE_TEXT_BYTES,
}


def section(heading: str) -> str:
    """What stands under a heading of the second level."""
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, its head left out."""
    table = re.search(r"(?:^\|.*\|\n)+", section(heading), re.MULTILINE)
    lines = table[0].splitlines() if table else []
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


@cache
def example(at: int) -> str:
    """The bytes of one block of the worked example, in hex without what is said about them."""
    blocks = re.findall(r"```\n(.*?)```", section("A worked example"), re.DOTALL)
    lines = [re.match(r" *((?:[0-9a-f]{2}| (?=\S))+)", line) for line in blocks[at].splitlines()]
    return "".join(line[1].replace(" ", "") for line in lines if line)


def vector(file: str, name: str) -> dict[str, Any]:
    """The case of a file with this name."""
    return next(case for case in cases(file) if case["name"] == name)


def in_words(limit: int) -> set[str]:
    """A number as the page may write it."""
    powers = {f"2^{n} - {n_less}": 2**n - n_less for n in (32, 62, 63) for n_less in (1, 17)}
    return {f"{limit:,}", *(text for text, value in powers.items() if value == limit)} | (
        {f"2^{limit.bit_length() - 1}"} if limit & limit - 1 == 0 else set()
    )


def test_the_table_of_limits_is_the_codes() -> None:
    table = {name: limit.removesuffix(" bytes") for name, limit, *_ in rows("Limits")}
    assert table.keys() == LIMITS.keys()
    for name, limit in table.items():
        assert limit in in_words(LIMITS[name]), name


def test_every_tag_is_on_the_page_with_its_use() -> None:
    """Those of other pages are named, with the page that explains them."""
    known = {tag.decode() for name, tag in vars(hashing).items() if name.startswith("PERSON_")}
    assert {cells[0].strip("`") for cells in rows("Hashes")} <= known
    assert all(f"`{tag}`" in section("Hashes") for tag in known)
    assert all(len(tag) <= 16 for tag in known)


def test_every_context_is_on_the_page_and_none_begins_another() -> None:
    known = {tag.decode() for name, tag in vars(signing).items() if name.startswith("CONTEXT_")}
    listed = {cells[0].strip("`") for cells in rows("Signatures")}
    assert listed - known == {"sl-frame-1"}
    assert known <= listed
    assert not any(one != other and one.startswith(other) for one in listed for other in listed)


def test_the_table_of_frames_is_the_codes() -> None:
    table = {int(code): (name, body) for code, name, body in rows("Frames")}
    assert {code: name for code, (name, _) in table.items()} == {
        int(kind): kind.name for kind in frames.FrameType
    }
    reserved = {name for name, body in table.values() if body == "reserved"}
    assert reserved == {"CHUNK"}


def test_the_columns_are_flagged_as_the_code_flags_them() -> None:
    columns = section("Runs").split("### Columns")[1].split("### ")[0]
    flagged = re.findall(r"bit \d \((\d+)\)[^*]*\*\*(\w+)\*\*", columns.replace("\n", " "))
    assert {name.removesuffix("_ms"): int(flag) for flag, name in flagged} == {
        "lamport": run.FLAG_LAMPORT,
        "seen": run.FLAG_SEEN,
        "expire": run.FLAG_EXPIRY,
        "t_quality": run.FLAG_QUALITY,
        "ext": run.FLAG_EXT,
    }
    assert f"Bit 0 ({run.FLAG_STUB}) marks a **stub**" in columns
    assert f"for the first entry {entry.USUAL_QUALITY}," in columns


def test_the_worked_example_is_made_of_vectors() -> None:
    ada, device = vector("identity", "ada"), vector("identity", "a first device")
    first, three = vector("header", "the first entry of a log"), vector("run", "three entries")
    assert example(0) == ada["hex"]
    assert example(1) == ada["identity"]
    assert f"`{short_id(bytes.fromhex(ada['identity']))}`" in PAGE
    assert example(2) == device["hex"]
    assert example(3) == device["signature"]
    assert example(4) == first["hex"]
    assert example(5) == first["id"] + first["log"] + first["signature"]
    assert example(6) == three["hex"]
    assert example(7) == vector("frames", "HELLO")["hex"]


def test_every_file_of_vectors_is_on_the_page() -> None:
    """Those of others' standards stand in folders of their own."""
    listed = set(re.findall(r"`(\w+\.json)`", section("Vectors")))
    assert listed == {path.name for path in FOLDER.glob("*.json")}
    for path in FOLDER.glob("*.json"):
        assert vector_file(path.stem)["about"]


def test_the_page_leads_somewhere() -> None:
    """Every link within the page has its heading, every link to a file of vectors its file."""
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings


def test_the_channels_have_the_numbers_of_the_page() -> None:
    sentence = re.search(r"Channel (0 is .*?);", section("The log").replace("\n", " "))
    assert sentence
    numbers = [int(number) for number in re.findall(r"\d", sentence[1])]
    assert numbers == [
        entry.CHANNEL_IDENTITY,
        entry.CHANNEL_POSTS,
        entry.CHANNEL_PRIVATE,
        entry.CHANNEL_GROUPS,
    ]
    assert re.findall(r"identity|posts|private|groups", sentence[1]) == [
        "identity",
        "posts",
        "private",
        "groups",
    ]
