"""A real conversation is signed again: same seed, same people, same bytes as from a peer."""

import gzip
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from slowlight.protocol.content import MAX_TEXT_BYTES, Post, decode_content, split_payload
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, EMPTY_LOG, Entry
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.frames import RunFrame, encode_frame
from slowlight.protocol.hashing import short_id
from slowlight.protocol.ident import VerifiedIdent, verify_ident
from slowlight.protocol.run import BLOCK, Run, open_run
from slowlight.simulations.conversation import (
    COLUMNS,
    SHIPPED_CONVERSATION,
    SHIPPED_TEXT,
    Message,
    in_answer_order,
    read_messages,
)
from slowlight.simulations.passages import Passages, cut_text
from slowlight.simulations.people import SeededLog, SeededPerson
from slowlight.simulations.replay import Counts, ReplayedConversation, sign_conversation
from slowlight.store.memory import MemoryStore

JANUARY_1999_S: Final = 915_148_800


def message(
    number: int, author: int = 0, parent: int | None = None, size_bytes: int = 10, t_unix_s: int = 0
) -> Message:
    """A message that says only what a test is about."""
    return Message(number, JANUARY_1999_S + t_unix_s, author, parent, size_bytes)


def post_of(entry: Entry) -> Post:
    """What an entry of channel 1 says."""
    assert entry.payload is not None
    content = decode_content(split_payload(entry.payload), CHANNEL_POSTS)
    assert isinstance(content, Post)
    return content


def posts_by_id(conversation: ReplayedConversation) -> dict[bytes, Entry]:
    """Every post of a conversation."""
    return {
        entry.id: entry
        for author in conversation.authors.values()
        for entry in author.logs[CHANNEL_POSTS].entries
    }


def opened(runs: Sequence[Run]) -> Iterator[Entry]:
    """Entries of one log, newest run first, as a receiver without any of it proves them."""
    trusted_end: bytes | None = None
    for run in runs:
        yield from reversed(open_run(run, trusted_end=trusted_end))
        trusted_end = run.prev


@pytest.fixture(scope="module")
def shipped() -> ReplayedConversation:
    """The conversation that ships, signed."""
    return sign_conversation(read_messages())


def test_the_shipped_conversation_is_the_one_its_sources_describe() -> None:
    """The rows and the text are those whose hashes stand beside them."""
    sources = SHIPPED_CONVERSATION.with_name("SOURCES.md").read_text("utf-8")
    rows = gzip.decompress(SHIPPED_CONVERSATION.read_bytes())
    assert hashlib.sha256(rows).hexdigest() in sources
    assert hashlib.sha256(SHIPPED_TEXT.read_bytes()).hexdigest() in sources
    messages = read_messages()
    assert len(messages) == 2_000
    assert len({row.author for row in messages}) == 520


def test_every_message_becomes_posts_of_its_size_with_its_date(
    shipped: ReplayedConversation,
) -> None:
    """Nothing is lost on the way from rows to logs: sizes, dates, authors, answers."""
    counts = shipped.counts
    assert (counts.people, counts.messages, counts.posts) == (520, 2_000, 2_004)
    assert counts.entries == counts.people + counts.posts
    posts = posts_by_id(shipped)
    assert len(posts) == counts.posts
    texts = {post_id: post_of(entry).text for post_id, entry in posts.items()}
    assert sum(len(text.encode()) for text in texts.values()) == counts.body_bytes == 1_760_253
    messages = {row.id: row for row in read_messages()}
    for number, post_id in shipped.posts.items():
        row = messages[number]
        assert len(texts[post_id].encode()) == min(row.size_bytes, MAX_TEXT_BYTES)
        assert posts[post_id].t_ms == row.t_unix_s * 1000
        assert posts[post_id] in shipped.authors[row.author].logs[CHANNEL_POSTS].entries
        expected = None if row.parent is None else shipped.posts.get(row.parent)
        assert post_of(posts[post_id]).reply_to == expected
    assert sum(shipped.threads.values()) == counts.messages
    assert shipped.longest_thread == short_id(shipped.posts[301])
    assert shipped.threads[shipped.posts[301]] == 52


def test_a_receiver_with_an_empty_store_can_prove_every_run(shipped: ReplayedConversation) -> None:
    """Identities first, then their runs, newest first: each proven by what came before."""
    received: dict[bytes, bytes] = {}
    ends: dict[tuple[bytes, int], bytes] = {}
    entries = 0
    for item in (item for batch in shipped.batches() for item in batch):
        if isinstance(item, VerifiedIdent):
            received |= {device.certificate.device: item.identity for device in item.devices}
            continue
        assert item.device in received
        entries += len(open_run(item, trusted_end=ends.get((item.device, item.channel))))
        ends[item.device, item.channel] = item.prev
        encode_frame(RunFrame(item.encode()))  # refuses what no frame can hold
    assert entries == shipped.counts.entries
    assert sorted(received.values()) == sorted(shipped.people)


def test_a_store_takes_the_whole_conversation_once(shipped: ReplayedConversation) -> None:
    """Every post is in the timeline; handed over again, nothing is new."""
    store = MemoryStore(nonce=bytes(8))
    assert shipped.fill(store, received_ms=2**40, via="") == shipped.counts.entries
    totals = store.totals()
    assert (totals.identities, totals.posts) == (shipped.counts.people, shipped.counts.posts)
    assert shipped.fill(store, received_ms=2**40, via="") == 0


def test_a_store_that_refuses_stops_the_replay() -> None:
    """Where an author's log goes on otherwise, the replay says so."""
    store = MemoryStore(nonce=bytes(8))
    for text in ("one", "another"):
        person = SeededPerson(bytes(32), label="forked", from_ms=0)
        post = person.write(CHANNEL_POSTS, Post(text), 0)
        counts = Counts(people=1, messages=1, posts=1, entries=2, body_bytes=len(text))
        conversation = ReplayedConversation({0: person}, {0: post.id}, {post.id: 1}, counts)
        if text == "one":
            assert conversation.fill(store, received_ms=2**40, via="") == 2
        else:
            with pytest.raises(IntegrityError, match="the store refused a run"):
                conversation.fill(store, received_ms=2**40, via="")


def test_a_replay_gives_the_same_bytes_again_and_nobody_writes_two_of_them() -> None:
    """Two replays on two machines are the same replay; other words or rows are another one."""
    rows = [message(0), message(1, author=1, parent=0)]
    first, again = (sign_conversation(rows, seed=7) for _ in range(2))
    assert [run.encode() for author in first.authors.values() for run in author.runs()] == [
        run.encode() for author in again.authors.values() for run in author.runs()
    ]
    assert first.people == again.people
    assert first.posts == again.posts
    for other in (
        sign_conversation(rows, seed=8),
        sign_conversation(rows, seed=7, text="A text"),
        sign_conversation([*rows, message(2)], seed=7),
    ):
        assert not set(first.people) & set(other.people)
        assert not set(first.posts.values()) & set(other.posts.values())


def test_an_answer_cites_what_it_answers_and_names_its_author() -> None:
    """A thread of three by two people: parent, root, mention, seen and Lamport value."""
    rows = [message(0), message(1, author=1, parent=0), message(2, author=0, parent=1)]
    conversation = sign_conversation(rows)
    posts = posts_by_id(conversation)
    question, answer, thanks = (posts[conversation.posts[number]] for number in range(3))
    asker, answerer = conversation.people
    assert (post_of(question).reply_to, post_of(question).root, question.seen) == (None, None, ())
    assert (post_of(answer).reply_to, post_of(answer).root) == (question.id, None)
    assert (answer.seen, post_of(answer).mentions) == ((question.id,), (asker,))
    assert (post_of(thanks).reply_to, post_of(thanks).root) == (answer.id, question.id)
    assert (thanks.seen, post_of(thanks).mentions) == ((answer.id,), (answerer,))
    assert question.lamport < answer.lamport < thanks.lamport


def test_an_answer_to_oneself_cites_nobody() -> None:
    """``seen`` is of foreign entries, and nobody mentions themselves."""
    conversation = sign_conversation([message(0), message(1, parent=0)])
    entry = posts_by_id(conversation)[conversation.posts[1]]
    assert entry.seen == ()
    assert post_of(entry).mentions == ()
    assert post_of(entry).reply_to == conversation.posts[0]


def test_a_parent_dated_after_its_answer_comes_first_and_keeps_its_date() -> None:
    """A wrong clock changes what an entry claims, never what it can cite."""
    rows = [
        message(0, author=0, parent=2, t_unix_s=0),
        message(1, author=2, t_unix_s=5),
        message(2, author=1, parent=3, t_unix_s=10),
        message(3, author=0, t_unix_s=20),
    ]
    assert [row.id for row in in_answer_order(rows)] == [3, 2, 0, 1]
    conversation = sign_conversation(rows)
    log = conversation.authors[0].logs[CHANNEL_POSTS].entries
    assert [entry.id for entry in log] == [conversation.posts[3], conversation.posts[0]]
    assert [entry.t_ms - JANUARY_1999_S * 1000 for entry in log] == [20_000, 0]
    assert post_of(log[1]).reply_to == conversation.posts[2]
    assert post_of(log[1]).root == conversation.posts[3]


def test_an_answer_to_a_message_that_is_not_there_begins_a_thread() -> None:
    """A part of a conversation can be replayed alone."""
    conversation = sign_conversation([message(5, parent=99)])
    (entry,) = posts_by_id(conversation).values()
    assert post_of(entry).reply_to is None
    assert entry.seen == ()


def test_messages_that_answer_in_a_circle_are_refused() -> None:
    """No order of signing exists for them."""
    rows = [message(0, parent=2), message(1, parent=0), message(2, parent=1)]
    with pytest.raises(DecodeError, match="message 0 answers itself"):
        sign_conversation(rows)


@pytest.mark.parametrize("answers", [None, 0])
def test_a_message_longer_than_a_post_becomes_a_thread(answers: int | None) -> None:
    """Each part answers the one before; together they are the body, in the old thread's root."""
    rows = [message(0, author=1), message(1, parent=answers, size_bytes=63_325)]
    conversation = sign_conversation(rows)
    parts = conversation.authors[0].logs[CHANNEL_POSTS].entries
    texts = [post_of(entry).text for entry in parts]
    assert sum(len(text.encode()) for text in texts) == 63_325
    assert [len(text.encode()) > MAX_TEXT_BYTES - 4 for text in texts] == [True, True, False]
    root = parts[0].id if answers is None else conversation.posts[0]
    assert conversation.posts[1] == parts[0].id
    for before, part in itertools.pairwise(parts):
        post = post_of(part)
        assert post.reply_to == before.id
        assert (post.root or post.reply_to) == root


def test_an_empty_message_is_an_empty_post() -> None:
    """Zero bytes of body are still one post."""
    conversation = sign_conversation([message(0, size_bytes=0)])
    (entry,) = posts_by_id(conversation).values()
    assert post_of(entry).text == ""
    assert conversation.counts.posts == 1


def test_names_are_published_only_when_asked_for() -> None:
    """Without names an author has one entry on channel 0, with them a profile more."""
    without, with_names = (sign_conversation([message(0)], names=names) for names in (False, True))
    assert len(without.authors[0].logs[CHANNEL_IDENTITY].entries) == 1
    assert len(with_names.authors[0].logs[CHANNEL_IDENTITY].entries) == 2
    assert without.people == with_names.people
    (device,) = verify_ident(without.authors[0].ident).devices
    assert device.certificate.label == "author 0"
    assert device.certificate.from_ms == JANUARY_1999_S * 1000


def test_long_logs_travel_in_blocks_and_long_posts_in_frames() -> None:
    """Runs stop at every multiple of 256 and at the end of a frame; blocks end signed."""
    person = SeededPerson(bytes(32), label="loom", from_ms=0)
    for number in range(600):
        length = MAX_TEXT_BYTES if number in (5, 6, 7, 300) else number % 300
        # Dates that jump make the widest columns.
        person.write(CHANNEL_POSTS, Post("x" * length), t_ms=number % 2 * 2**45)
    log = person.logs[CHANNEL_POSTS]
    runs = list(log.runs())
    assert list(opened(runs)) == log.entries[::-1]
    for run in runs:
        assert run.first // BLOCK == run.last // BLOCK
        assert (run.signature is not None) == (run.last == 599 or (run.last + 1) % BLOCK == 0)
        encode_frame(RunFrame(run.encode()))
    assert {run.last for run in runs} >= {255, 511, 599}
    small = [run.count for run in runs if run.last == 599]
    assert small == [600 - 512]


def test_a_log_without_entries_has_no_runs() -> None:
    """An empty log is nothing to send."""
    log = SeededLog(bytes(32), CHANNEL_POSTS)
    assert log.head == EMPTY_LOG
    assert list(log.runs()) == []


def test_passages_walk_through_the_text_and_begin_again() -> None:
    """Each passage begins a line; after the last line comes the first."""
    passages = Passages("one\ntwo\nthree\n")
    assert [passages.take(size) for size in (3, 5, 6, 2)] == ["one", "two\nt", "one\ntw", "th"]
    assert Passages("ab").take(5) == "ababa"
    assert Passages("ab").take(0) == ""


def test_passages_never_cut_a_character() -> None:
    """Where one would not fit whole, spaces keep the size."""
    passages = Passages("“Mars”\n")
    assert passages.take(1) == " "
    assert passages.take(8) == "“Mars "
    assert len(passages.take(8).encode()) == 8
    with pytest.raises(ValueError, match="empty"):
        Passages("")


def test_a_text_is_cut_between_characters() -> None:
    """No part is longer than asked, and together they are the text."""
    assert list(cut_text("a“b”c", 4)) == ["a“", "b”", "c"]
    assert list(cut_text("", 4)) == []
    with pytest.raises(ValueError, match="max_bytes=3"):
        list(cut_text("”", 3))


def packed(folder: Path, *lines: str, head: str = ",".join(COLUMNS)) -> Path:
    """A file of rows as conversations are kept."""
    path = folder / "rows.csv.gz"
    path.write_bytes(gzip.compress("\r\n".join((head, *lines, "")).encode(), mtime=0))
    return path


def test_rows_of_a_file_are_messages(tmp_path: Path) -> None:
    """An empty parent means that a thread begins."""
    rows = read_messages(packed(tmp_path, "4,900,1,,33", "5,800,2,4,44"))
    assert rows == [Message(4, 900, 1, None, 33), Message(5, 800, 2, 4, 44)]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["0,1,2,,3,4"], "line 2: 6 columns"),
        (["0,1,2,,3", "0,1,2,,3"], "line 3: a second message 0"),
        (["0,-1,2,,3"], "line 2, t_unix_s: '-1'"),
        (["0,1,2,x,3"], "line 2, parent: 'x'"),
        (["0,1,2,,1048577"], "size_bytes: '1048577' is no number of 0..1048576"),
        (["0,1,²,,3"], "not a conversation"),
        (['0,1,2,,"3'], "not a conversation"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, lines: list[str], complaint: str) -> None:
    """Which line of the file is wrong, and how."""
    with pytest.raises(DecodeError, match=r"rows\.csv\.gz") as caught:
        read_messages(packed(tmp_path, *lines))
    assert complaint in str(caught.value)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    """Other columns, no gzip, half a gzip."""
    with pytest.raises(DecodeError, match="first line must be id,t_unix_s"):
        read_messages(packed(tmp_path, head="a,b"))
    path = packed(tmp_path, *(f"{number},1,2,,3" for number in range(200)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DecodeError, match="not a conversation"):
        read_messages(path)
    path.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 20)
    with pytest.raises(DecodeError, match="not a conversation"):
        read_messages(path)
    path.write_bytes(b"id,t_unix_s\n")
    with pytest.raises(DecodeError, match="not a conversation"):
        read_messages(path)
