"""How verdicts look, to machines and to people."""

import json

import pytest
from builders import a_span, a_trace, an_interaction
from rich.console import Console

from checks.finding import Evidence, Finding
from checks.interaction import ToolCall
from checks.report import Outcome, Report, Verdict
from checks.trace import CloseReason
from collector.display import as_line, plain, spending, summary, verdict_shape, verdict_table


def a_verdict(check="pii", outcome=Outcome.PASSED, **parts):
    return Verdict(check, "1", outcome, **parts)


def failed(check, *codes):
    return a_verdict(check, Outcome.FAILED, findings=tuple(Finding(code, "is wrong") for code in codes))


def shown(*rows, checks=("pii", "citations")):
    console = Console(width=140, color_system=None)
    with console.capture() as captured:
        console.print(verdict_table(rows, checks))
    return captured.get()


def test_a_line_has_the_documented_keys_in_their_order():
    trace = a_trace(closed_by=CloseReason.IDLE)
    report = Report(an_interaction("60 days.", trace=trace), (failed("citations", "missing"),))
    line = json.loads(as_line(report))
    assert list(line) == ["trace_id", "service", "convention", "closed_by", "view", "verdicts"]
    assert (line["service"], line["convention"], line["closed_by"]) == ("shop", "genai", "idle")
    assert line["view"]["output"] == "60 days."


def test_a_verdict_shows_where_its_findings_are():
    evidence = (Evidence("00f067aa0ba902b7", "output", 3, 9),)
    finding = Finding("missing", "nothing is cited", evidence=evidence)
    shape = verdict_shape(a_verdict("citations", Outcome.FAILED, score=0.0, findings=(finding,)))
    assert shape == {
        "check": "citations",
        "version": "1",
        "outcome": "failed",
        "score": 0.0,
        "findings": [
            {
                "code": "missing",
                "severity": "error",
                "message": "nothing is cited",
                "evidence": [{"span_id": "00f067aa0ba902b7", "path": "output", "start": 3, "end": 9}],
            }
        ],
    }


def test_a_verdict_shows_an_error_only_where_there_is_one():
    assert verdict_shape(a_verdict(outcome=Outcome.ERRORED, error="ValueError at pii:7"))["error"]
    assert "error" not in verdict_shape(a_verdict())


@pytest.mark.parametrize(
    "value",
    [float("nan"), 10**400, 2**70, "half a \ud83d", b"\xff", {1: "a number as key"}, json.loads("[" * 300 + "]" * 300)],
    ids=["nan", "huge", "large", "surrogate", "bytes", "key", "deep"],
)
def test_a_line_is_json_whatever_a_tool_was_given(value):
    report = Report(an_interaction(steps=(ToolCall("00000000000000aa", "t", arguments=value),)), (a_verdict(),))
    line = as_line(report)
    assert b"\n" not in line
    assert json.loads(line)["view"]["tool_calls"]


def test_the_table_has_a_line_a_trace_and_a_column_a_check():
    text = shown(("4bf92f35" + "0" * 24, "shop", "genai", (a_verdict(), failed("citations", "missing", "missing"))))
    (line,) = [line for line in text.splitlines() if "4bf92f35" in line]
    assert line.split("│")[1:-1] == [" 4bf92f35 ", " shop    ", " genai   ", " pass ", "   FAIL    ", " missing  "]


def test_the_table_names_the_check_that_broke():
    text = shown(("4bf92f35", "shop", "genai", (a_verdict(outcome=Outcome.ERRORED, error="ValueError at pii:7"),)))
    assert "error" in text
    assert "pii: ValueError at pii:7" in text


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "a\u202eb", "a\nb", "a\x07b", "a\x9b31mb"])
def test_names_from_outside_cannot_steer_the_terminal(name):
    text = shown(("4bf92f35", name, "genai", (a_verdict(),)))
    assert not {c for c in text if not c.isprintable()} - {"\n"}
    assert len([line for line in text.splitlines() if "4bf92f35" in line]) == 1


def test_names_from_outside_are_no_markup():
    assert "[bold]shop[/]" in shown(("4bf92f35", "[bold]shop[/]", "genai", (a_verdict(),)))
    assert plain("[/]") != "[/]"


def test_the_summary_counts_traces_and_the_checks_that_failed():
    verdicts = [
        (a_verdict(),),
        (failed("pii", "EMAIL"), failed("citations", "missing")),
        (failed("pii", "EMAIL"),),
    ]
    assert summary(verdicts) == "3 traces: 1 passed, 2 failed (pii 2, citations 1)"


def test_the_summary_of_one_trace_is_in_the_singular():
    assert summary([(a_verdict(),)]) == "1 trace: 1 passed, 0 failed"


def test_the_summary_tells_apart_what_failed_and_what_broke():
    broken = a_verdict(outcome=Outcome.TIMED_OUT, error="late")
    text = summary([(broken,), (broken, failed("latency", "slow_trace")), (a_verdict(),)])
    assert text == "3 traces: 1 passed, 1 failed (latency 1); a check broke on 2"


@pytest.mark.parametrize(
    ("cost", "unpriced", "text"),
    [
        (None, 0, None),
        (None, 2, "no model call has a price"),
        (0.0123, 0, "model calls cost $0.0123"),
        (2.5, 1, "model calls cost $2.50, and 1 has no price"),
        (0.0, 3, "model calls cost $0.00, and 3 have no price"),
    ],
)
def test_what_model_calls_cost_is_told_with_those_that_have_no_price(cost, unpriced, text):
    assert spending(cost, unpriced) == text


def test_an_unnamed_service_is_shown_too():
    trace = a_trace(a_span(resource={}))
    assert json.loads(as_line(Report(an_interaction(trace=trace), ())))["service"] == "unknown_service"
