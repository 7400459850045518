"""From a failing trace to a regression case, and from a thumbs-down to a verdict, on a real server."""

import contextlib
import json
from collections.abc import Iterator

import pytest
from expectations import Recording, recording
from otlp import a_logs_request
from otlp_senders import LOGS, TRACES, by_grpc, by_http
from pipeline_fakes import span_bytes, text, thumb_record, trace_id
from servers import Serving, eventually, run_sidecheck, serving, until

from exporters.store.feedback import MAX_PER_TRACE

LIBRARY = "openinference-instrumentation-openai-0.1.66"
FAILED = {"check": "user_feedback", "outcome": "failed"}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("feedback") / "data") as started:
        yield started


@pytest.fixture
def fresh_server(tmp_path) -> Iterator[Serving]:
    with serving(tmp_path / "data") as started:
        yield started


def trace_of(scenario: str) -> tuple[Recording, str]:
    found = recording(f"{LIBRARY}/{scenario}")
    (trace_id,) = found.trace_ids
    return found, trace_id


def thumbs_down(server: Serving, trace_id: str) -> dict:
    answer = server.post("/v1/feedback", {"trace_id": trace_id, "thumbs_up": False, "comment": "wrong plan"})
    assert answer.status_code == 202
    return answer.json()


def exported(server: Serving, *options: str) -> list[dict]:
    env = {"SIDECHECK_DATA_DIR": str(server.data_dir)}
    done = run_sidecheck("export", "--format", "jsonl", "--out", "-", *options, **env)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def case_of(server: Serving, trace_id: str, *options: str) -> dict | None:
    return next((c for c in exported(server, *options) if c["metadata"]["traceId"] == trace_id), None)


def test_a_thumbs_down_after_the_verdict_reopens_the_trace_and_makes_a_candidate(fresh_server):
    sent, trace_id = trace_of("qa")
    by_grpc(fresh_server, sent.spans, TRACES)
    assert fresh_server.judged(trace_id)["failing"] is False
    before = fresh_server.traces()

    assert thumbs_down(fresh_server, trace_id) == {"traceId": trace_id, "status": "accepted"}
    until("it is judged again", lambda: fresh_server.outcomes(trace_id)["user_feedback"] == "failed")

    shown = fresh_server.trace(trace_id)
    assert (shown["failing"], shown["case"]["status"]) == (True, "candidate")
    assert [f["comment"] for f in shown["feedback"]] == ["wrong plan"]
    assert [v["outcome"] for v in shown["history"][0]["verdicts"] if v["check"] == "user_feedback"] == [
        "not_applicable"
    ]
    assert fresh_server.metric("sidecheck_check_results_total", **FAILED) == 1
    assert fresh_server.traces() == before == {"accepted": 1, "evaluated": 1, "open": 0, "dropped": 0}


def test_feedback_before_its_trace_waits_for_it(server):
    sent, trace_id = trace_of("streaming")
    assert thumbs_down(server, trace_id) == {"traceId": None, "status": "waiting"}
    by_http(server, sent.spans, TRACES)
    assert eventually(lambda: server.outcomes(trace_id).get("user_feedback"), "failed") == "failed"


def test_feedback_that_goes_for_want_of_room_is_counted(server):
    sent, trace_id = trace_of("refusal")
    by_http(server, sent.spans, TRACES)
    server.judged(trace_id)
    for number in range(MAX_PER_TRACE + 2):
        body = {"trace_id": trace_id, "thumbs_up": True, "comment": str(number)}
        assert server.post("/v1/feedback", body).status_code == 202
    assert server.metric("sidecheck_dropped_total", what="feedback", reason="too_many") == 2


@pytest.mark.parametrize("named", [{"trace": 5}, {"response": "chatcmpl-5"}], ids=["a trace", "a response"])
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
def test_feedback_in_a_log_record_finds_the_trace_that_it_names_long_before_or_after_it(tmp_path, named, before):
    call = [text("gen_ai.operation.name", "chat"), text("gen_ai.response.id", "chatcmpl-5")]
    spans, said = span_bytes(5, 1, attributes=call), a_logs_request(thumb_record(**named)).SerializeToString()
    with serving(tmp_path / "data", SIDECHECK_ASSEMBLY__IDLE="500ms") as server:
        if not before:
            by_http(server, spans, TRACES)
            server.judged(trace_id(5))
        by_http(server, said, LOGS)
        if before:
            until("it waits", lambda: server.get("/api/status").json()["waitingFeedback"] == 1)
            by_http(server, spans, TRACES)
        until("it is judged", lambda: server.trace(trace_id(5)))
        assert eventually(lambda: server.outcomes(trace_id(5))["user_feedback"], "failed") == "failed"
        assert server.metric("sidecheck_dropped_total") == server.metric("sidecheck_spans_refused_total") == 0


def test_the_command_sends_feedback_to_a_running_sidecar(server):
    sent, trace_id = trace_of("session")
    by_http(server, sent.spans, TRACES)
    server.judged(trace_id)
    said = run_sidecheck("feedback", trace_id, "--thumbs", "up", "--url", f"http://{server.api}")
    assert (said.returncode, trace_id in said.stdout) == (0, True)
    assert eventually(lambda: server.outcomes(trace_id)["user_feedback"], "passed") == "passed"


def test_a_failing_trace_is_exported_as_a_candidate_and_once_promoted_as_a_case(server):
    sent, trace_id = trace_of("rag_uncited")
    by_grpc(server, sent.spans, TRACES)
    judged = server.judged(trace_id)
    assert case_of(server, trace_id) is None

    candidate = case_of(server, trace_id, "--include", "candidate")
    assert candidate["input"] == judged["view"]["input"]
    assert candidate["actualOutput"] == judged["view"]["output"]
    assert [d["id"] for d in candidate["context"]["documents"]] == [d["id"] for d in judged["view"]["documents"]]
    assert "citations" in candidate["metadata"]["failedChecks"]
    assert candidate["metadata"]["exampleType"] == "historical_failure"

    promoted = server.post(f"/api/traces/{trace_id}/promote", {"who": "Ann", "why": "real"})
    assert promoted.json()["status"] == "promoted"
    case = case_of(server, trace_id)
    assert (case["id"], case["metadata"]["reviewedBy"]) == (candidate["id"], "Ann")
    from_api = server.get("/api/datasets/export", format="jsonl").text
    assert case["id"] in {json.loads(line)["id"] for line in from_api.splitlines()}


def test_a_good_trace_is_promoted_by_a_person_as_a_typical_case(server):
    sent, trace_id = trace_of("rag_cited")
    by_grpc(server, sent.spans, TRACES)
    judged = server.judged(trace_id)
    assert (judged["failing"], judged["case"]) == (False, None)
    promoted = server.post(f"/api/traces/{trace_id}/promote", {"who": "Ann", "why": "a good one"}).json()
    assert (promoted["status"], promoted["metadata"]["exampleType"]) == ("promoted", "typical")
    assert promoted["expected"]["answer"] == judged["view"]["output"]
    assert "citations" in promoted["expected"]["checks"]
    assert case_of(server, trace_id)["metadata"]["failedChecks"] == []


def test_personal_data_is_not_in_the_case_that_it_makes(server):
    sent, trace_id = trace_of("pii")
    by_grpc(server, sent.spans, TRACES)
    judged = server.judged(trace_id)
    (pii,) = [v for v in judged["verdicts"] if v["check"] == "pii"]
    places = [e for f in pii["findings"] for e in f["evidence"]]
    values = {judged["view"]["output"][e["start"] : e["end"]] for e in places if e["path"] == "output"}
    assert values
    line = json.dumps(case_of(server, trace_id, "--include", "candidate"), ensure_ascii=False)
    assert not [value for value in values if value in line]


@pytest.mark.parametrize("by_the_page_alone", [False, True], ids=["the sidecar", "the page alone"])
def test_a_trace_of_whose_kind_there_were_enough_is_promoted_by_a_person_without_personal_data(
    tmp_path, by_the_page_alone
):
    sent, first = trace_of("pii")
    trace_id = "5" * 32
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "data", SIDECHECK_PROMOTION__PER_CLUSTER="1"))
        asked = stack.enter_context(serving(tmp_path / "data", "--only", "api")) if by_the_page_alone else server
        by_grpc(server, sent.spans, TRACES)
        server.judged(first)
        by_grpc(server, sent.spans.replace(bytes.fromhex(first), bytes.fromhex(trace_id)), TRACES)
        judged = server.judged(trace_id)
        assert (judged["failing"], judged["case"]) == (True, None)
        promoted = asked.post(f"/api/traces/{trace_id}/promote", {"who": "Ann", "why": "real"})
        assert (promoted.status_code, promoted.json()["status"]) == (200, "promoted")
        line = json.dumps(case_of(server, trace_id), ensure_ascii=False)
        assert asked.stop() == 0
    (pii,) = [v for v in judged["verdicts"] if v["check"] == "pii"]
    places = [e for f in pii["findings"] for e in f["evidence"] if e["path"] == "output"]
    assert places
    assert not [e for e in places if judged["view"]["output"][e["start"] : e["end"]] in line]


def test_what_people_said_is_in_no_metric_and_no_log(server):
    sent, trace_id = trace_of("tool_ok")
    by_grpc(server, sent.spans, TRACES)
    view = server.judged(trace_id)["view"]
    logged = "".join(path.read_text() for path in server.data_dir.parent.glob("*.log"))
    page = server.metrics_text()
    assert not [text for text in (view["input"], view["output"]) if text in logged or text in page]
