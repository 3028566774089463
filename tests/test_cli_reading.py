"""What a reader sees: timelines, threads, single entries, search."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowlight.protocol.content import Post
from slowlight.protocol.content_fields import Place
from slowlight.protocol.entry import CHANNEL_POSTS
from tests.command_line import NOW_MS, Desk
from tests.people import Person

DAY_MS = 86_400_000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home."""
    return Desk(tmp_path / "ada")


@pytest.fixture
def bob() -> Person:
    """Someone who has written nothing yet."""
    person = Person(1)
    person.profile("bob")
    return person


def short_ids(desk: Desk, *arguments: str) -> list[str]:
    """Short ids of the posts that a command lists."""
    return [post["short_id"] for post in desk.type(*arguments, "--json").json["posts"]]


def test_what_is_new_is_shown_once(desk: Desk, bob: Person) -> None:
    """Oldest first, with author, age, place, tags and id; then nothing is new, exit code 3."""
    place = Place(path="sol/mars/jezero")
    bob.write(
        CHANNEL_POSTS,
        Post("Dust again.", tags=("weather", "dust"), place=place, title="Sol 12"),
        t_ms=NOW_MS - 3 * DAY_MS,
    )
    bob.post("Clear sky.", t_ms=NOW_MS - 4_000)
    desk.receive(bob)
    first, second = short_ids(desk, "read", "--peek")
    shown = desk.type("read")
    assert shown.code == 0
    label = desk.type("profile", "bob", "--json").json["person"]["label"]
    assert shown.out == (
        "New since you last read: 2\n"
        "\n"
        f"{label} · 3 d ago · at sol/mars/jezero · #weather #dust\n"
        f"{first:>80}\n"
        "  Sol 12\n"
        "  Dust again.\n"
        "\n"
        f"{label} · 4 s ago{second:>{80 - len(label) - 10}}\n"
        "  Clear sky.\n"
    )
    again = desk.type("read")
    assert (again.code, again.out) == (3, "Nothing new.\n")


def test_peeking_leaves_what_is_new_new(desk: Desk, bob: Person) -> None:
    """It can be read as often as wanted."""
    bob.post()
    desk.receive(bob)
    assert desk.type("read", "--peek").out == desk.type("read").out


def test_a_long_absence_comes_in_pages(desk: Desk, bob: Person) -> None:
    """What remains is counted; the next reading goes on there."""
    bob.posts(5)
    desk.receive(bob)
    first = desk.type("read", "--limit", "3")
    assert "New since you last read: 3" in first.out
    assert "2 more posts to read" in first.err
    second = desk.type("read", "--limit", "3")
    assert "New since you last read: 2" in second.out
    assert second.err == ""


def test_everything_is_turned_over_page_by_page(desk: Desk, bob: Person) -> None:
    """Newest first; the hint below a page is the command for the next one."""
    entries = bob.posts(4)
    desk.receive(bob)
    first = desk.type("read", "--all", "--limit", "3")
    *_, page = first.err.split()
    assert first.err.startswith(f"Older: slowlight --home {desk.home.path} read --all --before ")
    newest = short_ids(desk, "read", "--all", "--limit", "3")
    oldest = short_ids(desk, "read", "--before", page)
    assert len(newest) == 3
    assert len(oldest) == len(entries) - 3
    assert not set(newest) & set(oldest)


def test_the_posts_of_one_person_alone(desk: Desk, bob: Person) -> None:
    """--author implies --all, and stays in the hint for the next page."""
    eve = Person(2)
    eve.profile("eve the second")
    eve.post("from eve")
    bob.post("from bob")
    desk.receive(bob, eve)
    shown = desk.type("read", "--author", "eve the second", "--limit", "1")
    assert "from eve" in shown.out
    assert "from bob" not in shown.out
    assert "--author 'eve the second'" in shown.err


def test_an_answer_says_what_it_answers(desk: Desk, bob: Person) -> None:
    """Whom, and how that begins; a warning is not told away, a gap is told."""
    eve = Person(2)
    eve.profile("eve")
    question = bob.post("Is anyone out there?\nI have been listening.")
    eve.post("Yes.", reply_to=question.id)
    spoiler = bob.write(CHANNEL_POSTS, Post("The butler.", warning="an ending"))
    eve.post("No!", reply_to=spoiler.id)
    eve.post("Who is this?", reply_to=b"\1" * 32)
    desk.receive(bob, eve)
    shown = desk.type("read").out
    assert "bob@" in shown
    assert ": Is anyone out there? I have been listening.\n  Yes." in shown
    assert "The butler" not in shown
    assert "answers a post that is not here yet\n  Who is this?" in shown


def test_a_warning_folds_the_text(desk: Desk, bob: Person) -> None:
    """The warning stands in its place until the reader unfolds it."""
    bob.write(CHANNEL_POSTS, Post("The butler did it.", warning="an ending"))
    desk.receive(bob)
    folded = desk.type("read", "--peek").out
    assert "Warning: an ending\n  (folded; --unfold shows it)" in folded
    assert "butler" not in folded
    assert "Warning: an ending\n  The butler did it." in desk.type("read", "--unfold").out


def test_a_date_that_cannot_be_is_shown_as_a_claim(desk: Desk, bob: Person) -> None:
    """The age is from when it came; what the author says stands beside it."""
    bob.post("from the future", t_ms=NOW_MS + 365 * DAY_MS)
    desk.receive(bob)
    shown = desk.type("read").out
    assert " · just now · says 2031-03-27 17:46 UTC" in shown


def test_a_thread_is_indented_until_it_would_not_fit(desk: Desk, bob: Person) -> None:
    """Each answer stands further right; where there is no room left, it says whom it answers."""
    eve = Person(2)
    eve.profile("eve")
    root = last = bob.post("depth 0")
    for depth in range(1, 40):
        writer = eve if depth % 2 else bob
        last = writer.post(f"depth {depth}", reply_to=last.id, root=root.id)
    desk.receive(bob, eve)
    newest = short_ids(desk, "read", "--peek")[-1]
    for width in (40, 80, 200):
        shown = desk.type("read", "--thread", newest, environ={"COLUMNS": str(width)})
        lines = shown.out.splitlines()
        assert max(map(len, lines)) <= width
        assert lines[0] == "Thread of 40 posts"
        indents = [len(line) - len(line.lstrip()) for line in lines if "depth" in line]
        assert indents == sorted(indents)
        assert indents[0] == 2
        assert indents[-1] <= width // 2
        assert "answers bob@" in shown.out
    some = desk.type("read", "--thread", newest, "--limit", "3").out
    assert some.startswith("The beginning of a thread, 3 posts\n")
    assert some.endswith("(there is more; --limit shows it)\n")


def test_a_thread_without_its_beginning_says_so(desk: Desk, bob: Person) -> None:
    """The root may come later; its answers are readable now."""
    bob.post("Yes.", reply_to=b"\1" * 32, root=b"\1" * 32)
    desk.receive(bob)
    (ident,) = short_ids(desk, "read", "--peek")
    shown = desk.type("read", "--thread", ident).out
    assert "(the post that began it is not here yet)" in shown
    assert "Yes." in shown


def test_an_entry_is_shown_closely(desk: Desk, bob: Person) -> None:
    """Its whole id, its log, its dates, its proof; nothing is folded."""
    entry = bob.write(CHANNEL_POSTS, Post("The butler.", warning="an ending"))
    desk.receive(bob)
    (ident,) = short_ids(desk, "read", "--peek")
    shown = desk.type("show", ident).out
    assert "The butler." in shown
    assert entry.id.hex() in shown
    assert bob.device.hex() in "".join(shown.split())
    assert "as the author says" in shown


def test_an_entry_that_is_no_post_is_shown_too(desk: Desk, bob: Person) -> None:
    """A profile, by its id."""
    desk.receive(bob)
    ident = desk.type("profile", "bob", "--json").json["entry"]
    shown = desk.type("show", ident)
    assert shown.code == 0
    assert "kind      profile" in shown.out


def test_search_finds_words_or_ends_with_3(desk: Desk, bob: Person) -> None:
    """Accents do not matter; all words count."""
    bob.post("La tempête arrive sur Jezero")
    desk.receive(bob)
    assert "tempête" in desk.type("search", "jezero", "TEMPETE").out
    nothing = desk.type("search", "jezero", "calm")
    assert (nothing.code, nothing.out) == (3, "Nothing found.\n")
    assert desk.type("search", "calm", "--json").json["posts"] == []


def test_a_hostile_post_is_harmless_wherever_it_is_shown(desk: Desk, bob: Person) -> None:
    """Name, title, tags, place, warning, text: no escape, no fake line, no turned direction."""
    attack = "\x1b]0;pwned\x07\x9b31m\u202etxt\u2066\rada · now"
    bob.profile(f"bob{attack}")
    hostile = bob.write(
        CHANNEL_POSTS,
        Post(attack, title=attack, warning=attack, tags=(attack,), place=Place(path=attack)),
    )
    bob.post(attack, reply_to=hostile.id)
    desk.receive(bob)
    ident = short_ids(desk, "read", "--peek")[-1]
    for command in (
        ("read", "--peek", "--unfold"),
        ("read", "--all", "--color", "never"),
        ("read", "--thread", ident),
        ("show", ident),
        ("search", "pwned", "--unfold"),
        ("follows",),
        ("follow", bob.identity.hex()),
        ("read", "--all", "--json"),
        ("follow", f"nobody{attack}"),
        ("follow", f"nobody{attack}", "--json"),
    ):
        ending = desk.type(*command)
        for line in (ending.out + ending.err).split("\n"):
            assert line.isprintable(), (command, line)
