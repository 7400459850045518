"""What a reviewer does over the JSON API: take a change back, and try an expectation before it is kept."""

from dataclasses import replace
from functools import partial

import pytest
from fastapi.testclient import TestClient
from store_builders import NOW, a_case, a_failing_record, save, trace_id

from exporters.dataset.case import Expectation
from exporters.review.routes import create_api
from exporters.review.trial import NEEDS_CALLS
from exporters.store import Store


@pytest.fixture
def store(prepared_folder):
    with Store.open(data_dir=prepared_folder) as opened:
        view = {"input": "?", "output": "60 days.", "tool_calls": [{"name": "refund", "arguments": {"to": "a@b.co"}}]}
        save(opened, a_failing_record(view=view, duration_ns=3_000_000_000))
        yield opened


@pytest.fixture
def client(store):
    return TestClient(create_api(store, now=lambda: NOW + 1))


def undo(client, **body):
    return client.post("/api/cases/case-1/undo", json=body)


def test_an_undone_promotion_is_a_candidate_with_both_changes_in_its_history(client):
    client.post(f"/api/traces/{trace_id(1)}/promote", json={"who": "ann"})
    undone = undo(client, who="ann", why="a slip").json()
    assert (undone["status"], undone["revision"], undone["metadata"]["reviewedBy"]) == ("candidate", 2, None)
    assert [(change["action"], change["who"], change["why"]) for change in undone["history"]] == [
        ("undone", "ann", "a slip"),
        ("promoted", "ann", ""),
    ]
    assert undo(client, who="ann").json()["status"] == "promoted"


@pytest.mark.parametrize(
    ("body", "status"),
    [({"who": "bob"}, 409), ({"who": "bob", "revision": 0}, 409), ({"who": "bob", "revision": 1}, 200)],
)
def test_what_another_did_is_undone_by_whoever_saw_it(client, body, status):
    client.patch("/api/cases/case-1", json={"metadata": {"tags": ["x"]}, "who": "ann"})
    assert undo(client, **body).status_code == status


def test_there_is_nothing_to_undo_in_an_unchanged_or_unknown_case(client):
    assert undo(client).status_code == 409
    assert client.post("/api/cases/nope/undo").status_code == 404
    assert undo(client, nonsense=1).status_code == 400


def check(client, **body):
    response = client.post("/api/cases/case-1/check", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_an_edit_is_tried_against_the_recorded_run_and_not_kept(client, store):
    expected = {"mustMention": ["30 days", "60 days"], "maxLatencyMs": 2000}
    done = check(client, expected=expected, forbiddenToolCalls=["refund"])
    assert [(d["key"], d["item"], d["caught"]) for d in done["demands"]] == [
        ("maxLatencyMs", 0, True),
        ("mustMention", 0, True),
        ("mustMention", 1, False),
        ("forbiddenToolCalls", 0, True),
    ]
    assert done["caught"]
    assert store.case("case-1").case == a_case()


def test_an_expectation_that_the_recorded_answer_meets_would_not_have_caught_it(client):
    done = check(client, expected={"mustMention": ["60 days"]}, output="30 days")
    assert done == {
        "caught": False,
        "demands": [
            {"key": "mustMention", "item": 0, "caught": False, "met": False, "reason": None, "message": None},
        ],
    }


def test_without_an_edit_the_case_is_tried_as_it_is(client, store):
    store.edit_case("case-1", {"expectation": Expectation(must_not_mention=("60 days",))}, "ann", "", NOW)
    assert client.post("/api/cases/case-1/check").json()["caught"]


def test_what_is_recorded_of_tools_is_not_told(client):
    done = check(client, expectedToolCalls=[{"name": "refund", "arguments": {"to": "<EMAIL_ADDRESS_1>"}}])
    assert done["caught"]
    assert "a@b.co" not in str(done)


def test_a_view_is_made_for_an_expectation_of_tool_calls_alone(store):
    made = []

    def show(trace):
        made.append(trace.trace_id)
        return replace(trace, view={"tool_calls": [{"name": "refund"}]})

    client = TestClient(create_api(store, show_trace=show, now=lambda: NOW + 1))
    assert not check(client, expected={"mustMention": ["60 days"]})["caught"]
    assert made == []
    assert check(client, forbiddenToolCalls=["refund"])["caught"]
    assert made == [trace_id(1)]


def test_where_the_view_cannot_be_made_nobody_can_tell_which_tools_were_called(store):
    show = partial(replace, view={}, view_problem="the workers are busy")
    client = TestClient(create_api(store, show_trace=show, now=lambda: NOW + 1))
    (demand,) = check(client, forbiddenToolCalls=["refund"])["demands"]
    assert (demand["caught"], demand["reason"]) == (None, NEEDS_CALLS)


@pytest.mark.parametrize("body", [{"expected": 1}, {"nonsense": 1}, {"expected": {"mustMention": "x"}}, {"output": 1}])
def test_an_edit_that_cannot_be_is_refused(client, body):
    response = client.post("/api/cases/case-1/check", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")


def test_an_unknown_case_cannot_be_tried(client):
    assert client.post("/api/cases/nope/check").status_code == 404
