"""A failing report becomes a case that says what went in, what came out and what must hold next time."""

import dataclasses

import pytest
from builders import a_message, a_model_call, a_retrieval, a_span, a_trace, an_interaction

from checks.builtin.latency import Latency, LimitOverride
from checks.builtin.pii import NOT_FULLY_SCANNED
from checks.builtin.pii.policy import PiiMatch
from checks.builtin.user_feedback import UserFeedback
from checks.finding import Evidence, Finding, Severity
from checks.interaction import Document, ResponseFormat, ToolDefinition, ToolRequest
from checks.plan import PlannedCheck
from checks.report import Outcome, Report, Verdict
from exporters.dataset.case import ExampleType
from exporters.dataset.formats.jsonl import line
from exporters.dataset.promote import case_id, draft
from exporters.dataset.redact import RedactionFailed, Redactor


def failing(check="citations", *codes, **parts):
    findings = tuple(Finding(code, "is wrong") for code in codes or ("missing",))
    return Verdict(**{"check": check, "version": "1", "outcome": Outcome.FAILED, "findings": findings, **parts})


def a_report(*verdicts, **parts):
    return Report(an_interaction(**parts), verdicts or (failing(),))


def a_leak(start, end, path="output", severity=Severity.ERROR):
    evidence = (Evidence(path=path, start=start, end=end),)
    return Finding("EMAIL_ADDRESS", "holds an e-mail address", severity, evidence)


def in_trace(trace_id, **parts):
    return {"trace": a_trace(a_span(trace_id=trace_id)), **parts}


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.FAILED])
def test_a_report_in_which_nothing_failed_makes_no_case(outcome):
    assert draft(a_report(failing(outcome=outcome))) is None


def test_a_failure_of_a_check_that_does_not_promote_makes_no_case():
    assert draft(a_report(failing("latency")), promoting={"citations"}) is None


def test_a_planned_check_that_does_not_promote_makes_no_case():
    plan = [PlannedCheck("latency", Latency(), promote=False)]
    assert draft(a_report(failing("latency")), plan=plan) is None


def test_a_check_that_does_not_promote_is_named_and_demands_nothing():
    case = draft(a_report(failing("citations"), failing("latency")), promoting={"citations"})
    assert case.source.failed_checks == ("citations", "latency")
    assert list(case.expectation.checks) == ["citations"]


def test_a_case_holds_input_observed_output_and_where_it_came_from():
    call = a_model_call(model="gpt-4o")
    case = draft(a_report(user_input="Refund?", output="No.", steps=(call,)))
    assert (case.input, case.observed_output) == ("Refund?", "No.")
    assert (case.source.service, case.source.model, case.source.trace_id) == ("shop", "gpt-4o", a_trace().trace_id)


def test_the_context_holds_what_was_said_before_the_users_last_message():
    request = ToolRequest(name="find", id="t1", arguments={"q": 1})
    call = a_model_call(
        input=(
            a_message("Be kind.", role="system"),
            a_message("Hi"),
            a_message(None, role="assistant", tool_requests=(request,)),
            a_message("found", role="tool", tool_call_id="t1"),
            a_message("Refund?"),
            a_message("let me see", role="assistant"),
        )
    )
    case = draft(a_report(steps=(call,), system="Be kind."))
    assert case.context.system == "Be kind."
    assert case.context.messages == (
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "toolCalls": [{"id": "t1", "name": "find", "arguments": {"q": 1}}]},
        {"role": "tool", "content": "found", "toolCallId": "t1"},
    )


def test_the_messages_are_those_of_the_call_that_gave_the_answer():
    answering = a_model_call(span_id="aa", input=(a_message("Hi"), a_message("Refund?")))
    titling = a_model_call(span_id="bb", input=(a_message("Old"), a_message("Make a title")))
    case = draft(a_report(steps=(answering, titling), output_span="aa"))
    assert [m["content"] for m in case.context.messages] == ["Hi"]


def test_the_context_holds_documents_and_tools_with_what_was_recorded_of_them():
    document = Document(id="kb-7", content="30 days", score=0.5)
    tool = ToolDefinition("refund", parameters={"type": "object"})
    call = a_model_call(tools=(tool,))
    case = draft(a_report(steps=(a_retrieval(document), call, call)))
    assert case.context.documents == ({"id": "kb-7", "content": "30 days", "score": 0.5},)
    assert case.context.tools == ({"name": "refund", "parameters": {"type": "object"}},)


def test_every_failed_check_must_hold_next_time_in_its_version_and_with_its_options():
    plan = [PlannedCheck("user_feedback", UserFeedback(), options={"min_score": 0.5})]
    case = draft(a_report(failing("user_feedback", version="3"), failing("own")), plan=plan)
    assert case.expectation.checks == {
        "user_feedback": {"version": "3", "options": {"min_score": 0.5}},
        "own": {"version": "1"},
    }


def test_broken_json_must_meet_the_schema_that_the_app_asked_for():
    schema = {"type": "object", "required": ["total"]}
    call = a_model_call(response_format=ResponseFormat("json", schema))
    assert draft(a_report(failing("valid_json", "truncated"), steps=(call,))).expectation.json_schema == schema


def test_broken_json_without_a_schema_must_be_json_of_any_kind():
    assert draft(a_report(failing("valid_json", "not_json"))).expectation.json_schema == {}


def test_a_missing_citation_makes_the_retrieved_documents_the_relevant_ones():
    documents = (Document(id="kb-7"), Document(source="faq.md"), Document(content="nameless"))
    case = draft(a_report(failing("citations"), steps=(a_retrieval(*documents),)))
    assert case.expectation.relevant_documents == ("kb-7", "faq.md")


def test_a_slow_trace_must_keep_the_limits_of_its_service():
    latency = Latency(max_trace="3s", limits=(LimitOverride(service="shop", max_trace="1s"),))
    plan = [PlannedCheck("latency", latency, options={"max_trace": "3s"})]
    demand = draft(a_report(failing("latency", "slow_trace")), plan=plan).expectation.checks["latency"]
    assert demand["options"] == {"max_trace": "1s", "max_model_call": "20s", "max_first_token": "5s"}


def test_a_leak_is_demanded_by_kind_where_nothing_is_redacted():
    leaking = failing("pii", findings=(a_leak(8, 20),))
    case = draft(a_report(leaking, output="Mail to bob@corp.org!"))
    assert case.expectation.must_not_mention == ("<EMAIL_ADDRESS>",)


def test_a_leak_is_demanded_by_the_placeholder_that_the_answer_shows_for_it():
    leaking = failing("pii", findings=(a_leak(8, 20), a_leak(25, 37)))
    case = draft(a_report(leaking, output="Mail to bob@corp.org and BOB@corp.org!"), Redactor(lambda _: []))
    assert case.observed_output == "Mail to <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_1>!"
    assert case.expectation.must_not_mention == ("<EMAIL_ADDRESS_1>",)
    assert b"corp.org" not in line(case).lower()


def test_what_was_only_warned_of_is_redacted_and_not_demanded():
    warned = failing("pii", findings=(a_leak(0, 12, severity=Severity.WARNING), a_leak(17, 29)))
    case = draft(a_report(warned, output="bob@corp.org and ann@corp.org"), Redactor(lambda _: []))
    assert case.expectation.must_not_mention == ("<EMAIL_ADDRESS_2>",)
    assert case.observed_output == "<EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>"


def test_the_part_of_a_text_that_was_not_looked_at_is_no_leak():
    cut = Finding(NOT_FULLY_SCANNED, "is cut", Severity.WARNING, (Evidence(path="output", start=4, end=8),))
    case = draft(a_report(failing("pii", findings=(a_leak(0, 3), cut)), output="bob and ann"), Redactor(lambda _: []))
    assert case.observed_output == "<EMAIL_ADDRESS_1> and ann"


def test_a_redaction_that_fails_leaves_no_case():
    never_content = Redactor(lambda _: [PiiMatch(0, 1, "US_SSN", 1.0)])
    with pytest.raises(RedactionFailed):
        draft(a_report(), never_content)


@pytest.mark.parametrize("parts", [{"user_input": None}, {"user_input": " "}, {"steps": (a_retrieval(),)}])
def test_a_trace_without_input_or_whose_retrieval_found_nothing_is_missing_data(parts):
    assert draft(a_report(**parts)).kind is ExampleType.MISSING_DATA


def test_another_failure_is_historical():
    assert draft(a_report(steps=(a_retrieval("a text"),))).kind is ExampleType.HISTORICAL_FAILURE


def test_the_id_hangs_on_the_trace_alone():
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    one = draft(a_report(failing("pii"), **in_trace(trace_id, user_input="a")))
    two = draft(a_report(failing("latency"), **in_trace(trace_id, user_input="b")))
    assert one.id == two.id == case_id(trace_id) != draft(a_report()).id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is order A-1009?", "where is  order\nB-77123?"),
        ("I am <EMAIL_ADDRESS_1>", "I am <EMAIL_ADDRESS_2>"),
        ("\uff32efund 5", "refund 7"),
        ("user 6f1c9a2e-11aa-4c4c-9d9d-000000000001", "user 0f1c9a2e-22aa-4c4c-9d9d-000000000002"),
    ],
)
def test_repetitions_of_one_failure_share_their_fingerprint(one, other):
    assert draft(a_report(user_input=one)).fingerprint == draft(a_report(user_input=other)).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        a_report(failing("citations", "unresolvable")),
        a_report(failing("citations"), failing("pii")),
        a_report(user_input="Something else entirely?"),
        a_report(trace=a_trace(a_span(resource={"service.name": "billing"}))),
    ],
)
def test_another_failure_has_another_fingerprint(other):
    assert draft(a_report()).fingerprint != draft(other).fingerprint


def test_a_fingerprint_is_what_it_was_when_it_was_stored():
    stored = draft(a_report(user_input='O\u00f9 est "ma commande" 4711 ?')).fingerprint
    assert stored == "3fe8e92c7d9fba292cee62851a82bcee"


def test_a_warning_does_not_change_the_fingerprint():
    noted = failing(findings=(Finding("missing", "is wrong"), Finding("note", "hm", Severity.WARNING)))
    assert draft(a_report()).fingerprint == draft(a_report(noted)).fingerprint


def test_values_that_json_cannot_hold_make_a_case_all_the_same():
    deep = []
    for _ in range(5000):
        deep = [deep]
    odd = {"nan": float("nan"), "big": 10**5000, "bytes": b"\xff", 3: {1, 2}, "deep": deep, "half": "\ud800"}
    request = ToolRequest(name="find", arguments=odd)
    call = a_model_call(input=(a_message("a", tool_requests=(request,)), a_message("b")))
    case = draft(a_report(steps=(call,), user_input="\ud800\x00"), Redactor(lambda _: []))
    arguments = case.context.messages[0]["toolCalls"][0]["arguments"]
    assert (arguments["nan"], arguments["bytes"], arguments["half"]) == (None, "<1 bytes>", "\ufffd")
    assert b"nested too deeply" in line(case)


def test_a_case_can_be_changed_only_by_making_another():
    with pytest.raises(dataclasses.FrozenInstanceError):
        draft(a_report()).input = "x"
