"""What comes late of a trace joins what the store holds of it, within the trace's limits."""

import pytest
from pipeline_fakes import a_job, a_piece, span_bytes

from collector.pipeline.assembler import assemble
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.job import Judged, JudgeOptions, unjudged, whole
from collector.pipeline.judge import Judge
from collector.pipeline.merging import Earlier, merged
from exporters import codec

LIMITS = AssemblyLimits(max_spans=4, max_bytes=1_000)


def held(spans=b"", logs=b"", span_count=0, late_spans=1, late_logs=0, limits=LIMITS):
    return Earlier(codec.join_compressed(spans, logs, b"{}"), span_count, late_spans, late_logs, limits)


def spans_of(*numbers, **parts):
    return b"".join(span_bytes(1, number, **parts) for number in numbers)


def ids_in(job):
    return [int(span.span_id, 16) for span in assemble(job.trace_id, job.spans, b"", job.closed_by).spans]


def test_late_spans_and_logs_join_what_was_held():
    both = merged(held(b"early spans ", b"early logs "), b"late spans", b"late logs")
    assert (both.spans, both.logs) == (b"early spans late spans", b"early logs late logs")
    assert (both.spans_left_out, both.logs_left_out) == (0, 0)


def test_what_comes_again_is_not_kept_twice_and_needs_no_room():
    early = b"x" * 600 + b"again" + b"y" * 1_000
    both = merged(held(early, b"log again"), b"x" * 600 + b"again", b"log again")
    assert (both.spans, both.logs, both.spans_left_out) == (early, b"log again", 0)


def test_what_comes_again_with_more_stands_for_what_was_held():
    assert merged(held(spans_of(1)), spans_of(1, 2), b"").spans == spans_of(1, 2)


def test_what_comes_late_and_finds_no_room_in_bytes_is_left_out_and_counted():
    both = merged(held(b"x" * 2_000, late_spans=3, late_logs=2), b"y", b"z")
    assert (both.spans, both.logs) == (b"x" * 2_000, b"")
    assert (both.spans_left_out, both.logs_left_out) == (3, 2)


def test_a_trace_gets_no_more_late_spans_than_it_may_have():
    late = held(spans_of(1, 2, 3), span_count=3, late_spans=3)
    job, over = whole(a_job(1, spans=spans_of(4, 5, 6), earlier=late))
    assert (ids_in(job), over, job.truncated) == ([1, 2, 3, 4], (2, 0), True)


def test_a_late_root_has_the_last_place():
    late = held(spans_of(2, 3, 4), span_count=3, late_spans=3)
    job, over = whole(a_job(1, spans=spans_of(5, 6, 1), earlier=late))
    assert (sorted(ids_in(job)), over) == ([1, 2, 3, 4], (2, 0))


def test_a_span_that_is_held_takes_no_room_when_it_comes_again():
    late = held(spans_of(1, 2, 3), span_count=3, late_spans=3)
    again = spans_of(3, 4, 2, name="again", end_time_unix_nano=9_000)
    job, over = whole(a_job(1, spans=again, earlier=late))
    assert (sorted(ids_in(job)), over, job.truncated) == ([1, 2, 3, 4], (0, 0), False)


def test_a_trace_that_has_all_it_may_have_takes_nothing_more_but_its_log_records():
    late = held(spans_of(1, 2, 3, 4), span_count=4, late_spans=1, late_logs=1)
    job, over = whole(a_job(1, spans=spans_of(5), logs=a_piece(1, logs=1).logs, earlier=late))
    assert (ids_in(job), over) == ([1, 2, 3, 4], (1, 0))
    assert job.logs


def test_what_was_left_out_is_counted_with_the_verdicts():
    late = held(spans_of(1, 2, 3, 4), b"x" * 2_000, span_count=4, late_spans=2, late_logs=5)
    job = a_job(1, spans=spans_of(5, 6), logs=b"y", earlier=late, previous=())
    judge = Judge(JudgeOptions({"latency": {}}, drafts_cases=False))
    judged = Judged.of([judge.judge(a_job(2)), unjudged(job, [("latency", "1")], "two workers died", 7)])
    dropped = {
        dict(labels)["what"]: amount
        for (name, labels), (amount, _) in judged.tallies[0].amounts.items()
        if name == "sidecheck_dropped_total"
    }
    assert dropped == {"span": 2, "logs": 5}


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_how_large_a_trace_is_unpacked_is_known_before_it_is(size):
    assert held(bytes(size)).size == pytest.approx(size, abs=50)
