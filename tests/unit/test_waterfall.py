"""The spans of a trace in the order of the tree."""

from builders import a_span

from checks.span import Status, StatusCode
from checks.trace import Trace
from exporters.review.waterfall import DEEPEST, SCALE, waterfall

ROOT, CHILD, GRANDCHILD, OTHER = (f"{n:016x}" for n in range(1, 5))


def a_trace(*spans):
    return Trace("0" * 32, tuple(sorted(spans, key=lambda span: span.start_ns)))


def test_children_come_after_their_parents_and_further_in():
    spans = (
        a_span(span_id=ROOT, parent_id=None, start_ns=0, end_ns=100),
        a_span(span_id=CHILD, parent_id=ROOT, start_ns=10, end_ns=60),
        a_span(span_id=OTHER, parent_id=ROOT, start_ns=20, end_ns=90),
        a_span(span_id=GRANDCHILD, parent_id=CHILD, start_ns=30, end_ns=40),
    )
    shown = waterfall(a_trace(*spans))
    assert [(bar.span_id, bar.depth) for bar in shown.bars] == [(ROOT, 0), (CHILD, 1), (GRANDCHILD, 2), (OTHER, 1)]
    assert [(bar.left, bar.width) for bar in shown.bars] == [(0, 1000), (100, 500), (300, 100), (200, 700)]


def test_spans_whose_parents_are_missing_or_in_a_circle_are_shown_once():
    spans = (
        a_span(span_id=CHILD, parent_id=OTHER, start_ns=1),
        a_span(span_id=OTHER, parent_id=CHILD, start_ns=2),
        a_span(span_id=GRANDCHILD, parent_id="f" * 16, start_ns=3),
    )
    assert sorted(bar.span_id for bar in waterfall(a_trace(*spans)).bars) == [CHILD, GRANDCHILD, OTHER]


def test_a_long_chain_is_walked_without_recursion_and_indented_only_so_far():
    chain = [a_span(span_id=f"{n:016x}", parent_id=f"{n - 1:016x}" if n else None, start_ns=n) for n in range(5_000)]
    bars = waterfall(a_trace(*chain), most=5_000).bars
    assert len(bars) == 5_000
    assert max(bar.depth for bar in bars) == DEEPEST


def test_only_so_many_are_shown_and_all_are_counted():
    shown = waterfall(a_trace(*(a_span(span_id=f"{n:016x}", start_ns=n) for n in range(300))), most=200)
    assert (len(shown.bars), shown.spans) == (200, 300)


def test_a_span_of_no_time_or_of_a_clock_that_ran_back_can_be_seen():
    spans = (
        a_span(span_id=ROOT, parent_id=None, start_ns=0, end_ns=10**9),
        a_span(span_id=CHILD, parent_id=ROOT, start_ns=10**9, end_ns=0),
    )
    for bar in waterfall(a_trace(*spans)).bars:
        assert 0 <= bar.left <= SCALE
        assert bar.width >= 2


def test_an_error_shows_what_its_status_says():
    broken = a_span(span_id=ROOT, parent_id=None, status=Status(StatusCode.ERROR, "boom"))
    assert waterfall(a_trace(broken)).bars[0].error == "boom"
