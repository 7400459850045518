"""A real sidecar holds a service to its budget of a day: on /metrics, on the overview, and by a webhook; also anew."""

import json
import time

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from otlp import a_proto_span, a_trace_request
from otlp_backends import http_backend
from otlp_senders import by_http
from servers import CLIENT, Serving, serving, until

PRICES = {"dear": {"input": 1_000_000, "output": 0}}
"""A dollar a token."""
DAY_NS = 86_400 * 10**9


def spend(server: Serving, number: int, tokens: int, model: str = "dear") -> str:
    """Send a trace with one model call, and wait until it is stored; give its id."""
    values = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model}
    attributes = [KeyValue(key=key, value={"string_value": value}) for key, value in values.items()]
    attributes.append(KeyValue(key="gen_ai.usage.input_tokens", value={"int_value": tokens}))
    trace_id, now = number.to_bytes(16, "big"), time.time_ns()
    span = a_proto_span(trace_id=trace_id, start_time_unix_nano=now, end_time_unix_nano=now + 1, attributes=attributes)
    by_http(server, a_trace_request(span).SerializeToString())
    server.judged(trace_id.hex())
    return trace_id.hex()


def spent(server: Serving) -> float:
    return server.metric("sidecheck_budget_spent_dollars", service="shop")


def test_a_day_of_a_service_is_held_to_its_budget_and_a_restart_forgets_nothing(tmp_path):
    with http_backend() as backend:
        hook = {"url": f"{backend.address}/hook", "events": ["budget"]}
        settings = {
            "SIDECHECK_PRICES": json.dumps(PRICES),
            "SIDECHECK_BUDGETS": json.dumps({"sh*": {"per_day": 10}}),
            "SIDECHECK_NOTIFY": json.dumps([hook]),
        }
        with serving(tmp_path / "data", **settings) as server:
            priced, unpriced = spend(server, 1, 9), spend(server, 2, 1000, model="no-such-model")
            assert server.trace(priced)["view"]["cost"]["calls"][0]["dollars"] == 9
            assert [(server.trace(one)["cost"], server.trace(one)["unpricedCalls"]) for one in (priced, unpriced)] == [
                (9, 0),
                (None, 1),
            ]
            until("it is on /metrics", lambda: spent(server) == 9)
            assert server.metric("sidecheck_budget_dollars", service="shop") == 10
            overview = CLIENT.get(f"http://{server.api}/", headers={"Accept": "text/html"}).text
            assert "$9.00" in overview
            assert "90 %" in overview
            first = json.loads(backend.next().body)
            assert first["text"] == "shop: this day's model calls cost $9.00, 90% of the budget of $10.00"
        with serving(tmp_path / "data", **settings) as server:
            until("what was spent is known again", lambda: spent(server) == 9)
            spend(server, 3, 3)
            until("it grows", lambda: spent(server) == 12)
            second = json.loads(backend.next().body)
        assert "120% of the budget" in second["text"]
        assert len(backend.got) == 2
