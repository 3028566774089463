"""Nothing that a peer wrote reaches the terminal as anything but text."""

from __future__ import annotations

import json
import sys
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.cli.cells import cell_count, cut, wrap
from slowlight.cli.lines import Span, Style, flow, line, line_cells, prose, table, written
from slowlight.cli.safe import MARK, MAX_STACKED_MARKS, isolated, safe_json, safe_line, safe_text

ISOLATE: Final = "\N{FIRST STRONG ISOLATE}"
END: Final = "\N{POP DIRECTIONAL ISOLATE}"
JOINERS: Final = frozenset("\u200c\u200d")

ESCAPES: Final = {
    "colours": "\x1b[31mred\x1b[0m",
    "a cleared screen": "\x1b[2J\x1b[H",
    "a window title": "\x1b]0;pwned\x07",
    "a link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "an answer typed for the reader": '\x1bP$q"p\x1b\\',
    "escapes of one byte": "\x9b31mred \x9d0;pwned\x9c",
    "a backspaced word": "good\b\b\b\bevil",
    "a reversed name": "\u202egnp.exe",
    "an unclosed isolate": "\u2066abc",
    "tags": "\U000e0041\U000e0042",
    "a bell": "\a",
}


@pytest.fixture(scope="module")
def every_character() -> list[str]:
    """All 1,114,112 code points."""
    return [chr(number) for number in range(sys.maxunicode + 1)]


def test_no_code_point_steers_the_terminal(every_character: list[str]) -> None:
    """Each one alone, among letters, as a line is written: only graphic characters come out,
    and the two marks of our own that keep a right-to-left text to itself."""
    for character in every_character:
        shown = written(line(Span(f"a{character}b", Style.NAME)), colour=False)
        inside = shown.removeprefix(ISOLATE).removesuffix(END)
        assert inside.isprintable(), hex(ord(character))
        assert inside[0] == "a"
        assert inside[-1] == "b"
        assert shown in (inside, f"{ISOLATE}{inside}{END}")


def test_no_code_point_steers_through_running_text(every_character: list[str]) -> None:
    """All of them in one long text, wrapped: the same."""
    text = "".join(every_character)
    for one in prose(text, 60):
        shown = written(one, colour=False).removeprefix(ISOLATE).removesuffix(END)
        assert all(c.isprintable() or c in JOINERS for c in shown)
        assert line_cells(one) <= 60


@pytest.mark.parametrize("attack", ESCAPES.values(), ids=ESCAPES.keys())
def test_an_attack_becomes_visible(attack: str) -> None:
    """What was there can be seen, and does nothing."""
    for shown in (safe_line(attack), safe_text(attack)):
        assert shown.isprintable()
        assert MARK in shown


def test_lines_end_where_the_writer_of_the_line_says() -> None:
    """Running text keeps its line ends, whatever they are; a name or title has none."""
    text = "one\ntwo\r\nthree\rfour\u2028five\x85six"
    assert safe_text(text) == "one\ntwo\nthree\nfour\nfive\nsix"
    assert safe_line(text) == "one two three four five six"


@given(st.text())
def test_safe_text_is_safe_and_stays_so(text: str) -> None:
    """Doing it twice changes nothing, so every layer may do it."""
    assert safe_text(safe_text(text)) == safe_text(text)
    assert safe_line(safe_line(text)) == safe_line(text)
    assert "\n" not in safe_line(text)


def test_what_people_write_stays_as_it_is() -> None:
    """Accents, other scripts and simple pictures are not attacks."""
    for text in ("Tempête à Jezero", "火星 沙尘", "світло", "Größe", "🚀 ❤️", "a\u0301"):
        assert safe_line(text) == text


def test_joiners_stay_where_scripts_need_them() -> None:
    """Persian is spelled with them; between Latin letters they only make two names alike."""
    persian = "\u0645\u06cc\u200c\u062e\u0648"
    assert safe_line(persian) == persian
    assert safe_line("a\u200dda") == f"a{MARK}da"
    assert safe_line("\u0645\u200c\u200c\u062e") == f"\u0645\u200c{MARK}\u062e"


def test_a_name_of_invisible_letters_is_visible() -> None:
    """Fillers are letters by the book, and look like nothing."""
    assert safe_line("ad\u3164a") == f"ad{MARK}a"


def test_marks_do_not_paint_over_other_lines() -> None:
    """A letter keeps a few combining marks, not hundreds."""
    assert safe_line("e" + "\u0301" * 500) == "e" + "\u0301" * MAX_STACKED_MARKS


def test_text_from_right_to_left_leaves_its_neighbours_alone() -> None:
    """An isolate goes around it, and closes with it; other text carries none."""
    assert isolated("שלום") == f"{ISOLATE}שלום{END}"
    assert isolated("hello") == "hello"
    assert isolated("火星") == "火星"


def test_colour_is_only_added_around_safe_text() -> None:
    """The escapes in a coloured line are ours, whatever the text says."""
    name = Span("\x1b[0m\x1b[2Jada", Style.NAME)
    assert written(line(name), colour=True) == f"\x1b[36m{MARK}[0m{MARK}[2Jada\x1b[0m"
    assert "\x1b" not in written(line(name), colour=False)


@given(st.text(st.characters()))
def test_json_is_printable_and_loses_nothing(text: str) -> None:
    """What cannot be printed is escaped as JSON allows."""
    plain = json.dumps({"text": text}, ensure_ascii=False)
    safe = safe_json(plain)
    assert safe.isprintable()
    assert json.loads(safe) == json.loads(plain)


def test_words_break_at_spaces() -> None:
    """A line is filled and no longer; a giant is cut; wide characters break anywhere."""
    assert wrap("the quick brown fox", 10) == ["the quick", "brown fox"]
    assert wrap("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]
    assert wrap("火星沙尘暴来了", 6) == ["火星沙", "尘暴来", "了"]
    assert wrap("  kept", 10) == ["  kept"]
    assert wrap("", 10) == [""]


@given(st.text(), st.integers(2, 40))
def test_wrapped_text_fits_and_loses_only_spaces(text: str, width: int) -> None:
    """Each line fits; put together they are the text."""
    safe = safe_line(text)
    lines = wrap(safe, width)
    assert all(cell_count(one) <= width for one in lines)
    assert "".join("".join(lines).split()) == "".join(safe.split())


@given(st.text(), st.integers(1, 30))
def test_a_cut_text_fits(text: str, width: int) -> None:
    """What is too long ends with an ellipsis, inside the width."""
    safe = safe_line(text)
    shown = cut(safe, width)
    assert cell_count(shown) <= width
    assert shown == safe or shown.endswith("…")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6), st.integers(20, 100))
def test_items_flow_over_as_many_lines_as_they_need(items: list[str], width: int) -> None:
    """No line is wider than the terminal, whatever the items are."""
    lines = flow([Span(item) for item in items], width, indent=2)
    assert all(line_cells(one) <= width for one in lines)


def test_a_table_wraps_its_second_column() -> None:
    """The meaning stays in its own column."""
    lines = table([("home", "a b c d e f g h i j k l m n"), ("id", "x")], 24)
    assert [written(one, colour=False) for one in lines] == [
        "  home  a b c d e f g h",
        "        i j k l m n",
        "  id    x",
    ]
