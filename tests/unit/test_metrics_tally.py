"""How evaluated traces are counted, the first time and again."""

from typing import Any

import pytest
from builders import SECOND, TRACE_ID, a_thumb
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from checks.finding import Finding, Severity
from checks.report import Outcome, Verdict
from checks.trace import CloseReason, Feedback
from exporters.metrics.prometheus import Metrics
from exporters.metrics.tally import tally
from exporters.record import CallFacts, Record

RESULTS = "sidecheck_check_results_total"


def a_verdict(check: str, outcome: Outcome, *codes: str, **parts: Any) -> Verdict:
    """A verdict of this check with findings of these codes."""
    findings = tuple(Finding(code, "wrong") for code in codes)
    return Verdict(**{"check": check, "version": "1", "outcome": outcome, "findings": findings, **parts})


def a_record(*verdicts: Verdict, **parts: Any) -> Record:
    """A trace of two seconds, judged three seconds after its end."""
    defaults = {
        "trace_id": TRACE_ID,
        "service": "shop",
        "convention": "genai",
        "closed_by": CloseReason.ROOT_SEEN,
        "start_ns": 10 * SECOND,
        "end_ns": 12 * SECOND,
        "duration_ns": 2 * SECOND,
        "span_count": 1,
        "truncated": False,
        "verdicts": verdicts,
        "evaluated_ns": 15 * SECOND,
    }
    return Record(**{**defaults, **parts})


class Page:
    """What the metrics page says after these records."""

    def __init__(self, *records: Record) -> None:
        metrics = Metrics(10_000)
        metrics.add(tally(records))
        text = metrics.render("application/openmetrics-text; version=1.0.0")[0].decode()
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def of(self, name: str, **labels: str) -> float:
        """The sum over the series of ``name`` that have these labels."""
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def names(self) -> set[str]:
        """The metrics that counted anything."""
        return {s.name for s in self.samples if s.name.startswith("sidecheck") and s.value}


def test_a_trace_is_counted_with_its_close_reason():
    page = Page(a_record(closed_by=CloseReason.IDLE), a_record(closed_by=CloseReason.IDLE))
    assert page.of("sidecheck_traces_evaluated_total", service="shop", closed_by="idle") == 2


def test_every_outcome_of_a_first_evaluation_is_counted():
    page = Page(a_record(*(a_verdict(outcome.value, outcome) for outcome in Outcome)))
    for outcome in Outcome:
        assert page.of(RESULTS, service="shop", check=outcome.value, outcome=outcome.value) == 1


def test_a_decided_check_has_both_its_series_from_the_start():
    page = Page(a_record(a_verdict("pii", Outcome.PASSED), a_verdict("citations", Outcome.NOT_APPLICABLE)))
    found = {(s.labels["check"], s.labels["outcome"]): s.value for s in page.samples if s.name == RESULTS}
    assert found == {("pii", "passed"): 1, ("pii", "failed"): 0, ("citations", "not_applicable"): 1}


def test_a_result_carries_its_trace_id():
    page = Page(a_record(a_verdict("pii", Outcome.FAILED, "email")))
    exemplars = [s.exemplar.labels for s in page.samples if s.name == RESULTS and s.value]
    assert exemplars == [{"trace_id": TRACE_ID}]


def test_findings_are_counted_by_code_and_warnings_with_them():
    warned = a_verdict("pii", Outcome.PASSED, findings=(Finding("echoed", "again", Severity.WARNING),))
    page = Page(a_record(a_verdict("latency", Outcome.FAILED, "slow_trace", "slow_trace"), warned))
    assert page.of("sidecheck_findings_total", check="latency", code="slow_trace") == 2
    assert page.of("sidecheck_findings_total", check="pii", code="echoed") == 1


def test_only_checks_that_ran_have_a_duration():
    page = Page(
        a_record(
            a_verdict("pii", Outcome.PASSED, duration_ns=SECOND),
            a_verdict("latency", Outcome.TIMED_OUT, duration_ns=SECOND),
            a_verdict("citations", Outcome.NOT_APPLICABLE),
            a_verdict("valid_json", Outcome.NOT_SAMPLED),
        )
    )
    assert page.of("sidecheck_check_duration_seconds_count") == 2
    assert page.of("sidecheck_check_duration_seconds_sum", check="pii") == 1


def test_a_failing_trace_is_flagged_once_however_many_checks_failed():
    page = Page(a_record(a_verdict("pii", Outcome.FAILED, "email"), a_verdict("latency", Outcome.FAILED, "slow_trace")))
    assert page.of("sidecheck_flagged_traces_total", service="shop") == 1


def test_traces_of_one_batch_are_counted_by_their_own_labels_values_and_findings():
    slow = a_verdict("latency", Outcome.FAILED, "slow_trace")
    page = Page(
        a_record(slow, a_verdict("pii", Outcome.FAILED, "email"), duration_ns=3 * SECOND, end_ns=14 * SECOND),
        a_record(slow, a_verdict("pii", Outcome.FAILED, "phone"), duration_ns=4 * SECOND),
        a_record(slow, a_verdict("pii", Outcome.PASSED), calls=(CallFacts(model="gpt-4o"),)),
        a_record(slow, service="desk", closed_by=CloseReason.IDLE),
    )
    assert page.of("sidecheck_traces_evaluated_total", service="shop", closed_by="root_seen") == 3
    assert page.of("sidecheck_traces_evaluated_total", service="desk", closed_by="idle") == 1
    assert page.of(RESULTS, check="latency", outcome="failed", service="shop") == 3
    assert [page.of(RESULTS, check="pii", outcome=outcome) for outcome in ("failed", "passed")] == [2, 1]
    assert page.of("sidecheck_model_check_results_total", model="gpt-4o", outcome="failed") == 1
    assert [page.of("sidecheck_findings_total", code=code) for code in ("slow_trace", "email", "phone")] == [4, 1, 1]
    assert page.of("sidecheck_flagged_traces_total") == 4
    assert page.of("sidecheck_trace_duration_seconds_sum", service="shop") == 3 + 4 + 2
    assert page.of("sidecheck_evaluation_delay_seconds_sum") == 1 + 3 + 3 + 3


def test_tokens_are_summed_by_model_and_direction():
    calls = (
        CallFacts(model="gpt-4o", input_tokens=10, output_tokens=5, cached_input_tokens=4),
        CallFacts(model="gpt-4o", input_tokens=1),
        CallFacts(output_tokens=7),
    )
    page = Page(a_record(calls=calls))
    assert page.of("sidecheck_tokens_total", model="gpt-4o", direction="input") == 11
    assert page.of("sidecheck_tokens_total", model="gpt-4o", direction="output") == 5
    assert page.of("sidecheck_tokens_total", model="gpt-4o", direction="cached_input") == 4
    assert page.of("sidecheck_tokens_total", model="unknown", direction="output") == 7


def test_a_decided_result_is_counted_for_the_model_that_wrote_the_answer():
    calls = (CallFacts(model="router-mini"), CallFacts(model="gpt-4o"))
    decided, open_ = a_verdict("pii", Outcome.FAILED), a_verdict("citations", Outcome.NOT_APPLICABLE)
    page = Page(a_record(decided, open_, calls=calls), a_record(a_verdict("pii", Outcome.PASSED)))
    name = "sidecheck_model_check_results_total"
    assert page.of(name) == 2
    assert page.of(name, model="gpt-4o", check="pii", outcome="failed") == 1
    assert page.of(name, model="unknown", check="pii", outcome="passed") == 1


def test_dollars_are_summed_by_service_and_model_and_calls_without_a_price_are_counted_instead():
    calls = (
        CallFacts(model="gpt-4o", cost=0.25),
        CallFacts(model="gpt-4o", cost=0.5),
        CallFacts(model="mine", is_unpriced=True),
        CallFacts(model="failed"),
    )
    page = Page(a_record(calls=calls))
    assert page.of("sidecheck_cost_dollars_total", service="shop", model="gpt-4o") == 0.75
    assert page.of("sidecheck_cost_dollars_total", model="mine") == 0
    assert page.of("sidecheck_unpriced_calls_total", model="mine") == 1
    assert page.of("sidecheck_unpriced_calls_total") == 1


def test_a_trace_costs_the_sum_of_its_calls_that_have_a_price_and_one_without_any_is_left_out():
    priced = (CallFacts(model="a", cost=0.25), CallFacts(model="b", cost=0.5), CallFacts(model="c", is_unpriced=True))
    page = Page(a_record(calls=priced), a_record(calls=priced[2:]), a_record())
    assert page.of("sidecheck_trace_cost_dollars_count", service="shop") == 1
    assert page.of("sidecheck_trace_cost_dollars_sum", service="shop") == 0.75


@pytest.mark.parametrize("tokens", [-5, 0, 10**300, 2**63])
def test_a_number_of_tokens_that_cannot_be_is_left_out(tokens):
    assert Page(a_record(calls=(CallFacts(model="m", input_tokens=tokens),))).of("sidecheck_tokens_total") == 0


def test_the_time_to_the_first_token_is_observed_where_it_was_recorded():
    page = Page(
        a_record(calls=(CallFacts(model="m", ttft_ns=SECOND // 2), CallFacts(model="m"), CallFacts(ttft_ns=-1)))
    )
    assert page.of("sidecheck_time_to_first_token_seconds_count") == 1
    assert page.of("sidecheck_time_to_first_token_seconds_sum", service="shop", model="m") == 0.5


def test_the_durations_of_trace_and_evaluation_are_observed():
    page = Page(a_record())
    assert page.of("sidecheck_trace_duration_seconds_sum", service="shop") == 2
    assert page.of("sidecheck_evaluation_delay_seconds_sum") == 3


def test_a_trace_that_ends_after_its_evaluation_has_no_delay():
    page = Page(a_record(end_ns=99 * SECOND))
    assert page.of("sidecheck_evaluation_delay_seconds_count") == 1
    assert page.of("sidecheck_evaluation_delay_seconds_sum") == 0


@pytest.mark.parametrize(
    ("feedback", "value"),
    [
        (a_thumb(up=True), "up"),
        (a_thumb(up=False), "down"),
        (Feedback(score=0.8), "up"),
        (Feedback(score=0.2), "down"),
        (Feedback(score=0.5), "neutral"),
        (Feedback(comment="hm"), "comment"),
    ],
)
def test_feedback_is_counted_by_what_it_says(feedback, value):
    page = Page(a_record(feedback=(feedback,)))
    assert page.of("sidecheck_user_feedback_total", service="shop", value=value) == 1


def test_a_trace_that_no_convention_reads_is_counted_by_its_scopes():
    page = Page(a_record(convention="none", scopes=("flask", "redis")), a_record(convention="none"))
    assert page.of("sidecheck_unread_traces_total", scope="flask") == 1
    assert page.of("sidecheck_unread_traces_total", scope="unknown") == 1


def again(before: Outcome, after: Outcome, **parts: Any) -> Page:
    """The page of a trace that is judged again, where one check goes from ``before`` to ``after``."""
    codes = ("email",) if after is Outcome.FAILED else ()
    return Page(a_record(a_verdict("pii", after, *codes), previous=(a_verdict("pii", before),), **parts))


@pytest.mark.parametrize("before", [o for o in Outcome if not o.is_decided])
@pytest.mark.parametrize("after", [Outcome.PASSED, Outcome.FAILED])
def test_a_check_that_is_decided_late_is_counted_as_a_result(before, after):
    page = again(before, after)
    assert page.of(RESULTS, check="pii", outcome=after.value) == 1
    assert page.of("sidecheck_verdict_changes_total") == 0


@pytest.mark.parametrize(("before", "after"), [("passed", "failed"), ("failed", "passed"), ("failed", "errored")])
def test_a_decided_verdict_that_turns_over_is_counted_as_a_change_only(before, after):
    page = again(Outcome(before), Outcome(after))
    assert page.of("sidecheck_verdict_changes_total", service="shop", check="pii", before=before, after=after) == 1
    assert page.of(RESULTS) == 0
    assert page.of("sidecheck_findings_total") == 0


def test_model_calls_that_came_late_are_counted_and_the_others_not_again():
    early = CallFacts(model="gpt-4o", input_tokens=10, cost=0.5)
    late = CallFacts(model="gpt-4o", input_tokens=3, output_tokens=2, cost=0.25)
    page = again(Outcome.PASSED, Outcome.PASSED, calls=(early, late), late_calls=(late,))
    tokens = [page.of("sidecheck_tokens_total", model="gpt-4o", direction=one) for one in ("input", "output")]
    assert (tokens, page.of("sidecheck_cost_dollars_total", service="shop")) == ([3, 2], 0.25)


@pytest.mark.parametrize(
    ("before", "after"), [("passed", "passed"), ("not_applicable", "errored"), ("errored", "not_applicable")]
)
def test_what_stays_as_it_was_is_not_counted_again(before, after):
    calls = (CallFacts(model="m", input_tokens=3, ttft_ns=5),)
    page = again(Outcome(before), Outcome(after), calls=calls, feedback=(a_thumb(up=True),), convention="none")
    assert page.names() == set()


def test_findings_of_a_check_that_fails_late_are_counted():
    assert again(Outcome.NOT_APPLICABLE, Outcome.FAILED).of("sidecheck_findings_total", check="pii", code="email") == 1


def test_a_check_that_is_new_since_is_counted():
    page = Page(a_record(a_verdict("pii", Outcome.PASSED), a_verdict("new", Outcome.PASSED), previous=()))
    assert page.of(RESULTS, check="new", outcome="passed") == 1


@pytest.mark.parametrize(("before", "flagged"), [(Outcome.PASSED, 1), (Outcome.NOT_APPLICABLE, 1), (Outcome.FAILED, 0)])
def test_a_trace_that_fails_late_is_flagged_once(before, flagged):
    assert again(before, Outcome.FAILED).of("sidecheck_flagged_traces_total") == flagged


def test_late_feedback_is_counted_once_where_the_earlier_one_is_known():
    known, new = a_thumb(up=True), a_thumb(up=False)
    page = again(Outcome.PASSED, Outcome.PASSED, feedback=(known, new), previous_feedback=(known,))
    assert page.of("sidecheck_user_feedback_total", value="down") == 1
    assert page.of("sidecheck_user_feedback_total") == 1
