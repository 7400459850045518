"""The dataset over the JSON API: versions, differences, exports of a version, imports."""

import hashlib
import json
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from store_builders import NOW, a_failing_record, save, trace_id

from exporters.dataset.case import CaseStatus
from exporters.dataset.gate import one_by_one
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.review.guard import MAX_BODY
from exporters.review.routes import create_api
from exporters.store import CaseLimits, ForgetTarget, Store


def admit(case, _trusted, redact):
    if redact:
        return replace(case, input="<EMAIL_ADDRESS_1>")
    if case.input == "secret":
        raise RedactionFailed("there is still an EMAIL_ADDRESS in it")
    if case.input == "deadly":
        raise RedactionUnavailable("it could not be searched: its worker process died")
    return case


@pytest.fixture
def store(prepared_folder):
    """A store with three promoted cases and a candidate."""
    with Store.open(data_dir=prepared_folder) as opened:
        limits = CaseLimits(per_cluster=10)
        save(opened, *(a_failing_record(n) for n in (1, 2, 3)), status=CaseStatus.PROMOTED, limits=limits)
        save(opened, a_failing_record(4), limits=limits)
        yield opened


@pytest.fixture
def client(store):
    return TestClient(create_api(store, admit_cases=one_by_one(admit), now=lambda: NOW), raise_server_exceptions=False)


def commit(client, message="a start", **more):
    response = client.post("/api/datasets/commit", json={"message": message, **more})
    assert response.status_code == 201, response.text
    return response.json()


def assert_refused(response, status, code, said=""):
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    assert said in response.json()["error"]["message"]


def test_a_commit_makes_a_version_and_the_list_has_it(client):
    assert client.get("/api/datasets").json() == {"versions": []}
    made = commit(client, who="ann")
    assert (made["version"], made["who"], made["cases"], made["added"]) == ("v1", "ann", 3, 3)
    assert made["time"] == "2024-10-04T12:00:00.000Z"
    assert client.get("/api/datasets").json() == {"versions": [made]}


def test_a_commit_without_a_change_is_a_conflict(client):
    commit(client)
    response = client.post("/api/datasets/commit", json={"message": "again"})
    assert_refused(response, 409, "unchanged", "nothing changed since v1")


@pytest.mark.parametrize(
    "body", [{}, {"message": ""}, {"message": " \n"}, {"message": "x" * 2001}, {"message": "a", "extra": 1}]
)
def test_a_commit_needs_a_message(client, body):
    assert_refused(client.post("/api/datasets/commit", json=body), 400, "invalid_request")


def test_a_version_is_shown_whole(client):
    made = commit(client)
    shown = client.get("/api/datasets/latest").json()
    assert {**shown, **made} == shown
    assert shown["sound"] is True
    assert shown["summary"]["kind"] == {"historical_failure": 3}
    assert [case["id"] for case in shown["caseList"]] == ["case-1", "case-2", "case-3"]
    assert client.get(f"/api/datasets/{made['hash']}").json() == shown


@pytest.mark.parametrize("name", ["v2", "0", "nonsense", "%00", "f" * 40])
def test_a_version_that_is_not_there_is_not_found(client, name):
    commit(client)
    assert_refused(client.get(f"/api/datasets/{name}"), 404, "not_found")


def test_versions_are_compared(client, store):
    commit(client)
    store.edit_case("case-1", {"input": "another"}, "ann", "", NOW)
    store.dismiss("case-2", "ann", "", NOW)
    store.promote("case-4", "ann", "", NOW)
    found = client.get("/api/datasets/diff").json()
    assert (found["from"], found["to"]) == ({"version": "v1", "forgotten": 0}, {"version": "now", "forgotten": 0})
    assert (found["added"], found["removed"]) == (["case-4"], ["case-2"])
    assert found["changed"] == [
        {
            "id": "case-1",
            "fields": [{"field": "input", "diff": ["@@ -1 +1 @@", "-How long can I return it?", "+another"]}],
        }
    ]
    commit(client, "more")
    assert client.get("/api/datasets/diff?from=1&to=v2").json()["changed"] == found["changed"]
    assert_refused(client.get("/api/datasets/diff?from=v9"), 404, "not_found")


def test_a_version_is_exported_byte_for_byte(client, store):
    made = commit(client)
    store.edit_case("case-1", {"input": "another"}, "ann", "", NOW)
    file = client.get("/api/datasets/export?version=v1").content
    assert hashlib.sha256(file).hexdigest() == made["hash"]
    assert client.get("/api/datasets/export").content != file


def test_an_export_can_be_limited(client, store):
    store.edit_case("case-1", {"tags": ("a", "b"), "split": "test"}, "ann", "", NOW)
    store.edit_case("case-2", {"tags": ("a",)}, "ann", "", NOW)
    commit(client)
    for query, ids in (
        ("tag=a", ["case-1", "case-2"]),
        ("tag=a&tag=b", ["case-1"]),
        ("split=test", ["case-1"]),
        ("kind=edge", []),
        ("tag=a&split=test&kind=historical_failure", ["case-1"]),
    ):
        for version in ("", "&version=v1"):
            text = client.get(f"/api/datasets/export?{query}{version}").text
            assert [json.loads(line)["id"] for line in text.splitlines()] == ids
        if "kind=edge" not in query:
            found = client.get(f"/api/cases?{query}").json()["cases"]
            assert sorted(case["id"] for case in found) == ids


@pytest.mark.parametrize("query", ["version=v9", "version=v1&include=candidate", "format=none&version=v1"])
def test_an_export_that_cannot_be_is_refused(client, query):
    commit(client)
    assert client.get(f"/api/datasets/export?{query}").status_code in (400, 404)


def test_a_file_is_taken_in_and_each_bad_line_named(client, store):
    body = b'{"id": "mine", "input": "Hi"}\nnonsense\n{"input": "secret"}\n'
    answer = client.post("/api/datasets/import?who=ann", content=body).json()
    assert {name: answer[name] for name in ("added", "changed", "unchanged", "kept", "refused")} == {
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "kept": 0,
        "refused": 2,
    }
    assert answer["problems"] == [
        {"line": 2, "key": "case", "rule": "must be one JSON object in UTF-8"},
        {"line": 3, "key": "case", "rule": "there is still an EMAIL_ADDRESS in it"},
    ]
    stored = store.case("mine")
    assert (stored.status, stored.history[0].who) == (CaseStatus.PROMOTED, "ann")


def test_a_line_that_could_not_be_looked_at_is_named_and_costs_the_others_nothing(client, store):
    body = b'{"id": "mine", "input": "deadly"}\n{"id": "other", "input": "Hi"}\n'
    answer = client.post("/api/datasets/import", content=body).json()
    assert (answer["added"], answer["refused"]) == (1, 1)
    assert answer["problems"][0]["rule"] == "it could not be searched: its worker process died"
    assert store.case("mine") is None


SCHEMA = {"expected": {"jsonSchema": {"type": "strnig"}}}
ELSEWHERE = {"expected": {"jsonSchema": {"$ref": "file:///etc/passwd"}}}
NAMELESS = {"expectedToolCalls": [{"name": "refund"}, {"arguments": {}}]}


@pytest.mark.parametrize(
    ("demand", "key", "rule"),
    [
        (SCHEMA, "expected.jsonSchema", "at /type: "),
        (ELSEWHERE, "expected.jsonSchema", "schemas are not fetched"),
        (NAMELESS, "expectedToolCalls[1]", "must name its tool"),
    ],
    ids=["no schema", "a schema elsewhere", "a nameless call"],
)
@pytest.mark.parametrize("looks", [True, False], ids=["redacting", "not redacting"])
def test_a_line_that_demands_what_nobody_can_meet_is_refused(store, demand, key, rule, looks):
    client = TestClient(create_api(store, admit_cases=one_by_one(admit) if looks else None, now=lambda: NOW))
    body = json.dumps({"id": "mine", "input": "Hi", **demand}) + '\n{"id": "other", "input": "Hi"}'
    answer = client.post("/api/datasets/import", content=body).json()
    (problem,) = answer["problems"]
    assert (answer["added"], problem["line"], problem["key"]) == (1, 1, key)
    assert rule in problem["rule"]
    assert store.case("mine") is None


def test_a_demand_that_a_trace_brought_along_comes_in_again(client, store):
    odd = replace(store.case("case-1").case.expectation, json_schema={"type": "strnig"})
    store.edit_case("case-1", {"expectation": odd}, "sidecheck", "", NOW)
    exported = json.loads(client.get("/api/datasets/export").text.splitlines()[0])
    body = json.dumps({**exported, "input": "another"})
    answer = client.post("/api/datasets/import", content=body).json()
    assert (answer["changed"], answer["refused"]) == (1, 0)


def test_an_import_does_as_it_is_told(client, store):
    def bring(text, query):
        body = json.dumps({"id": "mine", "input": text})
        return client.post(f"/api/datasets/import?{query}", content=body).json()

    assert bring("secret", "status=candidate&redact=true")["added"] == 1
    assert bring("other", "dryRun=true")["changed"] == 1
    assert bring("other", "onConflict=keep")["kept"] == 1
    assert (store.case("mine").case.input, store.case("mine").status) == ("<EMAIL_ADDRESS_1>", CaseStatus.CANDIDATE)
    assert bring("other", "")["changed"] == 1
    assert (store.case("mine").case.input, store.case("mine").status) == ("other", CaseStatus.PROMOTED)


@pytest.mark.parametrize("query", ["status=dismissed", "onConflict=ask", "dryRun=maybe", "who="])
def test_an_import_that_cannot_be_is_refused(client, query):
    assert_refused(client.post(f"/api/datasets/import?{query}", content=b"{}"), 400, "invalid_request")


def test_an_import_has_a_limit_and_comes_from_no_other_site(client):
    assert_refused(client.post("/api/datasets/import", content=b" " * (MAX_BODY + 1)), 413, "too_large")
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert_refused(client.post("/api/datasets/import", content=b"", headers=elsewhere), 403, "cross_site")


def test_an_export_of_everything_comes_in_as_unchanged(client):
    answer = client.post("/api/datasets/import", content=client.get("/api/datasets/export").content).json()
    assert (answer["unchanged"], answer["refused"], answer["added"]) == (3, 0, 0)


def test_a_forgotten_case_is_told_of(client, store):
    commit(client)
    store.forget(ForgetTarget(trace_id=trace_id(1)), NOW)
    (version,) = client.get("/api/datasets").json()["versions"]
    shown = client.get("/api/datasets/v1").json()
    assert (version["cases"], version["forgotten"], shown["sound"]) == (3, 1, False)
    assert client.get("/api/datasets/diff").json()["from"] == {"version": "v1", "forgotten": 1}
