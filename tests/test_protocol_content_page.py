"""``docs/protocol/content.md`` lays out content exactly as the code reads and writes it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

import msgpack
import msgspec
import pytest

from slowlight.protocol import content
from slowlight.protocol.content import (
    PADDED_BYTES,
    Kind,
    decode_content,
    decode_sealed_content,
    decode_sealed_plaintext,
    encode_content,
)
from slowlight.protocol.content_fields import Part
from tests.content_spec import (
    RANGES,
    Layout,
    SpecField,
    default,
    inner_type,
    kinds,
    layouts,
    numbers_in,
    parts,
)


def structs() -> Iterator[type[Part]]:
    """Every struct of the module, public ones only."""
    for value in vars(content).values():
        if isinstance(value, type) and issubclass(value, Part) and value is not Part:
            yield value


def page_name(struct: type) -> str:
    """``GalacticPoint`` as the page writes it: ``galactic_point``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", struct.__name__).lower()


def page_type(hint: Any) -> str:
    """A type as the page writes it. One without a limit has no name there and fails."""
    if get_origin(hint) is Annotated:
        inner, limit = get_args(hint)
        if inner is str:
            return f"text <= {limit.extra['limit'][0]:,}"
        if inner is bytes:
            exact = limit.min_length == limit.max_length
            return f"bin {limit.max_length}" if exact else f"bin <= {limit.max_length:,}"
        if inner is int:
            return f"int {limit.ge:,}..{limit.le:,}"
        return f"[{page_type(get_args(inner)[0])}] <= {limit.max_length}"
    if get_args(hint):
        return f"{page_type(get_args(hint)[0])} or nil"
    return "bool" if hint is bool else page_name(hint)


def page_fields(struct: type[Part]) -> list[SpecField]:
    """The fields of a struct as rows of the page."""
    return [
        SpecField(
            field.name,
            page_type(field.type),
            "" if field.default is msgspec.NODEFAULT else json.dumps(field.default),
        )
        for field in msgspec.structs.fields(struct)
    ]


def plain(field: SpecField) -> SpecField:
    """A row of the page with the ranges of named integers written out."""
    type_name = field.type
    for name, (least, most) in RANGES.items():
        type_name = re.sub(rf"\b{name}\b", f"int {least:,}..{most:,}", type_name)
    return SpecField(field.name, type_name, field.default.replace("nil", "null"))


def test_the_page_lays_out_every_kind() -> None:
    """Number, name, and of each field place, name, type, limit and default."""
    by_tag = {struct.__struct_config__.tag: struct for struct in structs()}
    assert {name: layout.number for name, layout in kinds().items()} == {
        kind.name.lower(): kind for kind in Kind
    }
    for layout in kinds().values():
        assert [plain(field) for field in layout.fields] == page_fields(by_tag[layout.number])


def test_the_page_lays_out_every_part() -> None:
    """Also that there is no part which the page does not know."""
    by_name = {
        page_name(struct): struct for struct in structs() if struct.__struct_config__.tag is None
    }
    assert set(by_name) == set(parts())
    for layout in parts().values():
        assert [plain(field) for field in layout.fields] == page_fields(by_name[layout.name])


def sized(type_name: str, size: int) -> Any:
    """A text or bytes of ``size`` bytes, an array of so many, or the number itself."""
    if type_name.startswith("["):
        return [smallest(inner_type(type_name))] * size
    if type_name.startswith("text"):
        return "é" * (size // 2) + "x" * (size % 2)
    return bytes(max(size, 0)) if type_name.startswith("bin") else size


def edges(type_name: str) -> tuple[list[Any], list[Any]]:
    """The last values inside the limits of a type, and the first ones outside."""
    type_name = type_name.removesuffix(" or nil")
    numbers = numbers_in(type_name)
    if type_name in RANGES or type_name.startswith("int"):
        least, most = numbers
        inside, outside = [least, least + 1, most - 1, most], [least - 1, most + 1]
    elif type_name.startswith("bin") and "<=" not in type_name:
        inside, outside = numbers, [numbers[0] - 1, numbers[0] + 1]
    elif "<=" in type_name:
        inside, outside = [numbers[-1] - 1, numbers[-1]], [numbers[-1] + 1]
    else:
        return [], []  # a part or a bool
    if not type_name.startswith("["):
        return [sized(type_name, n) for n in inside], [sized(type_name, n) for n in outside]
    inner_inside, inner_outside = edges(inner_type(type_name))
    return (
        [*(sized(type_name, n) for n in inside), *([item] for item in inner_inside)],
        [*(sized(type_name, n) for n in outside), *([item] for item in inner_outside)],
    )


def smallest(type_name: str) -> Any:
    """The least value of a type of the page."""
    if type_name.endswith("or nil"):
        return None
    if type_name == "bool":
        return False
    if type_name == "post":
        return [16, ""]
    if type_name in parts():
        return smallest_row(parts()[type_name])
    if "<=" in type_name:
        return sized(type_name, 0)
    return edges(type_name)[0][0]


def smallest_row(layout: Layout) -> list[Any]:
    """The fields that have no default, each as small as may be."""
    return [smallest(field.type) for field in layout.fields if not field.default]


def row_with(layout: Layout, index: int, value: Any) -> list[Any]:
    """A row in which one field has a value and the others are small or left out."""
    before = layout.fields[:index]
    row = [default(field) if field.default else smallest(field.type) for field in before]
    return [*row, value, *smallest_row(layout)[len(row) + 1 :]]


def read(layout: Layout, row: list[Any]) -> Any:
    """Decode a row; a part inside the first layout that holds one."""
    if layout.number is not None:
        data: bytes = msgpack.packb([layout.number, *row])
        found = [decode_content(data, channel) for channel in range(4)]
        return next(filter(None, (*found, decode_sealed_content(data))), None)
    if layout.name == "sealed_plaintext":
        plaintext: bytes = msgpack.packb(row) + b"\x80"
        size_bytes = next(size for size in PADDED_BYTES if size >= len(plaintext))
        return decode_sealed_plaintext(plaintext.ljust(size_bytes, b"\0"))
    outer, index = next(
        (outer, index)
        for outer in (*kinds().values(), *parts().values())
        for index, field in enumerate(outer.fields)
        if layout.name in re.findall(r"\w+", field.type)
    )
    value = [row] if outer.fields[index].type.startswith("[") else row
    return read(outer, row_with(outer, index, value))


LIMITED: Final[Mapping[str, tuple[Layout, int]]] = {
    f"{layout.name}.{field.name}" + (f" of {layout.number}" if layout.number else ""): (layout, at)
    for layout in layouts()
    for at, field in enumerate(layout.fields)
    if edges(field.type)[1]
}


@pytest.mark.parametrize(("layout", "index"), LIMITED.values(), ids=LIMITED.keys())
def test_a_limit_stands_where_the_page_says(layout: Layout, index: int) -> None:
    """The last value inside is read; with the first one outside the content means nothing."""
    inside, outside = edges(layout.fields[index].type)
    for value in inside:
        assert read(layout, row_with(layout, index, value)) is not None
    for value in outside:
        assert read(layout, row_with(layout, index, value)) is None


OF_KINDS: Final = {name: place for name, place in LIMITED.items() if place[0].number is not None}


@pytest.mark.parametrize(("layout", "index"), OF_KINDS.values(), ids=OF_KINDS.keys())
def test_a_writer_is_told_which_field_is_beyond_its_limit(layout: Layout, index: int) -> None:
    """What nobody could read is not written in the first place."""
    field = layout.fields[index]
    for row in (row_with(layout, index, value) for value in edges(field.type)[1]):
        shortest = read(layout, smallest_row(layout))
        value = tuple(row[index]) if isinstance(row[index], list) else row[index]
        with pytest.raises(ValueError, match=rf"^{field.name}\b"):
            encode_content(msgspec.structs.replace(shortest, **{field.name: value}))


def test_a_field_without_default_is_needed() -> None:
    """Every such field in turn is left out, with all behind it."""
    for layout in layouts():
        needed = smallest_row(layout)
        assert read(layout, needed) is not None
        for count in range(len(needed)):
            assert read(layout, needed[:count]) is None


def test_unknown_fields_and_missing_ones_are_no_hindrance() -> None:
    """An older reader and an older writer: each sees what both know."""
    for layout in layouts():
        short = read(layout, smallest_row(layout))
        written_out = row_with(layout, len(layout.fields) - 1, smallest_last(layout))
        assert read(layout, written_out) == short
        assert read(layout, [*written_out, {"new": 1.5}, None, [b"x"]]) == short


def smallest_last(layout: Layout) -> Any:
    """What the last field of a layout holds if nobody says."""
    field = layout.fields[-1]
    return default(field) if field.default else smallest(field.type)
