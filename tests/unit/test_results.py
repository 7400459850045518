"""What a tracing backend is told of verdicts: at which span, in which words, and how much of it waits."""

import threading

import pytest
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from otlp_backends import grpc_backend, http_backend
from store_builders import NOW, a_record, a_verdict, trace_id

from checks.finding import Evidence, Finding
from checks.report import Outcome
from collector.intake import Refusal
from collector.receivers.records import OWN_SCOPES
from exporters.otlp import results as module
from exporters.otlp.destination import Target
from exporters.otlp.results import Results
from exporters.packed import pack
from exporters.results import LONGEST_EXPLANATION, Result, results_of

ROOT, CALL, OTHER = "00000000000000aa", "00000000000000bb", "00000000000000cc"
PASSED = a_verdict("latency", Outcome.PASSED)


def results(*verdicts, **parts):
    known = {"root_id": ROOT, "responses": ((CALL, "resp-1"), (OTHER, "resp-2"))}
    return results_of(a_record(verdicts=verdicts, **{**known, **parts}))


def failed(*places, **parts):
    return a_verdict(findings=(Finding("missing", "nothing is cited", evidence=places),), **parts)


def test_a_verdict_is_told_of_at_the_span_that_its_evidence_is_in():
    (told,) = results(failed(Evidence(None, "output"), Evidence(CALL, "output", 0, 4)))
    assert told == Result("citations", "1", CALL, "failed", 0.0, "missing: nothing is cited", "resp-1")


def test_a_verdict_without_a_place_is_told_of_at_the_root_with_the_last_answer():
    (told,) = results(PASSED)
    assert told == Result("latency", "1", ROOT, "passed", 1.0, None, "resp-2")
    assert results(PASSED, root_id=None, responses=()) == (Result("latency", "1", None, "passed", 1.0),)


def test_a_score_of_the_checks_own_goes_before():
    (told,) = results(a_verdict("judge", Outcome.PASSED, score=0.75))
    assert (told.score, told.label) == (0.75, "passed")


@pytest.mark.parametrize(
    ("outcome", "error", "said"),
    [
        (Outcome.ERRORED, "ValueError at checks/own.py:7", "ValueError"),
        (Outcome.ERRORED, "InvalidFindingError: a code that is not declared", "InvalidFindingError"),
        (Outcome.ERRORED, None, "_OTHER"),
        (Outcome.TIMED_OUT, "not done after 5 s, at checks/own.py:7", "timeout"),
    ],
)
def test_a_check_that_broke_has_an_error_and_neither_score_nor_label(outcome, error, said):
    (told,) = results(a_verdict("own", outcome, error=error))
    assert (told.error, told.score, told.label, told.explanation) == (said, None, None, None)


def test_what_had_nothing_to_judge_is_not_told_of():
    assert results(a_verdict("a", Outcome.NOT_APPLICABLE), a_verdict("b", Outcome.NOT_SAMPLED)) == ()


def test_an_explanation_is_bounded():
    findings = tuple(Finding("missing", "m" * 300) for _ in range(50))
    (told,) = results(a_verdict(findings=findings[:7]))
    assert told.explanation.count("missing: ") <= 5
    (few,) = results(a_verdict(findings=tuple(Finding(f"c{n}", "m") for n in range(7))))
    assert few.explanation == "c0: m; c1: m; c2: m; c3: m; c4: m; 2 more"
    (many,) = results(a_verdict(findings=findings))
    assert len(many.explanation) == LONGEST_EXPLANATION


def test_results_are_made_only_where_they_are_wanted():
    record = a_record(verdicts=(PASSED,), root_id=ROOT)
    assert pack(record).results == ()
    assert [result.check for result in pack(record, with_results=True).results] == ["latency"]


class KeptExporter(LogRecordExporter):
    """Keeps what it is sent, once it is let go."""

    def __init__(self):
        self.free = threading.Event()
        self.free.set()
        self.answer = LogRecordExportResult.SUCCESS
        self.records = []
        self.asked = threading.Event()

    def export(self, batch):
        self.asked.set()
        self.free.wait(10)
        if self.answer is None:
            raise RuntimeError("what a user said")
        self.records += [getattr(readable, "log_record", readable) for readable in batch]
        return self.answer

    def force_flush(self, timeout_millis=10_000):  # noqa: ARG002 - the SDK's
        return True

    def shutdown(self):
        pass


@pytest.fixture
def exporter():
    return KeptExporter()


@pytest.fixture
def dropped():
    return {}


@pytest.fixture
def telling(exporter, dropped):
    def count(reason, number):
        dropped[reason] = dropped.get(reason, 0) + number

    return Results(Target("tempo", "http://localhost:1"), count, exporter)


def packed(number=1, *verdicts, **parts):
    return pack(a_record(number, verdicts=verdicts or (PASSED,), root_id=ROOT, **parts), with_results=True)


def test_an_event_bears_the_names_of_the_conventions_and_the_ids_of_its_span(telling, exporter, dropped):
    telling.tell([packed(5, failed(Evidence(CALL, "output", 0, 4)), responses=((CALL, "resp-1"),))])
    telling.close()
    (event,) = exporter.records
    assert (event.event_name, event.timestamp) == ("gen_ai.evaluation.result", NOW)
    assert (f"{event.trace_id:032x}", f"{event.span_id:016x}") == (trace_id(5), CALL)
    assert dict(event.attributes) == {
        "gen_ai.evaluation.name": "citations",
        "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.evaluation.score.label": "failed",
        "gen_ai.evaluation.explanation": "missing: nothing is cited",
        "gen_ai.response.id": "resp-1",
        "sidecheck.check.version": "1",
        "sidecheck.service": "shop",
        "sidecheck.is_reevaluation": False,
    }
    assert dropped == {}


def test_an_event_about_a_trace_without_a_root_still_names_the_trace(telling, exporter):
    telling.tell([pack(a_record(5, verdicts=(PASSED,)), with_results=True)])
    telling.close()
    (event,) = exporter.records
    assert (f"{event.trace_id:032x}", event.span_id) == (trace_id(5), 0)


def test_a_verdict_that_replaces_one_says_so(telling, exporter):
    telling.tell([packed(1, previous=(PASSED,))])
    telling.close()
    assert exporter.records[0].attributes["sidecheck.is_reevaluation"] is True


@pytest.mark.parametrize("answer", [LogRecordExportResult.FAILURE, None])
def test_what_the_backend_does_not_take_is_counted_and_the_next_goes_on(telling, exporter, dropped, answer):
    exporter.answer = answer
    telling.tell([packed(1)])
    telling._provider.force_flush()
    assert (dropped, telling.waiting) == ({"not_taken": 1}, 0)
    exporter.answer = LogRecordExportResult.SUCCESS
    telling.tell([packed(2)])
    telling.close()
    assert exporter.records[-1].trace_id == 2


@pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])
def test_headers_of_a_file_are_read_again_when_it_changes_and_stay_when_it_breaks(tmp_path, protocol, serve):
    path = tmp_path / "headers"
    with serve() as backend:
        path.write_text("authorization: Bearer one\n")
        fixed = {"x-tenant": "shop"}
        results = Results(Target("tempo", backend.address, protocol, fixed, path), lambda _reason, _count: None)
        for number, text in enumerate(("authorization: Bearer one\n", "authorization: Bearer second\n", "none", None)):
            path.unlink() if text is None else path.write_text(text)
            results.tell([packed(number + 1)])
            results._provider.force_flush()
        results.close()
    assert [got.headers["authorization"].removeprefix("Bearer ") for got in backend.got] == ["one", *3 * ["second"]]
    assert {got.headers["x-tenant"] for got in backend.got} == {"shop"}


@pytest.mark.parametrize("text", ["none", None])
def test_a_file_of_headers_that_cannot_be_used_stops_the_start(tmp_path, text):
    path = tmp_path / "headers"
    if text is not None:
        path.write_text(text)
    with pytest.raises((OSError, ValueError)):
        Results(Target("tempo", "http://localhost:1", headers_file=path), lambda _reason, _count: None)


def test_what_finds_no_room_is_counted_and_nobody_waits(telling, exporter, dropped, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    exporter.free.clear()
    telling.tell([packed(number) for number in range(1, 6)])
    assert (dropped, telling.waiting) == ({"queue_full": 2}, 3)
    exporter.free.set()
    telling.close()
    assert [record.trace_id for record in exporter.records] == [1, 2, 3]


def test_an_end_does_not_wait_for_a_backend_that_hangs(telling, exporter, dropped, monkeypatch):
    monkeypatch.setattr(module, "END_WITHIN_S", 0.05)
    exporter.free.clear()
    telling.tell([packed(1)])
    telling.close()
    assert dropped == {"shutdown": 1}
    exporter.free.set()


def test_what_is_under_way_when_the_rest_is_given_up_is_counted_once(telling, exporter, dropped):
    exporter.free.clear()
    exporter.answer = LogRecordExportResult.FAILURE
    counting = telling._counting
    counting.admit(5, 5)
    sending = threading.Thread(target=counting.export, args=(["a batch of two", "events"],))
    sending.start()
    exporter.asked.wait(10)
    counting.give_up()
    assert dropped == {"shutdown": 5}
    exporter.free.set()
    sending.join(10)
    assert counting.export(["the rest"]) is LogRecordExportResult.FAILURE
    assert dropped == {"shutdown": 5}


def test_receivers_know_the_scope_that_results_are_sent_under():
    assert OWN_SCOPES[module.SCOPE] is Refusal.OWN_RESULT
