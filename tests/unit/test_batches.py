"""How closed traces are parcelled for the workers, and what is judged when a check is left out."""

from pipeline_fakes import a_job

from checks.report import Outcome
from checks.trace import CloseReason
from collector.pipeline.buffer import ClosedTrace
from collector.pipeline.inspection import BATCH, BATCH_BYTES, batches
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge


def a_closed_trace(size=1):
    return ClosedTrace("a" * 32, b"x" * size, b"", CloseReason.IDLE, span_count=1)


def sizes(*closed):
    return [[trace.size for trace in batch] for batch in batches(closed)]


def test_a_batch_holds_no_more_traces_than_a_worker_takes_at_once():
    assert [len(batch) for batch in sizes(*[a_closed_trace()] * (BATCH + 1))] == [BATCH, 1]


def test_a_batch_holds_no_more_bytes_than_that_and_a_larger_trace_goes_alone():
    half, large = BATCH_BYTES // 2, 3 * BATCH_BYTES
    found = sizes(*map(a_closed_trace, (half, half, 1, large, 1)))
    assert found == [[half, half], [1], [large], [1]]


def test_of_no_traces_there_is_no_batch():
    assert sizes() == []


def test_a_check_that_is_left_out_is_errored_for_the_reason_given_in_its_place_of_the_plan():
    judge = Judge(JudgeOptions({"latency": {}, "user_feedback": {}, "valid_json": {}}, drafts_cases=False))
    verdicts = judge.judge(a_job(), {"user_feedback": "it killed its worker"}).verdicts
    assert [verdict.check for verdict in verdicts] == ["latency", "user_feedback", "valid_json"]
    assert [verdict.outcome for verdict in verdicts][1] is Outcome.ERRORED
    assert [verdict.error for verdict in verdicts] == [None, "it killed its worker", None]
