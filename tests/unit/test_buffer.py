"""When a trace closes, and for which reason. Time is a number that the tests choose."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_fakes import span_bytes, trace_id

from checks.trace import CloseReason
from collector.intake import Piece
from collector.pipeline.assembler import assemble
from collector.pipeline.buffer import Added, AssemblyLimits, TraceBuffer
from collector.pipeline.growing import TRACE_BYTES
from collector.progress import Position, Progress

S = 1_000_000_000
LIMITS = AssemblyLimits(settle_ns=2 * S, idle_ns=30 * S, max_age_ns=600 * S, max_spans=5, max_bytes=1000)


def a_piece(trace="a" * 32, *ids, root=False, size=10, logs=0):
    ids = ids or (1,)
    data = b"".join(i.to_bytes(8, "big") for i in ids).ljust(size, b"x")
    return Piece(
        trace_id=trace,
        spans=data,
        logs=b"l" * logs,
        span_ids=tuple(i.to_bytes(8, "big") for i in ids),
        log_count=int(logs > 0),
        has_root=root,
    )


@pytest.fixture
def buffer():
    return TraceBuffer(LIMITS)


def closed(buffer, at, busy=()):
    return [(t.trace_id[0], t.closed_by) for t in buffer.take_due(at, 100, busy)]


def test_a_trace_closes_after_its_root_was_seen_and_settled(buffer):
    buffer.add(a_piece(root=True), 10 * S)
    assert closed(buffer, 12 * S - 1) == []
    assert closed(buffer, 12 * S) == [("a", CloseReason.ROOT_SEEN)]
    assert len(buffer) == 0


def test_spans_after_the_root_do_not_prolong_the_settling(buffer):
    buffer.add(a_piece("a" * 32, 1, root=True), 10 * S)
    buffer.add(a_piece("a" * 32, 2), 11 * S)
    (trace,) = buffer.take_due(12 * S, 10)
    assert (trace.span_count, trace.has_root) == (2, True)


def test_a_trace_without_a_root_closes_when_nothing_came_for_the_idle_time(buffer):
    buffer.add(a_piece("a" * 32, 1), 0)
    buffer.add(a_piece("a" * 32, 2), 20 * S)
    assert closed(buffer, 30 * S) == []
    assert closed(buffer, 50 * S) == [("a", CloseReason.IDLE)]


def test_a_busy_trace_closes_at_its_greatest_age(buffer):
    for second in range(0, 600, 20):
        buffer.add(a_piece("a" * 32, 1, size=10 + second % 40), second * S)
    assert closed(buffer, 599 * S) == []
    assert closed(buffer, 600 * S) == [("a", CloseReason.MAX_AGE)]


@pytest.mark.parametrize(
    ("piece", "reason"),
    [(a_piece("a" * 32, 1, 2, 3, 4, 5), CloseReason.SPAN_LIMIT), (a_piece(size=1000), CloseReason.BYTE_LIMIT)],
)
def test_a_trace_over_a_limit_closes_at_once_and_is_marked_as_truncated(buffer, piece, reason):
    buffer.add(piece, 7 * S)
    (trace,) = buffer.take_due(7 * S, 10)
    assert (trace.closed_by, trace.truncated) == (reason, True)


def test_spans_beyond_the_limit_are_cut_off_and_counted_and_the_root_is_kept(buffer):
    limit = LIMITS.max_spans
    ids = range(2, 2 + limit)
    rest = b"".join(span_bytes(1, each) for each in ids) + span_bytes(1, 1)
    piece = Piece(trace_id(1), rest, span_ids=tuple(i.to_bytes(8, "big") for i in (*ids, 1)), has_root=True)
    buffer.add(piece, 0)
    (trace,) = buffer.take_due(0, 10)
    assert (trace.span_count, trace.left_out, trace.truncated, trace.has_root) == (limit, 1, True, True)
    kept = assemble(trace.trace_id, trace.spans, b"", trace.closed_by).spans
    assert {int(span.span_id, 16) for span in kept} == {1, *ids[:-1]}


def test_a_piece_of_which_spans_were_cut_off_is_known_when_it_comes_again(buffer):
    ids = (*[2] * LIMITS.max_spans, 3)  # one span again and again: the limit is not met by what is kept
    spans = b"".join(span_bytes(1, each) for each in ids)
    piece = Piece(trace_id(1), spans, span_ids=tuple(i.to_bytes(8, "big") for i in ids))
    assert [buffer.add(piece, 0) for _ in range(2)] == [Added.KEPT, Added.DUPLICATE]


def test_each_piece_of_several_is_known_when_it_comes_again(buffer):
    pieces = [a_piece("a" * 32, number, size=20 + number) for number in (1, 2, 3)]
    assert [buffer.add(piece, 0) for piece in pieces] == [Added.KEPT] * 3
    assert [buffer.add(piece, 0) for piece in pieces] == [Added.DUPLICATE] * 3


def test_a_trace_that_met_a_limit_takes_nothing_more_while_it_waits_to_be_closed(buffer):
    buffer.add(a_piece("a" * 32, 1, 2, 3, 4, 5), 0)
    assert buffer.add(a_piece("a" * 32, 6), 0) is Added.OVER_LIMIT
    (trace,) = buffer.take_due(0, 10)
    assert trace.span_count == 5


def test_what_an_open_trace_takes_beside_its_telemetry_is_counted_as_held(buffer):
    for number in range(10):
        buffer.add(a_piece(f"{number:032x}"), 0)
    assert buffer.held >= 10 * TRACE_BYTES + buffer.bytes
    buffer.drain()
    assert buffer.held == 0


def test_each_span_of_a_trace_counts_once_in_whatever_pieces_it_comes(buffer):
    for ids in ((1, 2, 2), (2, 3), (1, 4)):
        buffer.add(a_piece("a" * 32, *ids, size=30 + ids[-1]), 0)
    (trace,) = buffer.drain()
    assert (trace.span_count, trace.left_out) == (4, 0)


def test_an_open_trace_of_five_spans_that_came_at_once_takes_less_than_768_bytes_for_its_books():
    """Python keeps the room of small objects for good; as a set of objects, the ids alone would take that much."""
    buffer, traces = TraceBuffer(AssemblyLimits()), 1_000
    tracemalloc.start()
    try:
        for trace in range(traces):
            buffer.add(a_piece(f"{trace:032x}", *range(5 * trace, 5 * trace + 5)), trace)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < traces * 768


def test_what_comes_for_a_trace_that_met_a_limit_is_dropped_and_counted(buffer):
    buffer.add(a_piece("a" * 32, 1, 2, 3, 4, 5), 0)
    buffer.take_due(0, 10)
    assert buffer.add(a_piece("a" * 32, 6, 7, logs=3), 1) is Added.OVER_LIMIT
    assert len(buffer) == 0


def test_a_request_that_was_sent_twice_is_kept_once(buffer):
    buffer.add(a_piece(root=True), 0)
    assert buffer.add(a_piece(root=True), 1, position=8) is Added.DUPLICATE
    (trace,) = buffer.take_due(10 * S, 10)
    assert trace.spans == a_piece().spans
    assert trace.positions == ()


def test_a_closed_trace_names_the_journal_rows_that_hold_it(buffer):
    rows = Progress()
    buffer.add(a_piece("a" * 32, 1), 0, position=Position(rows, 4))
    buffer.add(a_piece("a" * 32, 2, root=True), 0, position=Position(rows, 7))
    (trace,) = buffer.take_due(10 * S, 10)
    assert trace.positions == ((rows, 4), (rows, 7))


def test_spans_that_came_in_two_requests_are_joined_in_order_of_arrival(buffer):
    first, second = a_piece("a" * 32, 1), a_piece("a" * 32, 2, root=True)
    buffer.add(first, 0)
    buffer.add(second, 1)
    (trace,) = buffer.take_due(10 * S, 10)
    assert trace.spans == first.spans + second.spans


def test_a_trace_that_is_being_stored_stays_until_it_is(buffer):
    buffer.add(a_piece(root=True), 0)
    assert closed(buffer, 9 * S, busy={"a" * 32}) == []
    assert closed(buffer, 9 * S) == [("a", CloseReason.ROOT_SEEN)]


def test_feedback_alone_opens_an_entry_that_settles(buffer):
    buffer.touch("b" * 32, 0)
    (trace,) = buffer.take_due(2 * S, 10)
    assert (trace.touched, trace.span_count, trace.size) == (True, 0, 0)


def test_late_spans_settle_without_a_root(buffer):
    buffer.add(a_piece(), 0)
    buffer.mark_late("a" * 32, 0)
    (trace,) = buffer.take_due(2 * S, 10)
    assert trace.late


def test_new_traces_are_told_once_and_again_when_spans_follow_feedback(buffer):
    buffer.touch("a" * 32, 0)
    assert buffer.take_new() == [("a" * 32, False)]
    buffer.add(a_piece(), 1)
    buffer.add(a_piece("a" * 32, 2), 1)
    assert buffer.take_new() == [("a" * 32, True)]
    assert buffer.take_new() == []


def test_log_records_alone_are_told_as_a_trace_without_spans(buffer):
    """They may belong to a trace that was judged before."""
    buffer.add(Piece("a" * 32, logs=b"log", log_count=1), 0)
    buffer.add(Piece("a" * 32, logs=b"another", log_count=1), 0)
    assert buffer.take_new() == [("a" * 32, False)]
    buffer.add(a_piece(), 1)
    assert buffer.take_new() == [("a" * 32, True)]


def test_what_was_told_can_be_put_back_and_is_untold_until_then(buffer):
    buffer.add(a_piece(), 0)
    assert "a" * 32 in buffer.untold
    new = buffer.take_new()
    assert "a" * 32 not in buffer.untold
    buffer.put_back(new)
    assert buffer.take_new() == new


def test_eviction_closes_the_oldest_until_enough_is_free(buffer):
    for number, trace in enumerate("abc"):
        buffer.add(a_piece(trace * 32, size=100), number)
    evicted = buffer.evict(buffer.held // 2)
    assert [(t.trace_id[0], t.closed_by) for t in evicted] == [("a", CloseReason.EVICTED), ("b", CloseReason.EVICTED)]
    assert buffer.bytes == 100


def test_eviction_leaves_out_what_is_being_stored(buffer):
    for trace in "ab":
        buffer.add(a_piece(trace * 32, size=100), 0)
    assert [t.trace_id[0] for t in buffer.evict(1, busy={"a" * 32})] == ["b"]


def test_traces_that_were_evicted_leave_nothing_behind(buffer):
    """Where time stands still, as in files, nothing is ever due: the heap must not keep what is gone."""
    for number in range(5_000):
        buffer.add(a_piece(f"{number:032x}", size=100), 0)
        buffer.evict(buffer.bytes - 1_000)
    assert len(buffer) == 10
    assert len(buffer._heap) < 2_000
    assert {t.closed_by for t in buffer.take_due(30 * S, 100)} == {CloseReason.IDLE}


def test_shutdown_closes_everything(buffer):
    buffer.add(a_piece(), 0)
    buffer.add(a_piece("b" * 32, root=True), 0)
    assert {t.closed_by for t in buffer.drain()} == {CloseReason.SHUTDOWN}
    assert buffer.bytes == 0


def test_no_more_than_asked_are_taken_at_once(buffer):
    for trace in "abc":
        buffer.add(a_piece(trace * 32, root=True), 0)
    assert len(buffer.take_due(9 * S, 2)) == 2
    assert len(buffer.take_due(9 * S, 2)) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 40), st.booleans(), st.integers(0, 40)), min_size=1, max_size=60
)


@given(STEPS)
def test_every_span_leaves_the_buffer_exactly_once_or_is_counted(steps):
    """Whatever comes when: what went in is what came out plus what was said to be left out; no byte stays counted."""
    buffer, now, dropped = TraceBuffer(LIMITS), 0, 0
    given_ids, out = 0, []
    for number, (trace, span, root, wait) in enumerate(steps):
        now += wait * S
        given_ids += 1
        dropped += buffer.add(a_piece(trace * 32, 1000 * number + span, root=root), now) is Added.OVER_LIMIT
        out += buffer.take_due(now, 3)
    out += buffer.take_due(now + 700 * S, 1000)
    assert len(buffer) == 0
    assert buffer.bytes == 0
    assert sum(t.span_count for t in out) + dropped == given_ids


@given(STEPS)
def test_no_trace_stays_open_past_its_time(steps):
    """After ``take_due`` no open trace is older than the greatest age, nor idle for longer than the idle time."""
    buffer, now = TraceBuffer(LIMITS), 0
    opened, touched = {}, {}
    for number, (trace, span, root, wait) in enumerate(steps):
        now += wait * S
        for closed_trace in buffer.take_due(now, 1000):
            opened.pop(closed_trace.trace_id, None)
        for open_id, since in opened.items():
            assert now - since < LIMITS.max_age_ns
            assert now - touched[open_id] < LIMITS.idle_ns
        if buffer.add(a_piece(trace * 32, 1000 * number + span, root=root), now) is Added.KEPT:
            opened.setdefault(trace * 32, now)
            touched[trace * 32] = now
