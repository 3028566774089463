"""What every store shows to a person: timeline, threads, search, names, follows."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.content import Kind, Post, Profile, encode_content
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, CHANNEL_PRIVATE
from slowlight.protocol.hashing import short_id, short_prefix
from slowlight.store.base import OWN, Follow, LogKey, NodeStore, PageMark, TimelinePost
from slowlight.store.words import parse_query
from tests.people import START_MS, Person
from tests.stores import (
    RECEIVED_MS,
    OpenStore,
    any_order,
    meet,
    posts_of,
    show_everything,
    take,
)

MINUTE_MS: Final = 60_000


def ids(posts: list[TimelinePost] | tuple[TimelinePost, ...]) -> list[bytes]:
    return [post.held.entry.id for post in posts]


def found(store: NodeStore, query: str) -> set[bytes]:
    """Search with a complete index."""
    show_everything(store)
    result = store.search(query, limit=100)
    assert result.behind == 0
    return {*ids(result.posts)}


# --- Timeline and threads --------------------------------------------------------------------


def test_the_timeline_is_read_in_pages_newest_first(store: NodeStore) -> None:
    """Pages meet without gap or overlap, also where something arrived in between."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    late = bob.post(t_ms=START_MS - MINUTE_MS)
    newest_first = [entry.id for entry in reversed(ada.posts(25))]
    take(store, ada.run())

    top = store.timeline(limit=10)
    assert ids(top) == newest_first[:10]
    ada.post()
    take(store, ada.run(first=25))
    middle = store.timeline(before=PageMark(top[-1].order_ms, top[-1].n), limit=10)
    assert ids(middle) == newest_first[10:20]
    take(store, bob.run())
    bottom = store.timeline(before=PageMark(middle[-1].order_ms, middle[-1].n), limit=10)
    assert ids(bottom) == [*newest_first[20:], late.id]
    end = store.timeline(before=PageMark(bottom[-1].order_ms, bottom[-1].n), limit=10)
    assert end == []


def test_posts_of_one_moment_have_an_order_and_pages_too(store: NodeStore) -> None:
    """Many posts of one millisecond are neither lost nor doubled at the edge of a page."""
    people = [Person(seed) for seed in range(1, 8)]
    meet(store, *people)
    for person in people:
        person.post(t_ms=START_MS)
        take(store, person.run())
    seen: list[bytes] = []
    mark = None
    for _ in range(4):
        page = store.timeline(before=mark, limit=2)
        seen += ids(page)
        mark = PageMark(page[-1].order_ms, page[-1].n)
    assert seen == [person.head().id for person in reversed(people)]


def test_the_timeline_of_one_identity_has_all_its_devices(store: NodeStore) -> None:
    """A person is read, not a device."""
    laptop, phone, bob = Person(1), Person(1, device_number=1), Person(2)
    meet(store, laptop, phone, bob)
    posts = [person.post(t_ms=START_MS + n) for n, person in enumerate((laptop, phone, bob))]
    take(store, laptop.run(), phone.run(), bob.run())
    assert ids(store.timeline(identity=laptop.identity)) == [posts[1].id, posts[0].id]
    (page,) = store.timeline(identity=laptop.identity, limit=1)
    rest = store.timeline(identity=laptop.identity, before=PageMark(page.order_ms, page.n))
    assert ids(rest) == [posts[0].id]
    assert store.timeline(identity=bytes(32)) == []


def test_a_post_dated_in_the_future_is_not_pinned_to_the_top(store: NodeStore) -> None:
    """A claim after the arrival counts as the arrival; what comes later stands above."""
    ada, eve = Person(1), Person(2)
    meet(store, ada, eve)
    eve.post("buy now", t_ms=RECEIVED_MS + 10**12)
    take(store, eve.run(), received_ms=RECEIVED_MS)
    ada.post(t_ms=RECEIVED_MS + MINUTE_MS)
    take(store, ada.run(), received_ms=RECEIVED_MS + MINUTE_MS)
    upper, lower = store.timeline()
    assert (upper.held.identity, lower.held.identity) == (ada.identity, eve.identity)
    assert lower.order_ms == RECEIVED_MS
    assert lower.held.entry.t_ms == RECEIVED_MS + 10**12


def test_an_answer_is_never_read_before_what_it_answers(store: NodeStore) -> None:
    """Bob's clock is a year behind; the order follows the conversation."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    question = ada.post()
    answer = bob.post(reply_to=question.id, t_ms=START_MS - 365 * 86_400_000)
    take(store, ada.run(), bob.run())
    upper, lower = store.timeline()
    assert ids([upper, lower]) == [answer.id, question.id]
    assert upper.order_ms == lower.order_ms + 1


def test_answers_move_when_what_they_answer_arrives(store: NodeStore) -> None:
    """Newest first means answers first; a chain of them moves up with its beginning."""
    ada, bob, cleo = Person(1), Person(2), Person(3)
    meet(store, ada, bob, cleo)
    question = ada.post(t_ms=START_MS + 50 * MINUTE_MS)
    answer = bob.post(reply_to=question.id, t_ms=START_MS + 10 * MINUTE_MS)
    reply = cleo.post(reply_to=answer.id, root=question.id, t_ms=START_MS + 20 * MINUTE_MS)
    beside = cleo.post("about something else", t_ms=START_MS + 30 * MINUTE_MS)
    take(store, bob.run(), cleo.run())
    assert ids(store.timeline()) == [beside.id, reply.id, answer.id]
    take(store, ada.run())
    assert ids(store.timeline()) == [reply.id, answer.id, question.id, beside.id]
    assert ids(store.thread(question.id, limit=10)) == [question.id, answer.id, reply.id]


def test_an_answer_to_what_nobody_has_stands_by_itself(store: NodeStore) -> None:
    """A post may name anything as its parent; it is shown by its own date."""
    ada = Person(1)
    meet(store, ada)
    nowhere = bytes(range(32))
    first = ada.post(reply_to=nowhere, root=nowhere)
    second = ada.post(reply_to=first.id, root=first.id)
    take(store, ada.run())
    assert ids(store.timeline()) == [second.id, first.id]
    assert ids(store.thread(nowhere, limit=10)) == [first.id]


def test_a_thread_is_its_beginning_and_what_names_it(store: NodeStore) -> None:
    """In reading order, cut at the limit from the end; others' threads stay out."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    root = ada.post()
    direct = [bob.post(reply_to=root.id) for _ in range(3)]
    deeper = ada.post(reply_to=direct[0].id, root=root.id)
    other = ada.post()
    bob.post(reply_to=other.id)
    take(store, ada.run(), bob.run())
    thread = store.thread(root.id, limit=10)
    assert {*ids(thread)} == {root.id, deeper.id, *(post.id for post in direct)}
    assert ids(thread)[0] == root.id
    assert [post.order_ms for post in thread] == sorted(post.order_ms for post in thread)
    assert ids(store.thread(root.id, limit=2)) == ids(thread)[:2]
    assert ids(store.thread(direct[0].id, limit=10)) == [direct[0].id, deeper.id]
    assert store.thread(bytes(32), limit=10) == []


def test_a_thread_whose_beginning_is_missing_can_be_read(store: NodeStore) -> None:
    """Answers are shown; the hole is theirs to name."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    root = ada.post()
    answer = bob.post(reply_to=root.id)
    take(store, bob.run())
    assert ids(store.thread(root.id, limit=10)) == [answer.id]


def test_what_arrived_is_read_in_the_order_of_arrival(store: NodeStore) -> None:
    """A reader who was away goes on where they stopped, whatever the dates say."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    assert store.newest_arrival() == 0
    old, new = bob.post(t_ms=START_MS - MINUTE_MS), ada.post()
    take(store, ada.run())
    stopped = store.newest_arrival()
    take(store, bob.run())
    assert ids(store.arrived(after=stopped, limit=10)) == [old.id]
    both = store.arrived(after=0, limit=10)
    assert ids(both) == [new.id, old.id]
    assert [post.n for post in both] == sorted({post.n for post in both})
    assert both[0].n >= 1
    assert both[-1].n == store.newest_arrival()
    assert ids(store.arrived(after=0, limit=1)) == [new.id]
    assert store.count_arrived(after=0) == 2
    assert store.count_arrived(after=stopped) == 1
    assert store.count_arrived(after=store.newest_arrival()) == 0


def test_posts_of_one_identity_can_be_left_out_of_the_count(store: NodeStore) -> None:
    """A person's own posts are no news, wherever they stand and whichever device wrote them."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    bob.posts(3)
    meet(store, ada, bob)
    take(store, bob.run(last=0))
    store.append(LogKey(ada.device, 1), ada.signed(), received_ms=START_MS)
    take(store, bob.run(first=1))
    assert store.count_arrived(after=0) == 6
    assert store.count_arrived(after=0, besides=ada.identity) == 3
    own = [post.n for post in store.arrived(after=0, limit=9) if post.held.via == OWN]
    assert store.count_arrived(after=own[1], besides=ada.identity) == 2
    elsewhere = Person(1, device_number=1)
    elsewhere.posts(4)
    meet(store, elsewhere)
    take(store, elsewhere.run())
    assert store.count_arrived(after=own[1]) == 7
    assert store.count_arrived(after=own[1], besides=ada.identity) == 2


def newer_version_of(post: Post) -> bytes:
    """Return a post with a field that nobody here knows."""
    return msgspec.msgpack.encode([Kind.POST.value, *msgspec.structs.astuple(post), "a new field"])


def test_only_posts_are_in_the_timeline(store: NodeStore) -> None:
    """Profiles, sealed entries, unknown content and rubbish are kept, and not shown as posts."""
    ada = Person(1)
    meet(store, ada)
    ada.profile("Ada")
    ada.write(CHANNEL_POSTS, b"")
    ada.write(CHANNEL_POSTS, b"\xc1 rubbish")
    ada.write(CHANNEL_POSTS, b"\x92\x63\x01")  # kind 99
    ada.write(CHANNEL_POSTS, b"\x92\x10\xc0")  # a post whose text is nil
    ada.write(CHANNEL_PRIVATE, encode_content(Post("not sealed")))
    ada.write(CHANNEL_IDENTITY, encode_content(Post("in the wrong channel")))
    ada.write(CHANNEL_POSTS, b"\x93\x10\xa2hi\x05")  # a post that answers the number five
    later = ada.write(CHANNEL_POSTS, newer_version_of(Post("hi")))
    take(store, ada.run(CHANNEL_IDENTITY), ada.run(), ada.run(CHANNEL_PRIVATE))
    assert ids(store.timeline()) == [later.id]
    assert store.totals().posts == 1
    assert store.head(posts_of(ada)).seq == 5


# --- Finding ---------------------------------------------------------------------------------


def test_words_are_found_whatever_their_accents_case_and_script(store: NodeStore) -> None:
    """People type what their keyboard has; two Chinese characters are a word."""
    ada = Person(1)
    meet(store, ada)
    storm = ada.post("Une Tempête de sable approche")
    crew = ada.post("火星沙尘暴正在接近")
    both = ada.post("tempete, 沙尘")
    take(store, ada.run())
    assert found(store, "tempete") == found(store, "TEMPÊTE") == {storm.id, both.id}
    assert found(store, "沙尘") == {crew.id, both.id}
    assert found(store, "暴") == {crew.id}
    assert found(store, "sable tempête") == {storm.id}
    assert found(store, "星沙尘") == {crew.id}
    assert found(store, "尘沙") == set()


@pytest.mark.parametrize(
    "query", ['storm" OR "dust', "storm OR dust", "NEAR(storm dust)", "sto*", "text:storm", "a\0b"]
)
def test_operators_are_words_like_others(store: NodeStore, query: str) -> None:
    """Nothing typed is understood as anything but words, and nothing raises."""
    ada = Person(1)
    meet(store, ada)
    ada.post("a storm")
    itself = ada.post(f"how do I search for {query} here")
    take(store, ada.run())
    assert found(store, query) == {itself.id}


def test_a_search_for_nothing_says_so(store: NodeStore) -> None:
    """An empty query is a mistake of the caller."""
    with pytest.raises(ValueError, match="no word"):
        store.search(' "*" ', limit=10)


def test_the_best_stand_first_and_the_limit_cuts_the_rest(store: NodeStore) -> None:
    """A short text about it stands above a long one that mentions it."""
    ada = Person(1)
    meet(store, ada)
    passing = ada.post("a long report about the harvest, the ice, the crew and one storm")
    about = ada.post("storm after storm")
    ada.post("nothing of the kind")
    take(store, ada.run())
    show_everything(store)
    assert ids(store.search("storm", limit=10).posts) == [about.id, passing.id]
    assert ids(store.search("storm", limit=1).posts) == [about.id]


def test_a_search_says_how_far_the_index_has_read(store: NodeStore) -> None:
    """The index may follow behind; what it has not read is counted, never silently missing."""
    ada = Person(1)
    meet(store, ada)
    for n in range(12):
        ada.post(f"storm {n}")
    take(store, ada.run())
    before = store.search("storm", limit=100)
    assert len(before.posts) + before.behind >= 12
    assert store.totals().search_behind == before.behind
    behind = store.index_posts(5)
    assert behind == max(0, before.behind - 5)
    assert len(store.search("storm", limit=100).posts) >= 5
    show_everything(store)
    assert store.search("storm", limit=100).behind == store.totals().search_behind == 0
    assert len(found(store, "storm")) == 12


def test_posts_that_arrive_later_are_found_too(store: NodeStore) -> None:
    """The index goes on where it stopped, also with payloads that fill stubs."""
    ada = Person(1)
    meet(store, ada)
    ada.post("first storm")
    ada.post("second storm")
    take(store, ada.run(stubs={0}))
    assert found(store, "storm") == {ada.log()[1].id}
    take(store, ada.run())
    assert found(store, "storm") == {entry.id for entry in ada.log()}


some_text = st.text(st.sampled_from('ab é文字한 -"*'), min_size=1, max_size=12)


@any_order
@given(texts=st.lists(some_text, min_size=1, max_size=6), query=some_text)
def test_every_store_finds_what_the_words_say(
    open_store: OpenStore, texts: list[str], query: str
) -> None:
    """The same posts whether an index is asked or the texts themselves are looked at."""
    try:
        wanted = parse_query(query)
    except ValueError:
        return
    store, ada = open_store(), Person(1)
    meet(store, ada)
    posts = [ada.post(text) for text in texts]
    take(store, ada.run())
    assert found(store, query) == {
        post.id for post, text in zip(posts, texts, strict=True) if wanted.score(text)
    }


def test_entries_are_found_by_the_beginning_of_their_short_id(store: NodeStore) -> None:
    """Twelve characters, or as many as a person copied."""
    ada = Person(1)
    meet(store, ada)
    posts = ada.posts(40)
    take(store, ada.run())
    for post in posts:
        bits, bit_count = short_prefix(short_id(post.id))
        assert [held.entry.id for held in store.find_entries(bits, bit_count, 10)] == [post.id]
    first = short_id(posts[0].id)[0]
    alike = {e.id for log in ada.logs.values() for e in log if short_id(e.id)[0] == first}
    assert {held.entry.id for held in store.find_entries(*short_prefix(first), 99)} == alike
    assert len(store.find_entries(*short_prefix(first), 1)) == 1
    assert store.entry(bytes(32)) is None


# --- People ----------------------------------------------------------------------------------


def test_people_are_found_by_short_id_and_by_name(store: NodeStore) -> None:
    """The reader's own name for someone hides what they call themselves."""
    ada, bob, cleo = Person(1), Person(2), Person(3)
    meet(store, ada, bob, cleo)
    for person in (ada, bob, cleo):
        person.profile("Ada")
        take(store, person.run(CHANNEL_IDENTITY))
    store.set_petname(bob.identity, "robert")
    assert {who.identity for who in store.identities_named("Ada")} == {ada.identity, cleo.identity}
    (robert,) = store.identities_named("robert")
    assert (robert.identity, robert.petname, robert.name) == (bob.identity, "robert", "Ada")
    assert store.identities_named("nobody") == []
    assert store.identities_named("") == []
    (same,) = store.find_identities(*short_prefix(short_id(bob.identity)), 5)
    assert same == robert == store.identity(bob.identity)
    assert same.inception == bob.inception.encode()
    assert store.identity(bytes(32)) is None


def test_a_petname_is_one_persons(store: NodeStore) -> None:
    """Two people of one name would be a trap; taking it away frees it."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    store.set_petname(ada.identity, "ada")
    store.set_petname(ada.identity, "ada")
    with pytest.raises(ValueError, match="ada"):
        store.set_petname(bob.identity, "ada")
    assert [who.identity for who in store.identities_named("ada")] == [ada.identity]
    store.set_petname(ada.identity, "")
    store.set_petname(bob.identity, "ada")
    assert [who.identity for who in store.identities_named("ada")] == [bob.identity]
    renamed = store.identity(ada.identity)
    assert renamed is not None
    assert renamed.petname == ""
    with pytest.raises(ValueError, match="nobody"):
        store.set_petname(bytes(32), "eve")
    assert store.identities_named("eve") == []


def test_the_newest_profile_counts_whichever_arrives_first(store: NodeStore) -> None:
    """Newest by what its author had read, over all devices of the identity, whose clocks may
    differ."""
    laptop, phone = Person(1), Person(1, device_number=1)
    meet(store, laptop, phone)
    assert store.profile(laptop.identity) is None
    laptop.profile("Ada")
    newest = laptop.profile("Ada L.")
    take(store, laptop.run(CHANNEL_IDENTITY, 2, 2))
    take(store, laptop.run(CHANNEL_IDENTITY, 1, 1))
    assert name_of(store, laptop) == "Ada L."
    shown = store.profile(laptop.identity)
    assert shown is not None
    assert shown.entry == newest
    older = phone.profile("A.")
    assert older.lamport < newest.lamport
    take(store, phone.run(CHANNEL_IDENTITY))
    assert name_of(store, laptop) == "Ada L."
    seen = phone.write(CHANNEL_IDENTITY, Profile("Ada, by phone"), t_ms=START_MS, lamport=99)
    take(store, phone.run(CHANNEL_IDENTITY, seen.seq))
    assert name_of(store, laptop) == "Ada, by phone"


def name_of(store: NodeStore, person: Person) -> str:
    known = store.identity(person.identity)
    assert known is not None
    return known.name


def test_following_is_the_newest_word_about_someone(store: NodeStore) -> None:
    """Follow, change one's mind, withdraw: the last word stands, in any order of arrival."""
    ada, bob, cleo = Person(1), Person(2), Person(3)
    meet(store, ada, bob, cleo)
    ada.follow(bob.identity)
    ada.follow(cleo.identity, (CHANNEL_POSTS, 7))
    ada.follow(bob.identity, ())
    third = ada.follow(bob.identity, (CHANNEL_POSTS,))
    take(store, *ada.runs(CHANNEL_IDENTITY, 1, longest=1))
    both = [
        Follow(bob.identity, (CHANNEL_POSTS,), 0, 0),
        Follow(cleo.identity, (CHANNEL_POSTS, 7), 0, 0),
    ]
    assert store.follows(ada.identity) == sorted(both, key=lambda follow: follow.identity)
    assert store.follows(bob.identity) == []
    ada.withdraw(third)
    take(store, ada.run(CHANNEL_IDENTITY))
    assert [follow.identity for follow in store.follows(ada.identity)] == [cleo.identity]


def test_devices_are_known_by_their_certificates(store: NodeStore) -> None:
    """Label, place and the key for messages and handshakes."""
    ada = Person(1)
    meet(store, ada)
    (device,) = store.devices(ada.identity)
    assert (device.device, device.identity) == (ada.device, ada.identity)
    assert device.box_public == ada.box_public
    assert (device.label, device.place) == ("device 0", "sol/mars/jezero")
    assert store.devices(bytes(32)) == []
