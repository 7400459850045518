"""Long texts in part: the beginning, and whatever evidence points at."""

from hypothesis import given
from hypothesis import strategies as st

from exporters.review.excerpt import AROUND, Room
from exporters.review.marks import EVIDENCE, Mark


def shown(excerpt) -> list[str]:
    return ["".join(piece.text for piece in run) for run in excerpt.runs]


def marked(excerpt) -> list[str]:
    return [piece.text for run in excerpt.runs for piece in run if piece.kind]


def a_mark(start: int, end: int) -> Mark:
    return Mark(start, end, EVIDENCE, "1: pii, an e-mail")


def test_a_short_text_is_whole():
    excerpt = Room().excerpt("hello world", [a_mark(6, 11)])
    assert (shown(excerpt), marked(excerpt), excerpt.left_out) == (["hello world"], ["world"], 0)


def test_a_long_text_is_cut_and_says_by_how_much():
    excerpt = Room(each=10).excerpt("x" * 100)
    assert (shown(excerpt), excerpt.gaps) == (["x" * 10], (90,))


def test_evidence_behind_the_cut_is_shown_with_what_is_around_it():
    text = "a" * 5_000 + "secret" + "b" * 5_000
    excerpt = Room(each=100).excerpt(text, [a_mark(5_000, 5_006)])
    assert shown(excerpt) == ["a" * 100, "a" * AROUND + "secret" + "b" * (AROUND)]
    assert marked(excerpt) == ["secret"]
    assert excerpt.gaps == (4_900 - AROUND, 5_000 - AROUND)


def test_the_texts_of_a_page_share_its_room():
    room = Room(each=10, in_all=15)
    assert [len("".join(shown(room.excerpt("x" * 100)))) for _ in range(3)] == [10, 5, 0]
    assert room.left_out == 285


def test_a_mark_that_lies_outside_of_the_text_breaks_nothing():
    assert marked(Room().excerpt("short", [a_mark(3, 99), a_mark(50, 60), a_mark(-5, -1)])) == ["rt"]


@given(
    st.text(max_size=60),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), max_size=5),
)
def test_what_is_shown_and_what_is_left_out_make_up_the_text(text, each, places):
    excerpt = Room(each=each).excerpt(text, [a_mark(min(place), max(place)) for place in places])
    at = 0
    for run, gap in zip(shown(excerpt), excerpt.gaps, strict=True):
        assert text[at : at + len(run)] == run
        at += len(run) + gap
    assert at == len(text)
