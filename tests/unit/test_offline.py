"""Files through the pipeline: when a trace in them is complete, and what is told of the rest."""

from pipeline_fakes import a_batch, a_piece, trace_id

from checks.trace import CloseReason
from collector.intake import Batch, Refusal, Source
from collector.offline import Tally, judge_batches
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.growing import PIECE_BYTES, SPAN_BYTES, TRACE_BYTES
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge

JUDGE = Judge(JudgeOptions({"latency": {}}, drafts_cases=False))
LIMITS = AssemblyLimits(max_spans=3)


def judged(*batches, memory=1_000_000):
    tally = Tally()
    reports = list(judge_batches(batches, JUDGE, LIMITS, memory, tally))
    return [report.interaction.trace for report in reports], tally


def test_spans_of_one_trace_in_many_batches_are_judged_together():
    (trace, _), _ = judged(a_batch(a_piece(1, 2)), a_batch(a_piece(2, 1)), a_batch(a_piece(1, 1, logs=1)))
    assert len(trace.spans) == 2
    assert len(trace.logs) == 1


def test_traces_are_judged_in_the_order_in_which_they_began():
    traces, _ = judged(a_batch(a_piece(2), a_piece(1)), a_batch(a_piece(2, 3)))
    assert [trace.trace_id for trace in traces] == [trace_id(2), trace_id(1)]


def test_the_end_of_the_files_closes_a_trace_with_a_root_and_one_without_for_different_reasons():
    traces, _ = judged(a_batch(a_piece(1, 1), a_piece(2, 2)))
    assert [trace.closed_by for trace in traces] == [CloseReason.ROOT_SEEN, CloseReason.IDLE]


def test_a_trace_over_a_limit_is_judged_on_the_way_and_the_rest_of_it_is_refused():
    traces, tally = judged(a_batch(a_piece(1, 1, 2, 3)), a_batch(a_piece(1, 4, 5)))
    assert [(trace.closed_by, trace.truncated) for trace in traces] == [(CloseReason.SPAN_LIMIT, True)]
    assert tally.refused == 2


def test_reports_come_before_all_is_read_where_a_limit_is_met():
    def endless():
        yield a_batch(a_piece(1, 1, 2, 3))
        raise AssertionError("the first trace was complete")

    reports = judge_batches(endless(), JUDGE, LIMITS, 1_000_000, Tally())
    assert next(reports).interaction.trace_id == trace_id(1)


def test_what_does_not_fit_into_memory_is_judged_early_oldest_first_and_counted():
    size = a_piece(1).size + TRACE_BYTES + PIECE_BYTES + SPAN_BYTES
    traces, tally = judged(*(a_batch(a_piece(number)) for number in range(1, 6)), memory=2 * size)
    assert [trace.trace_id for trace in traces] == [trace_id(number) for number in range(1, 6)]
    assert [trace.closed_by for trace in traces[:3]] == [CloseReason.EVICTED] * 3
    assert tally.evicted == 3


def test_log_records_without_spans_are_no_trace_and_are_counted():
    traces, tally = judged(a_batch(a_piece(1, logs=2)))
    assert traces == []
    assert (tally.traces_without_spans, tally.logs) == (1, 2)


def test_what_was_taken_and_what_was_refused_is_counted():
    batch = Batch(Source.FILE, (a_piece(1, 1, 2, logs=3),), {Refusal.INVALID_ID: 4})
    _, tally = judged(batch)
    assert (tally.spans, tally.logs, tally.refused) == (2, 3, 4)
