"""A real sidecar tells a real webhook of what goes wrong."""

import base64
import hmac
import json

from otlp import a_proto_span, a_trace_request
from otlp_backends import http_backend
from otlp_senders import by_http
from servers import serving, until

S = 1_000_000_000


def test_a_webhook_is_told_of_a_new_kind_of_failure_and_of_a_rate_that_fell(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + base64.b64encode(b"k" * 32).decode())
    with http_backend() as backend:
        hook = {
            "url": f"{backend.address}/hook",
            "name": "chat",
            "secret_file": str(secret),
            "events": ["new_cluster", "threshold"],
            "thresholds": [{"check": "latency", "below": 0.9, "at_least": 3}],
        }
        checks = json.dumps({"latency": {"max_trace": "1s"}})
        settings = {"SIDECHECK_NOTIFY": json.dumps([hook]), "SIDECHECK_CHECKS": checks}
        with serving(tmp_path / "data", **settings) as server:
            for number in range(1, 4):
                span = a_proto_span(
                    trace_id=number.to_bytes(16, "big"), start_time_unix_nano=S, end_time_unix_nano=3 * S
                )
                by_http(server, a_trace_request(span).SerializeToString())
            told = [backend.next(), backend.next()]
            events = {json.loads(got.body)["event"]: json.loads(got.body) for got in told}
            assert set(events) == {"new_cluster", "threshold"}
            assert events["threshold"]["text"].startswith("shop: latency passed 0% of 3 traces")
            for got in told:
                content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
                expected = base64.b64encode(hmac.digest(b"k" * 32, content, "sha256")).decode()
                assert got.headers["webhook-signature"] == f"v1,{expected}"
            until("both are counted", lambda: server.metric("sidecheck_notifications_sent_total", hook="chat") == 2)
