"""The JSON API on a real store.

Long, since the routes share one store that is filled once for each test; those of the dataset have a file of their own.
"""

import json
import sys
from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import pytest
from fastapi.testclient import TestClient
from store_builders import ViewedRecord, packed, said_in

from checks.finding import Evidence, Finding, Severity
from checks.report import Outcome, Verdict
from checks.trace import CloseReason, Feedback
from exporters.dataset.case import Case, CaseStatus, Context, Expectation, Source
from exporters.dataset.formats.jsonl import read_line
from exporters.dataset.likeness import likeness
from exporters.dataset.promote import case_id
from exporters.dataset.redact import RedactionFailed
from exporters.record import CallFacts
from exporters.review.guard import MAX_BODY
from exporters.review.routes import create_api
from exporters.store import CaseLimits, Store

FAILING = "4bf92f3577b34da6a3ce929d0e0e4736"
PASSING = "0af7651916cd43dd8448eb211c80319c"
UNKNOWN = "f" * 32
SECOND = 1_000_000_000
NOW = 1_763_900_000 * SECOND
HOSTILE = "<script>alert(1)</script>\x00\x1b[31m\u202egnp.exe{{7*7}}"

FINDING = Finding("missing", "the answer cites nothing", evidence=(Evidence("aa", "output", 0, 3),))
CITES_NOTHING = Verdict("citations", "1", Outcome.FAILED, findings=(FINDING,), duration_ns=1_500_000)


def a_case(trace_id=FAILING, **parts):
    defaults = {
        "input": "How long?",
        "context": Context(documents=({"id": "kb-7", "content": "30 days"},)),
        "observed_output": "60 days",
        "expectation": Expectation(relevant_documents=("kb-7",), checks={"citations": {"version": "1"}}),
    }
    source = Source(trace_id, "shop", "gpt-4o", ("citations",))
    return Case(**{"id": case_id(trace_id), "fingerprint": "f00d", "source": source, **defaults, **parts})


def a_record(trace_id=FAILING, *verdicts, **parts):
    defaults = {
        "service": "shop",
        "convention": "genai",
        "closed_by": CloseReason.ROOT_SEEN,
        "start_ns": NOW - 60 * SECOND,
        "end_ns": NOW - 58 * SECOND,
        "duration_ns": 2 * SECOND,
        "span_count": 3,
        "truncated": False,
        "verdicts": verdicts or (CITES_NOTHING,),
        "evaluated_ns": NOW,
    }
    if "case" in parts:
        defaults["likeness"] = likeness(parts["case"], defaults["verdicts"])
    view = parts.setdefault("view", {"input": "How long?", "output": "60 days", "model": "gpt-4o"})
    return ViewedRecord(trace_id=trace_id, **{**defaults, **said_in(view), **parts})


def saved(store, *records):
    store.save([packed(record) for record in records], CaseStatus.CANDIDATE, CaseLimits(), NOW)


@pytest.fixture
def store(prepared_folder):
    with Store.open(data_dir=prepared_folder) as opened:
        passed = a_record(
            PASSING, Verdict("citations", "1", Outcome.PASSED), start_ns=NOW - 3600 * SECOND, service="bot"
        )
        saved(opened, a_record(case=a_case()), passed)
        yield opened


@pytest.fixture
def client(store):
    return TestClient(create_api(store, trace_url="https://jaeger/trace/{trace_id}", now=lambda: NOW))


def ids(response):
    assert response.status_code == 200, response.text
    return [item["traceId"] for item in response.json()["traces"]]


def assert_refused(response, status, code):
    assert response.status_code == status, response.text
    error = response.json()
    assert list(error) == ["error"]
    assert error["error"]["code"] == code
    assert error["error"]["message"]


def test_traces_are_listed_newest_first(client):
    assert ids(client.get("/api/traces")) == [FAILING, PASSING]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("service=bot", [PASSING]),
        ("check=citations&outcome=failed", [FAILING]),
        ("outcome=passed", [PASSING]),
        ("code=missing", [FAILING]),
        ("failing=true", [FAILING]),
        ("since=30m", [FAILING]),
        ("until=30m", [PASSING]),
        ("since=2025-11-23T12:00:00Z", [FAILING]),
        ("until=2025-11-23T13:00:00%2B01:00", [PASSING]),
        ("since=2025-11-23", [FAILING, PASSING]),
        ("since=0001-01-01T00:00:00%2B14:00&until=9999-12-31", [FAILING, PASSING]),
        ("session=none", []),
        ("service=%00", []),
    ],
)
def test_traces_are_filtered(client, query, expected):
    assert ids(client.get(f"/api/traces?{query}")) == expected


def test_traces_come_in_pages(client):
    first = client.get("/api/traces?limit=1")
    second = client.get("/api/traces", params={"limit": 1, "cursor": first.json()["nextCursor"]})
    assert [*ids(first), *ids(second)] == [FAILING, PASSING]
    assert second.json()["nextCursor"] is None


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "outcome=bad", "since=yesterday", "since=2025-99-99", "cursor=x", "failing=2",
     "since=-5m", "until=99999999d", "min_cost=-1", "min_cost=nan", "min_cost=much", "service=" + "x" * 300],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_refused_and_named(client, query):
    response = client.get(f"/api/traces?{query}")
    assert_refused(response, 400, "invalid_request")
    assert response.json()["error"]["message"].startswith(query.partition("=")[0])


def test_what_traces_cost_is_shown_and_asked_for_and_no_price_is_not_nothing(client, store):
    priced, unpriced = CallFacts(model="gpt-4o", cost=0.25), CallFacts(model="mine", is_unpriced=True)
    saved(store, a_record(calls=(priced, unpriced)), a_record(PASSING, calls=(unpriced,)))
    shown = [client.get(f"/api/traces/{trace}").json() for trace in (FAILING, PASSING)]
    assert [(each["cost"], each["unpricedCalls"]) for each in shown] == [(0.25, 1), (None, 1)]
    assert client.get("/api/traces").json()["traces"][0]["cost"] == 0.25
    assert ids(client.get("/api/traces?min_cost=0.25")) == [FAILING]
    assert ids(client.get("/api/traces?min_cost=0.26")) == []


def test_a_trace_shows_its_view_verdicts_evidence_feedback_and_case(client, store):
    saved(store, a_record(case=a_case(), feedback=(Feedback(score=0.0, thumbs_up=False, comment="no"),)))
    shown = client.get(f"/api/traces/{FAILING}").json()
    assert shown["view"]["output"] == "60 days"
    assert shown["traceUrl"] == f"https://jaeger/trace/{FAILING}"
    assert (shown["startTime"], shown["durationMs"]) == ("2025-11-23T12:12:20.000Z", 2000.0)
    assert shown["case"] == {"id": case_id(FAILING), "status": "candidate"}
    assert shown["feedback"][0]["thumbsUp"] is False
    assert shown["verdicts"][0]["findings"] == [
        {
            "code": "missing",
            "severity": "error",
            "message": "the answer cites nothing",
            "evidence": [{"spanId": "aa", "path": "output", "start": 0, "end": 3}],
        }
    ]


def test_replaced_verdicts_are_shown_as_history(client, store):
    saved(store, a_record(FAILING, Verdict("citations", "1", Outcome.PASSED), evaluated_ns=NOW + 1))
    history = client.get(f"/api/traces/{FAILING}").json()["history"]
    assert [v["outcome"] for v in history[0]["verdicts"]] == ["failed"]


def test_a_trace_id_in_upper_case_is_the_same_trace(client):
    assert client.get(f"/api/traces/{FAILING.upper()}").json()["traceId"] == FAILING


def test_the_verdicts_at_a_glance_leave_out_what_did_not_apply(client, store):
    echo = Finding("EMAIL_ADDRESS", "echoed", Severity.WARNING)
    verdicts = (
        Verdict("valid_json", "1", Outcome.NOT_APPLICABLE),
        CITES_NOTHING,
        Verdict("pii", "1", Outcome.PASSED),
        Verdict("user_feedback", "1", Outcome.PASSED),
        Verdict("latency", "1", Outcome.FAILED),
    )
    saved(store, a_record(FAILING, *verdicts), a_record(UNKNOWN, Verdict("pii", "1", Outcome.PASSED, findings=(echo,))))
    assert client.get(f"/api/traces/{FAILING}/online-eval").json() == {
        "traceId": FAILING,
        "checks": {"citedSource": False, "containsPII": False, "userThumbsUp": True},
    }
    assert client.get(f"/api/traces/{UNKNOWN}/online-eval").json()["checks"] == {"containsPII": True}


@pytest.mark.parametrize("path", ["", "/online-eval"])
def test_an_unknown_trace_is_not_found(client, path):
    assert_refused(client.get(f"/api/traces/{UNKNOWN}{path}"), 404, "not_found")


@pytest.mark.parametrize("trace_id", ["xyz", FAILING[:-1], FAILING + "0", "g" * 32, "%00", FAILING + "%0A"])
def test_what_is_no_trace_id_is_refused(client, trace_id):
    assert_refused(client.get(f"/api/traces/{trace_id}"), 400, "invalid_request")


def test_a_candidate_is_promoted_with_who_and_why(client, store):
    response = client.post(f"/api/traces/{FAILING}/promote", json={"who": "Ann", "why": "real"})
    shown = response.json()
    assert (shown["status"], shown["metadata"]["reviewedBy"], shown["history"][0]["why"]) == ("promoted", "Ann", "real")
    assert store.case_of_trace(FAILING).status is CaseStatus.PROMOTED


def test_a_candidate_is_promoted_without_a_body(client):
    assert client.post(f"/api/traces/{FAILING}/promote").json()["status"] == "promoted"


def test_a_candidate_is_dismissed(client):
    assert client.post(f"/api/traces/{FAILING}/dismiss").json()["status"] == "dismissed"


def test_a_decision_on_an_older_revision_is_a_conflict(client):
    client.post(f"/api/traces/{FAILING}/dismiss")
    assert_refused(client.post(f"/api/traces/{FAILING}/promote", json={"revision": 0}), 409, "conflict")


@pytest.mark.parametrize("action", ["promote", "dismiss"])
def test_a_decision_on_an_unknown_trace_is_not_found(client, action):
    assert_refused(client.post(f"/api/traces/{UNKNOWN}/{action}"), 404, "not_found")


@pytest.mark.parametrize("action", ["promote", "dismiss"])
def test_a_trace_that_makes_no_case_cannot_be_decided_on(client, action):
    assert_refused(client.post(f"/api/traces/{PASSING}/{action}"), 409, "no_case")


def test_a_trace_without_a_case_gets_one_when_it_is_promoted(store):
    client = TestClient(create_api(store, draft_case=a_case, now=lambda: NOW))
    assert client.post(f"/api/traces/{PASSING}/promote").json()["metadata"]["traceId"] == PASSING
    assert store.case_of_trace(PASSING).status is CaseStatus.PROMOTED


def test_a_case_that_cannot_be_redacted_is_not_promoted(store):
    def refuse(_trace_id):
        raise RedactionFailed("after 5 rounds the case still holds US_SSN")

    client = TestClient(create_api(store, draft_case=refuse, now=lambda: NOW))
    assert_refused(client.post(f"/api/traces/{PASSING}/promote"), 409, "redaction_failed")


@pytest.mark.parametrize(
    "query", ["", "?status=candidate&status=promoted", "?kind=historical_failure", "?check=citations"]
)
def test_cases_are_listed(client, query):
    assert [c["id"] for c in client.get(f"/api/cases{query}").json()["cases"]] == [case_id(FAILING)]


@pytest.mark.parametrize("query", ["?status=promoted", "?kind=edge", "?check=pii", "?service=bot", "?since=2030-01-01"])
def test_cases_are_filtered(client, query):
    assert client.get(f"/api/cases{query}").json()["cases"] == []


@pytest.mark.parametrize("query", ["", "?order=newest&since=1h", "?service=shop&limit=1"])
def test_clusters_are_listed_with_what_failed_and_where_to_look(client, query):
    shown = client.get(f"/api/clusters{query}").json()
    assert shown == {
        "clusters": [
            {
                "fingerprint": "f00d",
                "service": "shop",
                "failures": {"citations": ["missing"]},
                "traces": 1,
                "firstAt": "2025-11-23T12:13:20.000Z",
                "lastAt": "2025-11-23T12:13:20.000Z",
                "input": "How long?",
                "traceId": FAILING,
                "caseId": case_id(FAILING),
                "cases": 1,
            }
        ],
        "nextCursor": None,
    }


@pytest.mark.parametrize("query", ["?service=bot", "?since=2030-01-01"])
def test_clusters_are_filtered(client, query):
    assert client.get(f"/api/clusters{query}").json()["clusters"] == []


@pytest.mark.parametrize("query", ["?order=smallest", "?since=yesterday", "?cursor=x", "?limit=0"])
def test_a_query_for_clusters_that_is_none_is_refused(client, query):
    assert_refused(client.get(f"/api/clusters{query}"), 400, "invalid_request")


def test_a_case_is_shown_in_its_public_shape_with_where_it_stands(client):
    shown = client.get(f"/api/cases/{case_id(FAILING)}").json()
    assert read_line(json.dumps(shown)) == a_case()
    assert (shown["status"], shown["revision"], shown["clusterSize"]) == ("candidate", 0, 1)


def test_an_edit_replaces_the_parts_it_names(client):
    changes = {
        "expected": {"mustMention": ["30 days"]},
        "metadata": {"tags": ["a"], "exampleType": "edge"},
        "revision": 0,
    }
    shown = client.patch(f"/api/cases/{case_id(FAILING)}", json={**changes, "who": "Ann", "why": "clearer"}).json()
    assert shown["expected"]["mustMention"] == ["30 days"]
    assert shown["expected"]["relevantDocuments"] == ["kb-7"]
    assert (shown["metadata"]["tags"], shown["metadata"]["exampleType"], shown["revision"]) == (["a"], "edge", 1)
    assert shown["history"][0]["oldCase"]["expected"]["mustMention"] == []


def test_an_edit_of_an_older_revision_is_a_conflict_and_changes_nothing(client):
    path = f"/api/cases/{case_id(FAILING)}"
    assert client.patch(path, json={"input": "first", "revision": 0}).status_code == 200
    assert_refused(client.patch(path, json={"input": "second", "revision": 0}), 409, "conflict")
    assert client.get(path).json()["input"] == "first"


def test_a_whole_case_can_be_sent_back_with_one_part_changed(client):
    path = f"/api/cases/{case_id(FAILING)}"
    changed = client.patch(path, json={**client.get(path).json(), "input": "new", "status": "promoted", "who": "Ann"})
    assert (changed.json()["input"], changed.json()["status"]) == ("new", "promoted")
    assert changed.json()["metadata"]["reviewedBy"] == "Ann"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "other"},
        {"surprise": 1},
        {"metadata": {"traceId": UNKNOWN}},
        {"metadata": {"exampleType": "odd"}},
        {"expected": {"mustMention": "text"}},
        {"expected": {"surprise": 1}},
        {"expected": {"jsonSchema": {"type": "nothing"}}},
        {"expected": {"jsonSchema": {"$ref": "file:///etc/passwd"}}},
        {"expectedToolCalls": [{"arguments": {}}]},
        {"expectedToolCalls": [{"name": " "}]},
        {"expectedToolCalls": [{"name": "refund", "arguments": [1]}]},
        {"expected": None},
        {"context": {"documents": [1]}},
        {"input": 3},
        {"status": "withheld"},
        {"revision": -1},
        {"who": ""},
        [],
        "text",
        None,
    ],
)
def test_an_edit_that_cannot_be_is_refused(client, body):
    assert_refused(client.patch(f"/api/cases/{case_id(FAILING)}", json=body), 400, "invalid_request")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"input": ' + b"1" * 10_000 + b"}"])
def test_a_body_that_is_no_json_is_refused(client, body):
    response = client.patch(
        f"/api/cases/{case_id(FAILING)}", content=body, headers={"content-type": "application/json"}
    )
    assert_refused(response, 400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body: is missing; it is required"),
        (b"{", "the body: is not valid JSON"),
        (b"[]", "the body: must be a JSON object, and the Content-Type application/json"),
        (b"{}", "message: is missing; it is required"),
    ],
)
def test_a_body_that_cannot_be_is_refused_in_plain_words(client, body, message):
    response = client.post("/api/datasets/commit", content=body, headers={"content-type": "application/json"})
    assert response.json()["error"] == {"code": "invalid_request", "message": message}


def test_an_edit_of_an_unknown_case_is_not_found(client):
    assert_refused(client.patch("/api/cases/case-x", json={"input": "a"}), 404, "not_found")


def test_a_body_that_is_too_large_is_refused_with_and_without_a_length(client):
    path = f"/api/cases/{case_id(FAILING)}"
    headers = {"content-type": "application/json"}
    assert_refused(client.patch(path, content=b"x" * (MAX_BODY + 1), headers=headers), 413, "too_large")
    chunks = (b"x" * 65536 for _ in range(MAX_BODY // 65536 + 2))
    assert_refused(client.patch(path, content=chunks, headers=headers), 413, "too_large")


def test_another_sites_page_cannot_change_anything(client, store):
    response = client.post(f"/api/traces/{FAILING}/promote", headers={"sec-fetch-site": "cross-site"})
    assert_refused(response, 403, "cross_site")
    assert store.case_of_trace(FAILING).status is CaseStatus.CANDIDATE


def test_the_dataset_holds_promoted_cases_and_candidates_on_demand(client):
    assert client.get("/api/datasets/export?format=jsonl").content == b""
    assert read_line(client.get("/api/datasets/export?include=candidate").content) == a_case()
    client.post(f"/api/traces/{FAILING}/promote")
    response = client.get("/api/datasets/export")
    assert read_line(response.content).id == case_id(FAILING)
    assert response.headers["content-disposition"] == 'attachment; filename="cases.jsonl"'


def test_all_formats_are_one_archive_that_says_what_is_not_in_it(client, monkeypatch):
    def files():
        response = client.get("/api/datasets/export?format=all&include=candidate")
        assert response.headers["content-disposition"] == 'attachment; filename="dataset.zip"'
        archive = ZipFile(BytesIO(response.content))
        return {name: archive.read(name) for name in archive.namelist()}

    whole = files()
    assert read_line(whole["cases.jsonl"]) == a_case()
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # an installation without it
    rest = files()
    assert (set(whole) - set(rest), set(rest) - set(whole)) == ({"cases.parquet"}, {"left-out.txt"})
    assert b"sidecheck[parquet]" in rest["left-out.txt"]
    assert_refused(client.get("/api/datasets/export?format=parquet"), 400, "invalid_request")


@pytest.mark.parametrize("query", ["format=xml", "include=everything"])
def test_an_export_that_cannot_be_is_refused(client, query):
    assert_refused(client.get(f"/api/datasets/export?{query}"), 400, "invalid_request")


def test_unknown_addresses_and_methods_are_refused_in_the_same_shape_with_what_to_do(client):
    assert "openapi.json" in client.get("/api/nothing").json()["error"]["message"]
    assert "Allow" in client.put("/api/traces").json()["error"]["message"]
    assert_refused(client.get("/api/nothing"), 404, "not_found")
    assert_refused(client.delete("/api/traces"), 405, "method_not_allowed")


def test_a_store_that_cannot_answer_now_is_503(store, client, tmp_path):
    store.close()
    for file in tmp_path.iterdir():
        file.unlink()
    tmp_path.chmod(0o755)
    (tmp_path / "sidecheck.db").mkdir()
    response = client.get("/api/status")
    assert response.status_code == 503
    assert response.headers["retry-after"]


def test_the_status_counts_cases(client):
    assert client.get("/api/status").json()["cases"]["candidate"] == 1


def test_a_view_is_made_when_a_trace_is_asked_for_and_says_where_it_cannot_be(store):
    made = {"view": {"output": "60 days"}}
    client = TestClient(create_api(store, show_trace=lambda trace: replace(trace, **made), now=lambda: NOW))
    saved(store, a_record())
    shown = client.get(f"/api/traces/{FAILING}").json()
    assert (shown["view"], shown["viewProblem"]) == ({"output": "60 days"}, None)
    made.update(view={}, view_problem="the workers are busy")
    shown = client.get(f"/api/traces/{FAILING}").json()
    assert (shown["view"], shown["viewProblem"]) == ({}, "the workers are busy")


def test_hostile_text_comes_back_whole_and_cannot_be_taken_for_html(client, store):
    odd = {"input": HOSTILE, "nan": float("nan"), "half": "\ud800"}
    saved(store, a_record(UNKNOWN, service=HOSTILE, view=odd))
    response = client.get(f"/api/traces/{UNKNOWN}")
    assert response.json()["view"] == {"input": HOSTILE, "nan": None, "half": "\ufffd"}
    assert b"<" not in response.content
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_api_describes_itself(client):
    assert "/api/traces/{trace_id}/online-eval" in client.get("/api/openapi.json").json()["paths"]
