"""Verdicts as telemetry, by the real exporters: to any OTLP backend, and never back into a verdict."""

import json

import pytest
from certificates import Authority
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp import a_proto_span, a_trace_request
from otlp_backends import grpc_backend, http_backend
from otlp_senders import by_http
from servers import CLIENT, serving, until

TRACE = f"{1:032x}"
BOTH = pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])


def a_request(number: int = 1) -> bytes:
    return a_trace_request(a_proto_span(trace_id=number.to_bytes(16, "big"))).SerializeToString()


def to(address, **more) -> str:
    return json.dumps({"endpoint": address, **more})


def events(got) -> list:
    """The event's attributes, trace id and span id, by check."""
    request = ExportLogsServiceRequest.FromString(got.body)
    return [
        (record, {a.key: a.value for a in record.attributes})
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@BOTH
def test_a_backend_is_told_of_each_verdict_at_its_span_and_again_after_feedback(tmp_path, protocol, serve):
    with serve() as backend:
        settings = {"SIDECHECK_RESULTS__OTLP": to(backend.address, protocol=protocol, headers={"X-Tenant": "shop"})}
        with serving(tmp_path / "data", **settings) as server:
            by_http(server, a_request())
            got = backend.next()
            assert (got.signal, got.headers["x-tenant"]) == ("logs", "shop")
            told = events(got)
            names = {attributes["gen_ai.evaluation.name"].string_value for _, attributes in told}
            judged = {check for check, outcome in server.outcomes(TRACE).items() if outcome in ("passed", "failed")}
            assert names == judged
            assert names
            for record, attributes in told:
                assert record.event_name == "gen_ai.evaluation.result"
                assert (record.trace_id.hex(), record.span_id.hex()) == (TRACE, "00f067aa0ba902b7")
                assert attributes["gen_ai.evaluation.score.label"].string_value == "passed"
            feedback = {"trace_id": TRACE, "thumbs_up": False, "comment": "words of a user"}
            assert CLIENT.post(f"http://{server.api}/v1/feedback", json=feedback).is_success
            again = backend.next()
            labels = {
                a["gen_ai.evaluation.name"].string_value: a["gen_ai.evaluation.score.label"].string_value
                for _, a in events(again)
            }
            assert labels["user_feedback"] == "failed"
            assert b"words of a user" not in again.body


@BOTH
def test_tls_with_an_authority_of_ones_own(tmp_path, protocol, serve):
    authority = Authority(tmp_path)
    with serve(tls=authority.issue("127.0.0.1")) as backend:
        target = to(backend.address, protocol=protocol, tls={"ca": str(authority.cert)})
        with serving(tmp_path / "data", SIDECHECK_RESULTS__OTLP=target) as server:
            by_http(server, a_request())
            assert events(backend.next())


def test_a_backend_that_hangs_or_is_away_holds_no_verdict_up(tmp_path):
    with http_backend() as backend:
        pass
    with serving(tmp_path / "data", SIDECHECK_RESULTS__OTLP=to(backend.address, timeout="300ms")) as server:
        for number in range(1, 21):
            by_http(server, a_request(number))
        until("all is judged", lambda: server.traces()["evaluated"] == 20)
        until("drops are counted", lambda: server.metric("sidecheck_dropped_total", what="result", reason="not_taken"))
        assert server.health()["problems"] == []


def test_results_that_come_to_a_sidecar_are_neither_feedback_nor_a_reason_to_judge_again(tmp_path):
    with serving(tmp_path / "second") as second:
        settings = {
            "SIDECHECK_RESULTS__OTLP": to(f"http://{second.otlp_http}"),
            "SIDECHECK_CHECKS": json.dumps({"thumbs_rating": {"use": "checks.builtin.latency:Latency"}}),
        }
        with serving(tmp_path / "first", **settings) as first:
            by_http(second, a_request())
            second.judged(TRACE)
            by_http(first, a_request())
            first.judged(TRACE)
            refused = lambda: second.metric("sidecheck_spans_refused_total", reason="own_result")  # noqa: E731
            until("the results have come", refused)
            assert second.metric("sidecheck_feedback_accepted_total") == 0
            assert second.metric("sidecheck_logs_accepted_total") == 0
            assert second.trace(TRACE)["feedback"] == []
            assert second.traces()["open"] == 0
