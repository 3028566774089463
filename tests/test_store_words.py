"""What people type is found as they mean it, and never understood as anything but words."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowlight.store.words import (
    MAX_QUERY_TERMS,
    MAX_RANKED,
    TOKENIZER,
    best_matches,
    index_text,
    parse_query,
)

DOES_NOT_COUNT = [
    ("tempete", "Une TEMPÊTE de sable"),
    ("TEMPÊTE", "une tempete de sable"),
    ("été", "e\u0301te\u0301"),
    ("oeuvre", "chef-d'œuvre"),
    ("strasse", "Straße"),
    ("istanbul", "İstanbul"),
    ("lodz", "Łódź"),
    ("ёлка", "елка"),
    ("αθηνα", "Αθήνα"),
    ("محمد", "مُحَمَّد"),
    ("abc", "\uff21\uff22\uff23"),
    ("fin", "ﬁn"),
    ("カタカナ", "ｶﾀｶﾅ"),
    ("soft", "so\u00adft"),
]
COUNTS = [
    ("かく", "がく"),
    ("post", "posts"),
    ("हिन्दि", "हिन्दी"),
]
INSIDE_RUNS = [
    ("文字", "中文字处理"),
    ("处理", "中文字处理"),
    ("中文字", "中文字处理"),
    ("中", "中文字处理"),
    ("理", "中文字处理"),
    ("理", "文理。"),
    ("한국", "한국어를 배우다"),
    ("カナ", "カタカナ・テスト"),
    ("学生", "学生です"),
    ("火星", "on the way to火星today"),
    ("today", "on the way to火星today"),
]
NOT_INSIDE_RUNS = [
    ("中文处", "中文字处理"),
    ("文中", "中文字"),
    ("中文字", "中文、文字"),
    ("字处", "文字。处理"),
]


def finds(query: str, text: str) -> bool:
    return parse_query(query).score(text) > 0


@pytest.mark.parametrize(("query", "text"), DOES_NOT_COUNT)
def test_case_accents_and_forms_do_not_matter(query: str, text: str) -> None:
    """People type what their keyboard has."""
    assert finds(query, text)


@pytest.mark.parametrize(("query", "text"), COUNTS)
def test_signs_that_spell_another_word_do_matter(query: str, text: str) -> None:
    """A voicing mark or a vowel sign is no accent, and a word is not its beginning."""
    assert not finds(query, text)


@pytest.mark.parametrize(("query", "text"), INSIDE_RUNS)
def test_words_are_found_inside_runs_without_spaces(query: str, text: str) -> None:
    """Two characters, one character, or more, wherever the run begins and ends."""
    assert finds(query, text)


@pytest.mark.parametrize(("query", "text"), NOT_INSIDE_RUNS)
def test_characters_that_are_not_neighbours_are_no_word(query: str, text: str) -> None:
    """Pairs of one word must follow each other, in one run."""
    assert not finds(query, text)


def test_every_word_is_required_in_any_order() -> None:
    """Two words are an 'and', not a phrase."""
    assert finds("dust storm", "the storm raised dust")
    assert not finds("dust storm", "the storm raised sand")


@pytest.mark.parametrize("query", ["", "   ", '"', "*", "-", "()", "\0", "🚀", "\ud800", "'\"'"])
def test_a_query_without_a_word_says_so(query: str) -> None:
    """There is nothing to look for, and nothing else to say about it."""
    with pytest.raises(ValueError, match="no word"):
        parse_query(query)


def test_a_query_of_a_whole_page_is_refused() -> None:
    """64 words are found together; more are refused with the number."""
    words = [f"w{n}" for n in range(MAX_QUERY_TERMS)]
    assert len(parse_query(" ".join(words)).phrases) == MAX_QUERY_TERMS
    with pytest.raises(ValueError, match="at most 64"):
        parse_query(" ".join([*words, "more"]))
    with pytest.raises(ValueError, match="at most 64"):
        parse_query("".join(chr(0x4E00 + n) for n in range(MAX_QUERY_TERMS + 2)))


def test_a_word_typed_twice_is_asked_once() -> None:
    """Doubled words would only cost time."""
    assert parse_query("dust DUST dúst").match == '"dust"'


def test_what_is_named_often_in_a_short_text_is_best() -> None:
    """Of equal ones the newer stands first; what does not match is left out."""
    texts = [
        (5, "storm " * 3),
        (4, "a storm"),
        (3, "nothing"),
        (2, "a long report about the harvest, the ice, the crew and one storm"),
        (1, "a storm"),
    ]
    assert best_matches(parse_query("storm"), texts, limit=9) == [5, 4, 1, 2]
    assert best_matches(parse_query("storm"), texts, limit=1) == [5]


def test_a_word_of_every_post_is_not_looked_for_in_all_of_them() -> None:
    """The newest thousand that match are compared, and no more are read."""
    texts = ((n, "the") for n in itertools.count(5_000, -1))
    assert best_matches(parse_query("the"), texts, limit=3) == [5_000, 4_999, 4_998]
    assert next(texts)[0] == 5_000 - MAX_RANKED


@pytest.fixture(scope="module")
def fts() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:")
    db.execute(
        f"CREATE VIRTUAL TABLE words USING fts5("
        f"text, content='', detail=none, columnsize=0, tokenize='{TOKENIZER}')"
    )
    yield db
    db.close()


def found_by_fts(db: sqlite3.Connection, query: str, text: str) -> bool:
    db.execute("INSERT INTO words (words) VALUES ('delete-all')")
    db.execute("INSERT INTO words (rowid, text) VALUES (1, ?)", (index_text(text),))
    found = db.execute("SELECT 1 FROM words WHERE words MATCH ?", (parse_query(query).match,))
    return found.fetchone() is not None


@pytest.mark.parametrize(("query", "text"), DOES_NOT_COUNT + COUNTS + INSIDE_RUNS + NOT_INSIDE_RUNS)
def test_fts5_misses_nothing(fts: sqlite3.Connection, query: str, text: str) -> None:
    """The index in SQLite finds what a look at the text itself finds; if it finds more, then
    only because the pairs of a longer word stand apart."""
    found = found_by_fts(fts, query, text)
    assert found >= finds(query, text)
    if all(len(phrase.terms) == 1 for phrase in parse_query(query).phrases):
        assert found == finds(query, text)


@pytest.mark.parametrize(
    "query",
    [
        'dust" OR "sand',
        "dust OR sand",
        "dust NOT storm",
        "NEAR(dust sand, 5)",
        "dus*",
        "text:dust",
        "{text}: dust",
        "^sand",
        "- text : dust",
        "dust\0sand",
        "a + b",
        "(sand",
        "';DROP TABLE words;--",
    ],
)
def test_operators_of_fts5_are_only_words(fts: sqlite3.Connection, query: str) -> None:
    """A person searches for words; no syntax of the index is reachable."""
    assert not found_by_fts(fts, query, "the storm raised dust")
    assert found_by_fts(fts, query, f"long before {query} and after")


mixed_text = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("ab Zé\u0301ß 中文字がカ・ー한국ᄒ\u1161'\"*:-^()\0\u200d火İ"),
    ),
    max_size=24,
)


@settings(deadline=None)
@given(words=mixed_text, text=mixed_text)
def test_no_text_and_no_query_breaks_the_agreement(
    fts: sqlite3.Connection, words: str, text: str
) -> None:
    """Whatever is written and typed, the index misses nothing, and what is typed is found in a
    text that holds it."""
    try:
        parse_query(words)
    except ValueError:
        return
    assert found_by_fts(fts, words, text) >= finds(words, text)
    around = f"{text} / {words} / {text}"
    assert found_by_fts(fts, words, around)
    assert finds(words, around)
