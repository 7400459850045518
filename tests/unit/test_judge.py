"""One closed trace in, one record out."""

import json
import pickle
from dataclasses import replace
from unittest.mock import ANY

import pytest
from otlp import a_trace_request, recorded
from pipeline_fakes import a_job, a_piece, log_bytes, span_bytes, text, trace_id
from store_builders import a_verdict

from checks.catalogue import CheckConfigError
from checks.report import Outcome
from checks.trace import CloseReason, Feedback
from checks.view import view
from collector.conventions.read import read
from collector.pipeline.assembler import assemble
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.job import Job, Judged, JudgeOptions, unjudged
from collector.pipeline.judge import MOST_ENTRIES, MOST_KEYS, Judge
from collector.pipeline.merging import Earlier
from exporters import codec
from exporters.packed import pack

PLAN = {"user_feedback": {}, "latency": {}}


@pytest.fixture
def judge():
    return Judge(JudgeOptions(PLAN, drafts_cases=False), wall_ns=lambda: 42)


def a_recorded_job(pattern="rag_uncited.binpb", **parts):
    path = recorded(pattern)[0]
    request = type(a_trace_request()).FromString(path.read_bytes())
    (found,) = {s.trace_id.hex() for r in request.resource_spans for scope in r.scope_spans for s in scope.spans}
    return Job(**{"trace_id": found, "spans": path.read_bytes(), "logs": b"", "closed_by": CloseReason.IDLE, **parts})


def test_a_record_says_what_was_judged_and_when(judge):
    record = judge.judge(a_job(1, "shop", closed_by=CloseReason.MAX_AGE, truncated=True))
    assert (record.trace_id, record.service, record.closed_by) == (trace_id(1), "shop", CloseReason.MAX_AGE)
    assert (record.start_ns, record.end_ns, record.duration_ns, record.span_count) == (1_000, 2_000, 1_000, 1)
    assert (record.truncated, record.evaluated_ns) == (True, 42)


def test_a_record_has_a_verdict_of_every_check_in_their_order(judge):
    record = judge.judge(a_job())
    assert [verdict.check for verdict in record.verdicts] == list(PLAN)


def test_a_record_keeps_the_telemetry_it_was_judged_by(judge):
    job = a_job(logs=log_bytes(1))
    record = judge.judge(job)
    assert record.spans == job.spans
    assert record.logs == job.logs


def test_model_calls_are_priced_before_they_are_judged():
    prices = {"gpt-4o-mini*": {"input": 1000.0, "output": 1000.0}}
    plan = {"cost": {"max_trace": 0.01}}
    judge = Judge(JudgeOptions(plan, drafts_cases=False, prices=prices))
    record = judge.judge(a_recorded_job())
    (call,) = record.calls
    assert call.cost == pytest.approx((call.input_tokens + call.output_tokens) / 1000)
    assert not call.is_unpriced
    assert [v.outcome for v in record.verdicts] == [Outcome.FAILED]


def test_a_call_without_a_price_is_marked_where_prices_are_asked_for(judge):
    job = a_recorded_job()
    unknown = replace(job, spans=job.spans.replace(b"gpt-4o-mini", b"our-model-1"))
    record = Judge(JudgeOptions({"cost": {}}, drafts_cases=False, prices={})).judge(unknown)
    assert [(call.cost, call.is_unpriced) for call in record.calls] == [(None, True)]
    assert [v.outcome for v in record.verdicts] == [Outcome.NOT_APPLICABLE]
    assert not judge.judge(unknown).calls[0].is_unpriced


def test_a_record_says_what_it_replaces(judge):
    before, said = (a_verdict(),), (Feedback(score=1.0),)
    record = judge.judge(a_job(previous=before, previous_feedback=said))
    assert (record.previous, record.previous_feedback) == (before, said)


def test_feedback_beside_the_trace_is_judged_and_recorded(judge):
    record = judge.judge(a_job(feedback=(Feedback(score=0.0, thumbs_up=False),)))
    assert record.verdicts[0].outcome is Outcome.FAILED
    assert len(record.feedback) == 1


def test_a_trace_without_a_convention_names_the_libraries_that_wrote_it(judge):
    record = judge.judge(a_job())
    assert (record.convention, record.scopes) == ("none", ("openai",))


def test_the_figures_of_model_calls_are_in_the_record(judge):
    (call, *_) = judge.judge(a_recorded_job()).calls
    assert call.model
    assert call.input_tokens > 0
    assert call.output_tokens > 0


def a_job_with_a_late_call(**parts):
    """A recorded trace whose last model call came after the rest of it was judged."""
    job = a_recorded_job("tool_ok.binpb")
    last = bytes.fromhex(read(assemble(job.trace_id, job.spans, b"", job.closed_by)).model_calls[-1].span_id)
    early, late = (type(a_trace_request()).FromString(job.spans) for _ in range(2))
    for request, is_late in ((early, False), (late, True)):
        for scope in (scope for resource in request.resource_spans for scope in resource.scope_spans):
            kept = [span for span in scope.spans if (span.span_id == last) is is_late]
            del scope.spans[:]
            scope.spans.extend(kept)
    held = codec.join_compressed(early.SerializeToString(), b"", b"{}")
    earlier = Earlier(held, 2, parts.pop("late_spans", 1), 0, AssemblyLimits())
    return replace(job, spans=late.SerializeToString(), previous=(), earlier=earlier, **parts)


def test_the_model_calls_that_came_late_are_told_apart(judge):
    record = judge.judge(a_job_with_a_late_call())
    assert len(record.calls) == 2
    assert record.late_calls == record.calls[-1:]


@pytest.mark.parametrize("parts", [{"is_counted": True}, {"late_spans": 0}])
def test_no_call_is_late_that_was_counted_already(judge, parts):
    record = judge.judge(a_job_with_a_late_call(**parts))
    assert (len(record.calls), record.late_calls) == (2, ())


def test_lists_show_what_the_view_says(judge):
    job = a_recorded_job()
    record, view = judge.judge(job), json.loads(judge.view(job, ()))
    assert (record.model, record.input, record.output) == (view["model"], view["input"], view["output"])
    assert {"input": record.input_tokens, "output": record.output_tokens}.items() <= view["tokens"].items()


def test_the_view_of_a_stored_trace_is_that_of_its_telemetry_with_the_costs_of_then(judge):
    job = a_recorded_job()
    seen = view(read(assemble(job.trace_id, job.spans, job.logs, job.closed_by)))
    assert json.loads(judge.view(job, ())) == seen
    (call,) = judge.judge(job).calls
    cost = {"dollars": 0.25, "calls": [{"span_id": ANY, "model": call.model, "dollars": 0.25}]}
    assert json.loads(judge.view(job, (0.25,))) == {**seen, "cost": cost}


def test_costs_of_other_calls_than_are_read_now_are_nobodys(judge):
    assert "cost" not in json.loads(judge.view(a_recorded_job(), (0.25, 0.5)))


def test_prices_of_now_do_not_change_what_a_trace_cost():
    judge = Judge(JudgeOptions(PLAN, drafts_cases=False, prices={"*": {"input": 1000.0, "output": 1000.0}}))
    assert "cost" not in json.loads(judge.view(a_recorded_job(), ()))


def test_a_record_can_be_sent_between_processes(judge):
    record = judge.judge(a_recorded_job())
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_job_and_what_is_made_of_it_can_be_sent_between_processes(judge):
    job = a_recorded_job(feedback=(Feedback(1.0, True),), previous=(a_verdict(),), truncated=True)
    judged = Judged.of([judge.judge(job)], with_results=True)
    assert pickle.loads(pickle.dumps(job)) == job
    assert pickle.loads(pickle.dumps(judged)) == judged


def test_a_case_comes_unchanged_with_what_is_made_of_its_trace():
    judged = Judged.of([Judge(JudgeOptions({"citations": {}})).judge(a_recorded_job())])
    assert judged.traces[0].case is not None
    assert pickle.loads(pickle.dumps(judged)) == judged


def test_traces_that_are_judged_together_get_the_records_that_each_gets_alone():
    options = JudgeOptions({"user_feedback": {}, "citations": {}}, prices={})
    judge = Judge(options, wall_ns=lambda: 42)
    jobs = [a_job(n, f"app-{n}") for n in range(1, 35)]
    jobs[1], jobs[32] = a_recorded_job(), a_job(7, feedback=(Feedback(score=0.0, thumbs_up=False),))
    left_out = {"user_feedback": "it killed its worker"}
    for reasons in ({}, left_out):
        together = judge.judge_all(jobs, reasons)
        assert [timeless(record) for record in together] == [timeless(judge.judge(job, reasons)) for job in jobs]
    assert len({record.service for record in together}) > 32
    assert together[1].case is not None


def timeless(record):
    return replace(record, verdicts=tuple(replace(verdict, duration_ns=0) for verdict in record.verdicts))


def test_feedback_finds_a_trace_by_its_session_its_root_its_calls_and_their_responses(judge):
    record = judge.judge(a_recorded_job())
    kinds = {kind for kind, _ in record.keys}
    assert kinds >= {"span", "response"}
    spans = b"".join(span_bytes(1, n, attributes=[text("session.id", "visit-7")]) for n in (1, 2))
    record = judge.judge(a_job(spans=spans))
    assert (record.session_id, record.keys) == ("visit-7", (("span", f"{1:016x}"),))


def test_where_results_are_told_of_each_names_the_answer_that_it_is_about():
    judge = Judge(JudgeOptions(PLAN, drafts_cases=False, tells_results=True))
    record = judge.judge(a_recorded_job())
    (*_, (_, last)) = record.responses
    told = pack(record, with_results=True).results
    assert told
    assert {result.response_id for result in told} <= {response for _, response in record.responses}
    assert last in {result.response_id for result in told}


def test_of_many_calls_the_last_ones_can_be_named_and_always_the_root(judge):
    calls = [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o")]
    spans = b"".join(span_bytes(1, n, attributes=calls if n > 1 else [], start_time_unix_nano=n) for n in range(1, 200))
    keys = judge.judge(a_job(spans=spans)).keys
    assert len(keys) == MOST_KEYS
    assert keys[0] == ("span", f"{1:016x}")
    assert ("span", f"{199:016x}") in keys


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "retrieval", "chat"])
def test_feedback_finds_a_trace_by_any_span_that_did_some_of_its_work(judge, operation):
    spans = span_bytes(1, 1) + span_bytes(1, 2, attributes=[text("gen_ai.operation.name", operation)])
    assert ("span", f"{2:016x}") in judge.judge(a_job(spans=spans)).keys


def test_of_many_agents_the_outermost_can_be_named_and_the_calls_as_well(judge):
    agent, call = ([text("gen_ai.operation.name", name)] for name in ("invoke_agent", "chat"))
    spans = b"".join(
        span_bytes(1, n, attributes=agent if n < 200 else call, start_time_unix_nano=n) for n in range(1, 201)
    )
    keys = judge.judge(a_job(spans=spans)).keys
    assert [value for _, value in keys] == [f"{n:016x}" for n in (*range(1, MOST_ENTRIES + 1), 200)]


def test_a_failing_trace_becomes_a_case_where_cases_are_wanted():
    options = JudgeOptions({"citations": {}}, redacts=False)
    assert Judge(options).judge(a_recorded_job()).case is not None
    assert Judge(JudgeOptions({"citations": {}}, drafts_cases=False)).judge(a_recorded_job()).case is None


def test_a_check_that_must_not_promote_makes_no_case():
    judge = Judge(JudgeOptions({"citations": {"promote": False}}, redacts=False))
    record = judge.judge(a_recorded_job())
    assert record.is_failing
    assert record.case is None


def test_a_case_is_redacted_unless_that_is_switched_off():
    spans = a_piece(
        1, 1, attributes=[text("input.value", "I am jo.hansen@kundenpost.de"), text("openinference.span.kind", "LLM")]
    ).spans
    job = a_job(spans=spans, feedback=(Feedback(score=0.0, thumbs_up=False),))
    plan = {"user_feedback": {}}
    assert "jo.hansen@kundenpost.de" in Judge(JudgeOptions(plan, redacts=False)).judge(job).case.input
    assert "jo.hansen@kundenpost.de" not in Judge(JudgeOptions(plan)).judge(job).case.input


def test_a_judged_trace_makes_the_same_case_later_by_the_verdicts_that_stand():
    judge = Judge(JudgeOptions({"citations": {}}))
    job = a_recorded_job()
    record = judge.judge(job)
    again = replace(job, previous=record.verdicts)
    assert judge.draft(again) == record.case is not None
    assert Judge(JudgeOptions({"latency": {}})).draft(again).fingerprint == record.case.fingerprint


def test_a_person_makes_a_case_also_of_what_passed_or_must_not_promote():
    passed = a_recorded_job()
    passed = replace(passed, previous=(a_verdict("citations", Outcome.PASSED),))
    case = Judge(JudgeOptions({"citations": {}})).draft(passed)
    assert (case.kind, case.source.failed_checks, list(case.expectation.checks)) == ("typical", (), ["citations"])
    job = a_recorded_job()
    unpromoting = Judge(JudgeOptions({"citations": {"promote": False}}))
    record = unpromoting.judge(job)
    assert record.case is None
    assert unpromoting.draft(replace(job, previous=record.verdicts)).source.failed_checks == ("citations",)


def test_a_person_makes_no_case_where_no_cases_are_wanted():
    job = a_recorded_job()
    failed = replace(job, previous=Judge(JudgeOptions({"citations": {}})).judge(job).verdicts)
    assert Judge(JudgeOptions({"citations": {}}, drafts_cases=False)).draft(failed) is None


def test_a_case_that_a_person_makes_of_a_good_trace_is_redacted():
    said = [text("input.value", "I am jo.hansen@kundenpost.de"), text("openinference.span.kind", "LLM")]
    job = a_job(spans=a_piece(1, 1, attributes=said).spans, previous=(a_verdict("citations", Outcome.PASSED),))
    assert Judge(JudgeOptions({"citations": {}})).draft(job).input == "I am <EMAIL_ADDRESS_1>"


def test_a_plan_that_cannot_be_is_refused_when_the_judge_is_made():
    with pytest.raises(CheckConfigError):
        Judge(JudgeOptions({"no_such_check": {}}))


def test_an_unjudged_trace_has_an_errored_verdict_of_every_check_and_keeps_its_telemetry():
    job = a_job(previous=(a_verdict(),))
    record = unjudged(job, [("pii", "2"), ("latency", "1")], "two workers died", 7)
    assert [(v.check, v.version, v.outcome) for v in record.verdicts] == [
        ("pii", "2", Outcome.ERRORED),
        ("latency", "1", Outcome.ERRORED),
    ]
    assert record.spans == job.spans
    assert record.previous == job.previous
