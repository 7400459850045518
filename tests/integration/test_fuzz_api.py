"""The API by its own description: whatever is asked, it answers, and never with a fault of its own."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from faults.kit.scale import is_long, short_or_long
from faults.kit.sidecar import Sidecar
from faults.kit.targets import HttpTarget
from faults.kit.traffic import plain, trace_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from servers import until

EXAMPLES = short_or_long(15, 500)
SETTINGS = {"SIDECHECK_CHECKS__PII__ENABLED": "false", "SIDECHECK_PROMOTION__REDACT": "false"}
FAILING = {"SIDECHECK_CHECKS__LATENCY__MAX_TRACE": "1ms"}
"""So that there are cases, and something to promote and dismiss."""
CHOSEN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not is_long(),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory) -> Iterator[Sidecar]:
    """A sidecar that knows a few traces, feedback and cases."""
    with Sidecar(tmp_path_factory.mktemp("fuzz") / "data", **SETTINGS, **FAILING) as started:
        target = HttpTarget(started.addresses["otlp_http"])
        for number in range(4):
            for request in plain()(number):
                target.send(request.body)
        target.close()
        until("traces are judged", lambda: len(api(started, "/api/traces").json()["traces"]) == 4, 60)
        thumb = {"trace_id": trace_id(0).hex(), "thumbs_up": False}
        httpx.post(f"http://{started.addresses['api']}/v1/feedback", json=thumb, timeout=30).raise_for_status()
        assert api(started, "/api/cases").json()["cases"]
        yield started


def api(sidecar: Sidecar, path: str) -> httpx.Response:
    return sidecar.get(path, port="api")


def operations(sidecar: Sidecar) -> list[APIOperation]:
    """What the API says that it can be asked."""
    description = schemathesis.openapi.from_url(f"http://{sidecar.addresses['api']}/api/openapi.json")
    return [result.ok() for result in description.get_all_operations()]


def cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    """Requests that follow the description, and requests that do not, where it leaves anything to be done wrong."""
    takes_anything = any(operation.iter_parameters()) or operation.body
    modes = GenerationMode if takes_anything else [GenerationMode.POSITIVE]
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])


@pytest.mark.timeout(short_or_long(120, 1800))
def test_no_request_to_the_api_is_answered_with_a_server_error(sidecar):
    asked = operations(sidecar)
    assert len(asked) > 10
    for operation in asked:
        ask_all(operation)


def ask_all(operation: APIOperation) -> None:
    @CHOSEN
    @given(case=cases(operation))
    def ask(case: Case) -> None:
        response = case.call(timeout=10)
        assert response.status_code < 500, f"{operation.label}: {response.text}"

    ask()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
"""NaN and infinities too: Python's json writes them, and senders in Python send them."""
KEYS = (
    "trace_id",
    "span_id",
    "session_id",
    "response_id",
    "thumbs_up",
    "score",
    "rating",
    "comment",
    "user_id",
    "name",
)
FEEDBACK = st.dictionaries(st.sampled_from(KEYS), JSON_VALUES | st.just(trace_id(0).hex()), max_size=6)
PATHS = st.sampled_from(
    ("/api/traces", "/api/cases", "/api/clusters", "/api/datasets/export", "/api/explain", "/", "/v1/feedback")
)
PORTS = st.sampled_from(("api", "otlp_http", "metrics"))


@CHOSEN
@given(port=st.sampled_from(("api", "otlp_http")), body=FEEDBACK | JSON_VALUES)
def test_no_feedback_is_answered_with_a_server_error(sidecar, port, body):
    url, headers = f"http://{sidecar.addresses[port]}/v1/feedback", {"content-type": "application/json"}
    response = httpx.post(url, content=dumped(body), headers=headers, timeout=10)
    assert response.status_code < 500, response.text


def dumped(body: object) -> bytes:
    return json.dumps(body).encode("utf-8", "surrogatepass")


@CHOSEN
@given(
    port=PORTS,
    method=st.sampled_from(("GET", "POST", "PUT", "DELETE", "PATCH", "BREW")),
    path=PATHS,
    tail=st.binary(max_size=40),
    body=st.binary(max_size=200),
)
def test_no_path_on_any_port_is_answered_with_a_server_error(sidecar, port, method, path, tail, body):
    # httpx would refuse most of these itself.
    connection = HTTPConnection(sidecar.addresses[port], timeout=10)
    connection.request(method, path + quoted(tail), body)
    status = connection.getresponse().status
    connection.close()
    assert status < 500


def quoted(tail: bytes) -> str:
    """Any bytes as they may stand in a request line."""
    return quote(tail, safe="/?&=%#:;[]")
