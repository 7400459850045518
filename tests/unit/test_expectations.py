"""What each check demands of the next run: judged by the scorer, the recorded answer fails it and a good one passes."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from builders import SECOND, a_model_call, a_retrieval, a_span, a_thumb, a_trace, an_interaction

from checks import catalogue, runner
from checks.check import CheckInfo
from checks.finding import Evidence, Finding
from checks.interaction import Document, ResponseFormat, ToolCall
from checks.plan import PlannedCheck
from checks.report import Outcome
from checks.trace import Feedback
from exporters.dataset.expectations import CONTRIBUTIONS
from exporters.dataset.promote import draft
from exporters.dataset.redact import Redactor
from exporters.dataset.scorer import score
from exporters.dataset.shape import from_json, to_json

TOTAL = ResponseFormat("json", {"type": "object", "required": ["total"]})
UNUSABLE = ResponseFormat("json", {"type": "objekt"})
DOCUMENTS = a_retrieval(Document(id="kb-7", content="30 days"), Document(id="kb-8", content="60 days"))
LONG_ANSWER = "You can return an annual plan within 60 days, whatever the reason may be."


def a_run(checks, **parts):
    """A report of these checks on an interaction, and the plan."""
    plan = catalogue.build(checks)
    return runner.run(an_interaction(**parts), plan), plan


def a_slow_trace(seconds, **call):
    root = a_span(start_ns=SECOND, end_ns=SECOND + int(seconds * SECOND))
    return {"trace": a_trace(root), "steps": (a_model_call(**call),)}


FAILING = {
    "valid_json not_json": (
        {"valid_json": {}},
        {"output": "It is 5.", "steps": (a_model_call(response_format=TOTAL),)},
    ),
    "valid_json truncated": (
        {"valid_json": {}},
        {"output": '{"total": 5', "steps": (a_model_call(response_format=ResponseFormat("json")),)},
    ),
    "valid_json schema_violation": (
        {"valid_json": {}},
        {"output": '{"sum": 5}', "steps": (a_model_call(response_format=TOTAL),)},
    ),
    "valid_json unusable schema": (
        {"valid_json": {}},
        {"output": "It is 5.", "steps": (a_model_call(response_format=UNUSABLE),)},
    ),
    "valid_json configured schema": (
        {"own_json": {"use": "valid_json", "always": True, "schema": TOTAL.schema}},
        {"output": "{}"},
    ),
    "valid_json fenced": (
        {"valid_json": {}},
        {"output": '```json\n{"total": 5}\n```', "steps": (a_model_call(response_format=TOTAL),)},
    ),
    "valid_json empty": ({"valid_json": {}}, {"output": " ", "steps": (a_model_call(response_format=TOTAL),)}),
    "citations missing": ({"citations": {}}, {"output": "60 days.", "steps": (DOCUMENTS,)}),
    "citations unresolvable": ({"citations": {}}, {"output": "60 days [1], by law [9].", "steps": (DOCUMENTS,)}),
    "pii": ({"pii": {}}, {"output": "Write to jo.hansen@kundenpost.de, please."}),
    "latency slow_trace": ({"latency": {"max_trace": "2s"}}, a_slow_trace(3)),
    "latency slow_model_call": (
        {"latency": {"max_model_call": "1s"}},
        a_slow_trace(3, duration_ns=2 * SECOND),
    ),
    "latency slow_first_token": (
        {"latency": {"max_first_token": "1s"}},
        a_slow_trace(3, ttft_ns=int(1.5 * SECOND)),
    ),
    "user_feedback": ({"user_feedback": {}}, {"output": LONG_ANSWER, "feedback": (a_thumb(up=False),)}),
}
GOOD = '{"total": 5, "why": "30 days [kb-7]"}'


def latency_ms(report):
    return report.interaction.trace.duration_ns / 1e6


@pytest.mark.parametrize("redact", [None, Redactor(lambda _: [])], ids=["as_captured", "redacted"])
@pytest.mark.parametrize("name", FAILING)
def test_the_recorded_answer_fails_its_case_and_a_good_one_passes(name, redact):
    checks, parts = FAILING[name]
    report, plan = a_run(checks, **parts)
    assert [v.check for v in report.failed] == list(checks)
    case = to_json(draft(report, redact, plan=plan))
    bad = (
        case["actualOutput"]
        if redact
        else parts.get("output", "Fine.").replace("jo.hansen@kundenpost.de", "<EMAIL_ADDRESS>")
    )
    assert score(case, bad, [], latency_ms(report))
    assert score(case, GOOD, [], 100) == []


def test_every_check_with_a_demand_is_tried_above():
    tried = {name.split()[0] for name in FAILING}
    assert tried == set(catalogue.BUILTINS)
    assert tried >= set(CONTRIBUTIONS)


def test_a_slow_trace_names_its_limit_and_a_slow_part_what_the_whole_would_have_taken():
    report, plan = a_run(*FAILING["latency slow_trace"][:1], **FAILING["latency slow_trace"][1])
    assert draft(report, plan=plan).expectation.max_latency_ms == 2000
    report, plan = a_run(*FAILING["latency slow_model_call"][:1], **FAILING["latency slow_model_call"][1])
    assert draft(report, plan=plan).expectation.max_latency_ms == 2000
    report, plan = a_run(*FAILING["latency slow_first_token"][:1], **FAILING["latency slow_first_token"][1])
    assert draft(report, plan=plan).expectation.max_latency_ms == 2500


def test_what_a_user_said_is_the_rubric_and_is_redacted():
    said = Feedback(thumbs_up=False, comment="wrong, ask bob@corp.org")
    report, plan = a_run({"user_feedback": {}}, output=LONG_ANSWER, feedback=(said,))
    redact = Redactor(lambda text: [Mail(text.index("bob@"), text.index("bob@") + 12)] if "bob@" in text else [])
    expectation = draft(report, redact, plan=plan).expectation
    assert expectation.rubric == "A user was not content: wrong, ask <EMAIL_ADDRESS_1>"
    assert expectation.must_not_mention == (LONG_ANSWER,)


@pytest.mark.parametrize("answer", ["Yes.", "word " * 1000, None])
def test_an_answer_of_few_or_very_many_words_is_not_forbidden(answer):
    report, plan = a_run({"user_feedback": {}}, output=answer, feedback=(a_thumb(up=False),))
    expectation = draft(report, plan=plan).expectation
    assert (expectation.must_not_mention, expectation.rubric) == ((), None)


def test_a_leak_and_a_thumbs_down_demand_both():
    answer = "Please write to jo.hansen@kundenpost.de and wait for an answer."
    report, plan = a_run({"pii": {}, "user_feedback": {}}, output=answer, feedback=(a_thumb(up=False),))
    case = draft(report, Redactor(lambda _: []), plan=plan)
    assert case.expectation.must_not_mention == ("<EMAIL_ADDRESS_1>", case.observed_output)
    assert "kundenpost" not in str(to_json(case))


@dataclass(frozen=True)
class Mail:
    start: int
    end: int
    entity: str = "EMAIL_ADDRESS"


@dataclass(frozen=True)
class NoRefund:
    """A user's own check: the tool must not be called. ``demands`` is what its ``expects`` gives, or raises."""

    demands: object = None
    info: ClassVar = CheckInfo("no_refund", "1", "No refund is issued.", codes={"issued": "A refund was issued."})

    def applies_to(self, interaction):
        return bool(interaction.tool_calls)

    def inspect(self, interaction):
        for n, call in enumerate(interaction.tool_calls):
            if call.name == "issue_refund":
                yield Finding("issued", "a refund was issued", evidence=(Evidence(call.span_id, f"tool_calls[{n}]"),))

    def expects(self, interaction, findings):
        if isinstance(self.demands, BaseException):
            raise self.demands
        if self.demands is not None:
            return self.demands
        names = {call.name for call in interaction.tool_calls if call.name == "issue_refund"}
        return {"forbiddenToolCalls": sorted(names), "expectedToolCalls": [{"name": "ask_human"}]} if findings else {}


def own(demands=None):
    plan = [PlannedCheck("no_refund", NoRefund(demands))]
    steps = (ToolCall("aa", "issue_refund", arguments={"order": 1}),)
    return draft(runner.run(an_interaction(steps=steps), plan), plan=plan)


def test_a_check_of_ones_own_demands_and_forbids_tool_calls():
    case = to_json(own())
    assert (case["forbiddenToolCalls"], case["expectedToolCalls"]) == (["issue_refund"], [{"name": "ask_human"}])
    assert len(score(case, "Done.", [{"name": "issue_refund", "arguments": {}}])) == 2
    assert score(case, "Done.", [{"name": "ask_human", "arguments": {}}]) == []
    assert from_json(case) == own()


@pytest.mark.parametrize(
    "demands",
    [
        RuntimeError("quotes jo.hansen@kundenpost.de"),
        SystemExit(1),
        ["mustMention"],
        {"mustMenton": ["x"]},
        {"mustMention": "x"},
        {"maxLatencyMs": 0},
        {"forbiddenToolCalls": [{"name": "x"}]},
    ],
    ids=str,
)
def test_a_check_whose_demand_cannot_be_read_contributes_its_name_and_the_case_says_so(demands):
    case = own(demands)
    assert case.expectation.checks == {"no_refund": {"version": "1"}}
    assert case.expectation.forbidden_tool_calls == ()
    assert case.tags == ("no_demand:no_refund",)


def test_a_deadline_passes_through_a_checks_own_code():
    from checks.deadline import DeadlineExceeded

    with pytest.raises(DeadlineExceeded):
        own(DeadlineExceeded())


def test_a_check_that_passed_is_asked_with_no_findings():
    report = runner.run(an_interaction(steps=(ToolCall("aa", "find"),)), [PlannedCheck("no_refund", NoRefund())])
    assert [v.outcome for v in report.verdicts] == [Outcome.PASSED]
    case = draft(report, plan=[PlannedCheck("no_refund", NoRefund())], typical_rate=1)
    assert (case.expectation.forbidden_tool_calls, case.tags) == ((), ())
