"""Two sidecars and a process for the page alone on one PostgreSQL: they start together and outlive its restart."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

import pytest
from externals import PostgresCluster, postgres_cluster
from otlp import a_proto_span, a_trace_request
from otlp_senders import by_grpc, by_http
from pipeline_fakes import text
from servers import CLIENT, Serving, eventually, serving, until

pytestmark = pytest.mark.timeout(300)
SETTLES = {"SIDECHECK_CHECKS": "{user_feedback: {}, latency: {max_trace: 1h}}"}
numbers = count(1)


@dataclass(frozen=True)
class Group:
    """Processes on one database."""

    cluster: PostgresCluster
    one: Serving
    other: Serving
    page: Serving


@pytest.fixture(scope="module")
def group(require, tmp_path_factory) -> Iterator[Group]:
    folder = tmp_path_factory.mktemp("group")
    with postgres_cluster(require("postgres")) as cluster, ExitStack() as stack:
        settings = {**SETTLES, "SIDECHECK_STORE__URL": cluster.url}
        makers = [
            serving(folder / "one", **settings),
            serving(folder / "other", **settings),
            serving(folder / "page", "--only", "api", **settings),
        ]
        with ThreadPoolExecutor(len(makers)) as pool:  # at once: one of them makes the tables
            yield Group(cluster, *pool.map(stack.enter_context, makers))


@pytest.fixture
def trace_id() -> str:
    """The id of a trace that no other test has."""
    return f"{next(numbers):032x}"


def spans(trace_id: str, *numbers: int, user: str = "ann", **parts) -> bytes:
    """A request with these spans of a trace; its first one is the root."""
    now = time.time_ns()
    made = [
        a_proto_span(
            trace_id=bytes.fromhex(trace_id),
            span_id=number.to_bytes(8),
            parent_span_id=b"" if number == 1 else (1).to_bytes(8),
            start_time_unix_nano=now - 1000,
            end_time_unix_nano=now,
            attributes=[text("user.id", user)],
            **parts,
        )
        for number in numbers
    ]
    return a_trace_request(*made).SerializeToString()


def thumb_down(server: Serving, trace_id: str) -> str:
    """Say it, and give what the server makes of it."""
    body = {"trace_id": trace_id, "thumbs_up": False, "user_id": "ann"}
    return server.post("/v1/feedback", body).raise_for_status().json()["status"]


def said(server: Serving, trace_id: str) -> str | None:
    return server.outcomes(trace_id).get("user_feedback")


def test_the_halves_of_a_trace_that_two_replicas_got_meet_in_one_verdict(group, trace_id):
    by_grpc(group.one, spans(trace_id, 2))
    by_http(group.other, spans(trace_id, 1, 3))
    assert eventually(lambda: (group.page.trace(trace_id) or {}).get("spanCount"), 3) == 3


@pytest.mark.parametrize("through", ["other", "page"])
def test_feedback_through_any_process_is_judged_wherever_the_trace_was_read(group, trace_id, through):
    by_http(group.one, spans(trace_id, 1))
    group.one.judged(trace_id)
    assert thumb_down(getattr(group, through), trace_id) == "accepted"
    assert eventually(lambda: said(group.page, trace_id), "failed") == "failed"


@pytest.mark.parametrize("through", ["other", "page"])
def test_feedback_before_its_trace_through_another_process_waits_for_it(group, trace_id, through):
    assert thumb_down(getattr(group, through), trace_id) == "waiting"
    by_http(group.one, spans(trace_id, 1))
    assert eventually(lambda: said(group.page, trace_id), "failed") == "failed"


def test_the_page_alone_reviews_explains_and_exports(group, trace_id):
    thumb_down(group.one, trace_id)
    by_http(group.one, spans(trace_id, 1))
    assert eventually(lambda: said(group.page, trace_id), "failed") == "failed"
    until("there is a case", lambda: group.page.trace(trace_id)["case"])
    case = group.page.post(f"/api/traces/{trace_id}/promote", {"who": "eve"}).raise_for_status().json()
    assert group.other.get(f"/api/cases/{case['id']}").json()["status"] == "promoted"
    assert trace_id in group.page.get("/api/datasets/export").text
    explained = group.page.get(f"/api/explain/{trace_id}").json()
    assert explained["state"] == "stored"
    assert {check["check"]: check["outcome"] for check in explained["checks"]}["user_feedback"] == "failed"


def test_what_is_forgotten_through_the_page_does_not_come_back_from_a_replicas_memory(group, trace_id):
    user = f"user of {trace_id}"
    by_http(group.one, spans(trace_id, 2, user=user))  # without its root it stays open for a second
    answer = group.page.post("/api/forget", {"userId": user}).raise_for_status().json()
    assert answer["erased"] is False
    dropped = group.one.metric("sidecheck_dropped_total", what="record", reason="forgotten")
    until("it is dropped", lambda: group.one.metric("sidecheck_dropped_total", reason="forgotten") > dropped)
    assert group.page.trace(trace_id) is None
    assert group.page.get(f"/api/explain/{trace_id}").json()["state"] == "forgotten"


def test_the_page_alone_takes_no_telemetry_and_says_how_it_is(group):
    assert (group.page.otlp_grpc, group.page.otlp_http) == (None, None)
    assert group.page.health() == {"status": "ok", "problems": []}
    assert 'sidecheck_cases{status="candidate"}' in group.page.metrics_text()
    assert not (group.page.data_dir / "journal.db").exists()
    assert group.page.process.poll() is None


def test_a_database_that_goes_away_and_comes_back_costs_nothing(group, trace_id):
    group.cluster.stop(signal.SIGQUIT)  # at once: every connection breaks
    later = f"{next(numbers):032x}"
    for server, sent in ((group.one, trace_id), (group.other, later)):
        by_http(server, spans(sent, 1))
    for server in (group.one, group.other, group.page):
        problems = until("it is degraded", lambda server=server: server.health()["problems"])
        assert all("connection" in problem or "shutting down" in problem for problem in problems)
        assert CLIENT.get(f"http://{server.metrics}/readyz").status_code == 200
    refused = group.page.post("/v1/feedback", {"trace_id": trace_id, "thumbs_up": False})
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    group.cluster.start()
    for sent in (trace_id, later):
        group.page.judged(sent)
    assert thumb_down(group.page, trace_id) == "accepted"
    assert eventually(lambda: said(group.page, trace_id), "failed") == "failed"
    for server in (group.one, group.other, group.page):
        assert eventually(server.health, {"status": "ok", "problems": []}) == {"status": "ok", "problems": []}


def test_no_trace_was_lost_on_any_replica(group):
    for server in (group.one, group.other):
        counts = until("all is judged", lambda server=server: (t := server.traces())["open"] == 0 and t)
        assert counts["accepted"] == counts["evaluated"] + counts["dropped"]
        assert counts["dropped"] == 0


def test_a_stop_of_the_page_alone_is_quick_and_clean(group):
    assert group.page.stop() == 0


def test_the_page_alone_works_beside_a_sidecar_on_one_sqlite_file(tmp_path, trace_id):
    data = tmp_path / "data"
    with serving(data, **SETTLES) as sidecar, serving(data, "--only", "api", **SETTLES) as page:
        by_http(sidecar, spans(trace_id, 1))
        page.judged(trace_id)
        assert thumb_down(page, trace_id) == "accepted"
        assert eventually(lambda: said(sidecar, trace_id), "failed") == "failed"
        page.post("/api/forget", {"traceId": trace_id}).raise_for_status()
        assert sidecar.trace(trace_id) is None
        assert sidecar.health()["problems"] == []
