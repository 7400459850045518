"""Why there is or is no verdict: the reason that the runner leaves, and the explanation that is made of it."""

from dataclasses import replace

import pytest
from builders import a_span, a_thumb, a_trace, an_interaction
from fastapi.testclient import TestClient
from pipeline_fakes import BROKEN, Line, S, a_job, a_piece, text, trace_id
from store_builders import a_record, a_verdict, save

from checks import catalogue, runner
from checks.finding import Finding, Severity
from checks.report import Outcome
from collector.intake import Refusal, Refused
from collector.pipeline.explanation import Explainer
from collector.pipeline.losses import Losses
from collector.pipeline.quarantine import Quarantine
from exporters.metrics.prometheus import Metrics
from exporters.review.explain import CheckExplanation, Explanation, TraceState
from exporters.review.routes import create_api
from exporters.store import ForgetTarget

CHECKS = {"user_feedback": {}, "latency": {}}


@pytest.fixture
async def line(store):
    async with Line(store) as made:
        yield made


@pytest.fixture
def explain(line, tmp_path):
    return Explainer(line.store, CHECKS, tmp_path / "quarantine", line.front, line.clock, line.clock)


def reason(config, interaction):
    """The reason of the one verdict of ``latency``."""
    return runner.run(interaction, catalogue.build({"latency": config})).verdicts[0].reason


# What the runner leaves


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"when": {"service": "desk"}}, "when.service"),
        ({"when": {"route": "/other"}}, "when.route"),
        ({"when": {"model": "gpt-*"}}, "when.model"),
        ({"when": {"service": "shop", "attribute": {"tenant": "acme"}}}, "when.attribute.tenant"),
        ({"sample": 0}, "sample:0"),
        ({}, None),
    ],
)
def test_a_verdict_says_which_condition_left_the_trace_out(config, expected):
    assert reason(config, an_interaction()) == expected


def test_a_verdict_says_that_the_check_found_nothing_to_judge():
    (verdict,) = runner.run(an_interaction(), catalogue.build({"user_feedback": {}})).verdicts
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_APPLICABLE, "nothing_to_judge")


def test_a_judged_trace_needs_no_reason():
    given = an_interaction(trace=a_trace(a_span()), feedback=(a_thumb(up=False),))
    (verdict,) = runner.run(given, catalogue.build({"user_feedback": {}})).verdicts
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, None)


def test_the_reason_is_stored_with_the_verdict(store):
    save(store, a_record(verdicts=(a_verdict(outcome=Outcome.NOT_APPLICABLE, reason="when.service"),)))
    assert store.trace(trace_id(1)).verdicts[0].reason == "when.service"


# Checks


def explained(store, tmp_path, *verdicts, checks=CHECKS):
    save(store, a_record(verdicts=verdicts))
    explainer = Explainer(store, checks, tmp_path)
    return {one.check: one for one in explainer.now(trace_id(1)).checks}


WARNING = Finding("slow_trace", "slow", Severity.WARNING)


@pytest.mark.parametrize(
    ("verdict", "expected", "sentence"),
    [
        (a_verdict("latency", Outcome.PASSED), None, "nothing was found wrong"),
        (a_verdict("latency", Outcome.PASSED, findings=(WARNING,)), "slow_trace", "with a warning: slow_trace"),
        (a_verdict("latency", Outcome.FAILED), "missing", "found missing"),
        (a_verdict("latency", Outcome.NOT_APPLICABLE, reason="when.service"), "when.service", "when.service does not"),
        (a_verdict("latency", Outcome.NOT_APPLICABLE, reason="nothing_to_judge"), "nothing_to_judge", "could judge"),
        (a_verdict("latency", Outcome.NOT_APPLICABLE), None, "does not apply"),
        (a_verdict("latency", Outcome.NOT_SAMPLED, reason="sample:0.1"), "sample", "0.1 of all traces"),
        (a_verdict("latency", Outcome.ERRORED, error="KeyError at a:1"), "errored", "it broke: KeyError at a:1"),
        (a_verdict("latency", Outcome.TIMED_OUT, error="not done after 1 s"), "timed_out", "interrupted: not done"),
    ],
)
def test_every_outcome_has_a_reason_and_a_sentence(store, tmp_path, verdict, expected, sentence):
    found = explained(store, tmp_path, verdict)["latency"]
    assert (found.outcome, found.reason) == (verdict.outcome.value, expected)
    assert sentence in found.sentence


def test_a_check_that_is_switched_off_is_said_to_be(store, tmp_path):
    found = explained(store, tmp_path, checks={**CHECKS, "pii": {"enabled": False}})["pii"]
    assert (found.outcome, found.reason) == ("none", "disabled")


def test_a_check_that_was_added_since_is_said_to_be(store, tmp_path):
    found = explained(store, tmp_path, a_verdict("latency"))["user_feedback"]
    assert (found.outcome, found.reason) == ("none", "not_configured")


def test_a_verdict_of_a_check_that_was_taken_away_since_is_shown_and_marked(store, tmp_path):
    found = explained(store, tmp_path, a_verdict("citations"))["citations"]
    assert found.sentence == "found missing; it is no longer configured"


# Traces


async def test_an_open_trace_waits_for_its_root(line, explain):
    await line.receive(a_piece(1, 2, 3))
    await line.flow(10)
    found = await explain(trace_id(1))
    assert (found.state, found.reason, found.since_ns) == (TraceState.OPEN, "root", line.clock() - 10 * S)
    assert found.sentence == (
        "open for 10.0 s, 2 spans so far; its root span has not come; "
        "without it the trace is judged in 20.0 s (assembly.idle)"
    )
    assert {one.reason for one in found.checks} == {"trace_open"}


async def test_an_open_trace_with_its_root_waits_for_stragglers(line, explain):
    await line.receive(a_piece())
    await line.flow(0.5)
    found = await explain(trace_id(1))
    assert (found.state, found.reason) == (TraceState.OPEN, "settle")
    assert "1 span so far; it is judged in 1.5 s" in found.sentence


async def test_a_trace_that_is_open_again_still_has_its_verdicts(line, explain):
    await line.receive(a_piece())
    await line.flow(2)
    await line.receive(a_piece(1, 2))
    await line.flow()
    found = await explain(trace_id(1))
    assert found.state is TraceState.OPEN
    assert "judged before" in found.sentence
    assert {one.check: one.outcome for one in found.checks} == {"user_feedback": "not_applicable", "latency": "passed"}


async def test_a_trace_that_is_not_stored_yet_is_being_judged(line, explain):
    gate = line.store.hold("save")
    await line.receive(a_piece())
    await line.tick(2)
    found = await explain(trace_id(1))
    gate.set()
    assert found.state is TraceState.BEING_JUDGED
    assert {one.reason for one in found.checks} == {"trace_being_judged"}


async def test_a_stored_trace_says_how_it_was_closed(line, explain):
    await line.receive(a_piece())
    await line.flow(2)
    found = await explain(trace_id(1))
    assert (found.state, found.reason) == (TraceState.STORED, "root_seen")
    assert found.sentence == "judged with 1 span, closed by root_seen"


async def test_a_dropped_trace_says_why(line, explain):
    line.pool.error = RuntimeError()
    await line.receive(a_piece())
    await line.flow(2)
    found = await explain(trace_id(1))
    assert (found.state, found.reason, found.since_ns) == (TraceState.DROPPED, "internal_error", line.clock())
    assert {one.reason for one in found.checks} == {"trace_dropped"}


async def test_a_trace_that_the_store_did_not_take_says_so(line, explain):
    line.store.fail("save", BROKEN)
    await line.receive(a_piece())
    await line.flow(2)
    assert (await explain(trace_id(1))).reason == "store_failed"


async def test_log_records_alone_are_said_to_be_no_trace(line, explain):
    await line.receive(a_piece(1, logs=1))
    await line.flow(40)
    assert (await explain(trace_id(1))).reason == "no_spans"


async def test_a_refused_trace_says_why(store, tmp_path):
    async with Line(store, memory_bytes=10) as line:
        with pytest.raises(Refused):
            await line.receive(a_piece())
        found = await Explainer(line.store, CHECKS, tmp_path, line.front)(trace_id(1))
    assert (found.state, found.reason) == (TraceState.DROPPED, Refusal.OVERLOADED.value)


async def test_a_quarantined_trace_names_the_reason_and_the_folder(line, explain, tmp_path):
    await line.receive(a_piece())
    await line.flow(2)
    Quarantine(tmp_path / "quarantine").add(a_job(1), "two workers died over this trace")
    found = await explain(trace_id(1))
    assert found.state is TraceState.QUARANTINED
    assert (
        found.sentence == f"two workers died over this trace; its telemetry is in the folder {tmp_path / 'quarantine'}"
    )


async def test_a_forgotten_trace_is_said_to_be(line, explain):
    line.store.forget(ForgetTarget(trace_id=trace_id(1)), line.clock())
    found = await explain(trace_id(1))
    assert found.state is TraceState.FORGOTTEN
    assert {one.reason for one in found.checks} == {"trace_forgotten"}


async def test_a_trace_that_nobody_saw_is_unknown(explain):
    found = await explain(trace_id(1))
    assert found.state is TraceState.UNKNOWN
    assert "store.retention" in found.sentence
    assert {one.check for one in found.checks} == set(CHECKS)


async def test_no_text_of_the_app_is_in_an_explanation(line, explain):
    await line.receive(a_piece(1, attributes=[text("gen_ai.prompt", "my secret")], service="my secret"))
    await line.flow(1)
    assert "secret" not in str(await explain(trace_id(1)))
    await line.flow(2)
    assert "secret" not in str(await explain(trace_id(1)))


# Losses


def test_the_oldest_losses_are_forgotten_first():
    losses = Losses(Metrics(100), lambda: 7, most=2)
    losses.dropped("trace", "internal_error", ["a", "b"])
    losses.refused("overloaded", ["a"])
    losses.dropped("record", "store_failed", ["c"])
    assert losses.of("b") is None
    assert (losses.of("a").reason, losses.of("c").reason) == ("overloaded", "store_failed")


# The API


def test_the_api_shows_an_explanation_in_camel_case():
    check = CheckExplanation("latency", "none", "trace_open", "the trace is still open")
    answer = Explanation(trace_id(10), TraceState.OPEN, "root", "waits", 1_500_000_000, (check,))
    asked = []

    async def explain(wanted):
        asked.append(wanted)
        return replace(answer, trace_id=wanted)

    response = TestClient(create_api(None, explain=explain)).get(f"/api/explain/{trace_id(10).upper()}")
    assert asked == [trace_id(10)]
    assert response.json() == {
        "traceId": trace_id(10),
        "state": "open",
        "reason": "root",
        "sentence": "waits",
        "since": "1970-01-01T00:00:01.500Z",
        "checks": [
            {"check": "latency", "outcome": "none", "reason": "trace_open", "sentence": "the trace is still open"}
        ],
    }


def test_the_api_refuses_what_is_no_trace_id():
    response = TestClient(create_api(None, explain=None)).get("/api/explain/xyz")
    assert response.status_code == 404

    async def explain(_):
        raise AssertionError

    assert TestClient(create_api(None, explain=explain)).get("/api/explain/xyz").status_code == 400
