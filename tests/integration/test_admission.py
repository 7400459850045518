"""What a person types, and what was drafted by older rules, is scanned before it is in the dataset."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient

from checks.finding import Finding
from checks.report import Outcome, Verdict
from checks.trace import CloseReason
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from exporters.dataset.case import Case, CaseStatus, Context, Expectation, Source
from exporters.dataset.gate import Answer, Asked, one_by_one
from exporters.dataset.promote import case_id
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.packed import pack
from exporters.record import Record
from exporters.review.routes import create_api
from exporters.store import CaseLimits, Store

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CASE = case_id(TRACE)
NOW = 1_763_900_000_000_000_000
BOB = "bob@corp.org"
JUDGE = Judge(JudgeOptions({}))


def a_case(**parts) -> Case:
    source = Source(TRACE, "shop", "gpt-4o", ("citations",))
    defaults = {"input": "How long?", "context": Context(), "observed_output": "60 days", "expectation": Expectation()}
    return Case(**{"id": CASE, "fingerprint": "f00d", "source": source, **defaults, **parts})


def save(store: Store, case: Case) -> None:
    failed = Verdict("citations", "1", Outcome.FAILED, findings=(Finding("missing", "cites nothing"),))
    record = Record(
        trace_id=TRACE,
        service="shop",
        convention="genai",
        closed_by=CloseReason.ROOT_SEEN,
        start_ns=NOW,
        end_ns=NOW,
        duration_ns=1,
        span_count=1,
        truncated=False,
        verdicts=(failed,),
        case=case,
        evaluated_ns=NOW,
    )
    store.save([pack(record)], CaseStatus.CANDIDATE, CaseLimits(), NOW)


@pytest.fixture
def store(prepared_folder):
    with Store.open(data_dir=prepared_folder) as opened:
        yield opened


def a_client(store: Store, judge: Judge = JUDGE) -> TestClient:
    return TestClient(create_api(store, admit_cases=one_by_one(judge.admit), now=lambda: NOW))


@pytest.fixture
def client(store):
    save(store, a_case())
    return a_client(store)


def assert_refused(response, place: str) -> None:
    assert response.status_code == 409, response.text
    error = response.json()["error"]
    assert error["code"] == "redaction_failed"
    assert error["message"].endswith(place)
    assert BOB not in response.text


def test_a_clean_case_is_promoted(client, store):
    assert client.post(f"/api/traces/{TRACE}/promote", json={"who": "Ann"}).json()["status"] == "promoted"
    assert store.case(CASE).case.reviewed_by == "Ann"


def test_what_was_drafted_by_older_rules_is_refused_redacted_and_promoted(store):
    save(store, a_case(observed_output="use sk_" + "live_aB3dE6gH9jK2mN5pQ8rS"))
    client = a_client(store)
    assert_refused(client.post(f"/api/traces/{TRACE}/promote"), "API_KEY in actualOutput")
    assert store.case(CASE).status is CaseStatus.CANDIDATE
    shown = client.patch(f"/api/cases/{CASE}", json={"redact": True}).json()
    assert (shown["actualOutput"], shown["metadata"]["redacted"]) == ("use <API_KEY_1>", ["API_KEY"])
    assert client.post(f"/api/traces/{TRACE}/promote").json()["status"] == "promoted"


@pytest.mark.parametrize("status", ["candidate", "promoted"])
def test_an_edit_that_brings_personal_data_is_refused_and_leaves_no_trace_of_it(client, store, status):
    client.patch(f"/api/cases/{CASE}", json={"status": status})
    before = store.case(CASE)
    response = client.patch(f"/api/cases/{CASE}", json={"expected": {"mustNotMention": ["ok", BOB]}})
    assert_refused(response, "EMAIL_ADDRESS in expected.mustNotMention[1]")
    assert store.case(CASE) == before


def test_an_edit_is_redacted_where_that_is_asked_for(client, store):
    edit = {"input": f"I am {BOB}", "expected": {"mustNotMention": [BOB]}, "redact": True, "status": "promoted"}
    shown = client.patch(f"/api/cases/{CASE}", json=edit).json()
    assert (shown["input"], shown["expected"]["mustNotMention"]) == ("I am <EMAIL_ADDRESS_1>", ["<EMAIL_ADDRESS_1>"])
    assert (shown["status"], shown["metadata"]["redacted"]) == ("promoted", ["EMAIL_ADDRESS"])
    assert BOB not in json.dumps([repr(change) for change in store.case(CASE).history])


def test_a_case_is_dismissed_whatever_it_holds(store):
    save(store, a_case(input=BOB))
    client = a_client(store)
    assert client.post(f"/api/traces/{TRACE}/dismiss").json()["status"] == "dismissed"
    assert_refused(client.patch(f"/api/cases/{CASE}", json={"status": "promoted"}), "EMAIL_ADDRESS in input")


@pytest.mark.parametrize("change", [{"input": "I am someone"}, {"status": "dismissed"}])
def test_an_undo_brings_nothing_back_into_the_dataset_that_may_not_be_there(store, change):
    save(store, a_case(input=f"I am {BOB}"))
    store.promote(CASE, "ann", "before anybody looked", NOW)
    client = a_client(store)
    assert client.patch(f"/api/cases/{CASE}", json={**change, "who": "ann"}).status_code == 200
    before = store.case(CASE)
    assert_refused(client.post(f"/api/cases/{CASE}/undo", json={"who": "ann"}), "EMAIL_ADDRESS in input")
    assert store.case(CASE) == before


@pytest.mark.parametrize("change", [{"input": "I am someone"}, {"status": "dismissed"}])
def test_an_undo_brings_a_case_back_with_that_replaced_where_that_is_asked_for(store, change):
    save(store, a_case(input=f"I am {BOB}"))
    store.promote(CASE, "ann", "before anybody looked", NOW)
    client = a_client(store)
    client.patch(f"/api/cases/{CASE}", json={**change, "who": "ann"})
    undo = {"redact": True, "why": "a slip"}
    assert client.post(f"/api/cases/{CASE}/undo", json={**undo, "who": "bob"}).json()["error"]["code"] == "conflict"
    undone = client.post(f"/api/cases/{CASE}/undo", json={**undo, "who": "ann"}).json()
    assert (undone["status"], undone["input"]) == ("promoted", "I am <EMAIL_ADDRESS_1>")
    assert (undone["history"][0]["who"], undone["history"][0]["why"]) == ("ann", "a slip")
    assert BOB not in json.dumps(undone)


def test_an_undo_that_replacing_would_leave_nothing_of_is_told_of(store):
    save(store, a_case(input=f"I am {BOB}"))
    store.promote(CASE, "ann", "before anybody looked", NOW)
    clean = JUDGE.admit(store.case(CASE).case, redact=True)
    store.edit_case(CASE, {"input": clean.input, "redacted": clean.redacted}, "ann", "by hand", NOW)
    client = a_client(store)
    answer = client.post(f"/api/cases/{CASE}/undo", json={"redact": True, "who": "ann"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert "there is nothing to undo" in answer.json()["error"]["message"]
    assert store.case(CASE).revision == 2


# history


@pytest.mark.parametrize("status", ["candidate", "promoted"])
def test_what_is_replaced_in_a_case_is_replaced_in_its_history(store, status):
    save(store, a_case(input=f"I am {BOB}"))
    store.edit_case(CASE, {"tags": ("first",)}, "ann", "sorting", NOW)
    store.edit_case(CASE, {"status": status}, "ann", "before anybody looked", NOW)
    client = a_client(store)
    shown = client.patch(f"/api/cases/{CASE}", json={"redact": True, "who": "bob"}).json()
    assert shown["input"] == "I am <EMAIL_ADDRESS_1>"
    assert {change["oldCase"]["input"] for change in shown["history"]} == {"I am <EMAIL_ADDRESS_1>"}
    assert [(change["who"], change["why"]) for change in shown["history"]][-1] == ("ann", "sorting")
    assert [change["oldCase"]["metadata"]["tags"] for change in shown["history"]][-1] == []
    undone = client.post(f"/api/cases/{CASE}/undo", json={"who": "bob"}).json()
    assert (undone["status"], undone["input"]) == (status, "I am <EMAIL_ADDRESS_1>")
    assert BOB not in json.dumps(undone)


def test_a_history_is_cleaned_also_where_the_case_is_clean_by_then(store):
    save(store, a_case(input=f"I am {BOB}"))
    client = a_client(store)
    shown = client.patch(f"/api/cases/{CASE}", json={"input": "I am someone"}).json()
    assert shown["history"][0]["oldCase"]["input"] == f"I am {BOB}"
    shown = client.patch(f"/api/cases/{CASE}", json={"redact": True}).json()
    assert (shown["revision"], shown["history"][0]["oldCase"]["input"]) == (1, "I am <EMAIL_ADDRESS_1>")


def test_an_earlier_state_that_cannot_be_cleaned_is_as_the_case_is_now(store):
    save(store, a_case(input="too much"))
    store.edit_case(CASE, {"input": "little"}, "ann", "shorter", NOW)

    def admit(case: Case, trusted: Case | None, redact: bool) -> Case:
        if case.input == "too much":
            raise RedactionFailed("it could not be searched for personal data in time")
        return JUDGE.admit(case, trusted, redact=redact)

    client = TestClient(create_api(store, admit_cases=one_by_one(admit), now=lambda: NOW))
    change = client.patch(f"/api/cases/{CASE}", json={"redact": True}).json()["history"][0]
    assert (change["who"], change["why"], change["oldCase"]["input"]) == ("ann", "shorter", "little")


@pytest.mark.parametrize("way", ["redact", "undo"])
def test_where_earlier_states_cannot_be_looked_at_nothing_is_changed(store, way):
    save(store, a_case(input=f"I am {BOB}"))
    store.promote(CASE, "ann", "before anybody looked", NOW)
    store.edit_case(CASE, {"input": "I am someone"}, "ann", "by hand", NOW)
    before = store.case(CASE)

    def admit(asked: Sequence[Asked]) -> Sequence[Answer]:
        if len(asked) > 1:
            raise RedactionUnavailable("its worker process died (exit code 9)")
        return one_by_one(JUDGE.admit)(asked)

    client = TestClient(create_api(store, admit_cases=admit, now=lambda: NOW))
    if way == "redact":
        answer = client.patch(f"/api/cases/{CASE}", json={"redact": True})
    else:
        answer = client.post(f"/api/cases/{CASE}/undo", json={"redact": True, "who": "ann"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "redaction_unavailable")
    assert answer.json()["error"]["message"] == "nothing was changed: its worker process died (exit code 9)"
    assert answer.headers["retry-after"]
    assert store.case(CASE) == before


def test_a_whole_history_is_looked_at_in_one_go(store):
    save(store, a_case())
    for number in range(20):
        store.edit_case(CASE, {"input": f"How long, {number}?"}, "ann", "", NOW)
    looked_at: list[int] = []

    def admit(asked: Sequence[Asked]) -> Sequence[Answer]:
        looked_at.append(len(asked))
        return one_by_one(JUDGE.admit)(asked)

    client = TestClient(create_api(store, admit_cases=admit, now=lambda: NOW))
    assert client.patch(f"/api/cases/{CASE}", json={"redact": True}).status_code == 200
    assert looked_at == [1, 21]


def test_an_import_that_redacts_leaves_nothing_in_the_history_either(store):
    save(store, a_case(input=f"I am {BOB}"))
    client = a_client(store)
    body = json.dumps({"id": CASE, "input": f"Here is {BOB}"})
    assert client.post("/api/datasets/import?redact=true&dryRun=true", content=body).json()["changed"] == 1
    assert store.case(CASE).case.input == f"I am {BOB}"
    assert client.post("/api/datasets/import?redact=true&who=ann", content=body).json()["changed"] == 1
    shown = client.get(f"/api/cases/{CASE}").json()
    assert (shown["input"], shown["history"][0]["oldCase"]["input"]) == (
        "Here is <EMAIL_ADDRESS_1>",
        "I am <EMAIL_ADDRESS_1>",
    )
    assert [(change["who"], change["action"]) for change in shown["history"]] == [("ann", "imported")]


class Watching:
    """Looks at cases; does something each time that an earlier state is among them."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def __call__(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        if any((one.case.input or "").startswith("I am") for one in asked):
            self.act()
        return one_by_one(JUDGE.admit)(asked)


def bring_over(store: Store, act: Callable[[], None]) -> dict[str, Any]:
    """Import a case that is there with personal data, and another one."""
    lines = [{"id": CASE, "input": f"Here is {BOB}"}, {"id": "other", "input": "Hi"}]
    client = TestClient(create_api(store, admit_cases=Watching(act), now=lambda: NOW))
    answer = client.post("/api/datasets/import?redact=true&who=ann", content="\n".join(map(json.dumps, lines)))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_case_whose_past_cannot_be_looked_at_is_left_as_it_is_by_an_import(store):
    save(store, a_case(input=f"I am {BOB}"))
    before = store.case(CASE)

    def fail() -> None:
        raise RedactionUnavailable("its worker process died (exit code 9)")

    answer = bring_over(store, fail)
    assert (answer["added"], answer["changed"], answer["refused"]) == (1, 0, 1)
    assert (answer["problems"][0]["line"], answer["problems"][0]["key"]) == (1, "id")
    assert "whose history could not be searched" in answer["problems"][0]["rule"]
    assert store.case(CASE) == before
    assert bring_over(store, lambda: None)["changed"] == 1
    assert BOB not in repr(store.case(CASE))


def test_a_case_that_changes_while_its_past_is_looked_at_is_looked_at_again_by_an_import(store):
    save(store, a_case(input=f"I am {BOB}"))
    edits = iter(["once"])

    def change() -> None:
        for tag in edits:
            store.edit_case(CASE, {"tags": (tag,)}, "bob", "sorting", NOW)

    assert bring_over(store, change)["changed"] == 1
    history = store.case(CASE).history
    assert [(each.who, each.old_case.tags) for each in history] == [("ann", ("once",)), ("bob", ())]
    assert BOB not in repr(store.case(CASE))


def test_a_case_that_changes_again_and_again_costs_the_rest_of_an_import_nothing(store):
    save(store, a_case(input=f"I am {BOB}"))
    tags = iter("abcdefgh")
    answer = bring_over(store, lambda: store.edit_case(CASE, {"tags": (next(tags),)}, "bob", "", NOW))
    assert (answer["added"], answer["changed"], answer["refused"]) == (1, 0, 1)
    assert "was just changed" in answer["problems"][0]["rule"]
    assert store.case("other") is not None


def test_an_undo_that_brings_a_clean_case_back_is_for_who_made_the_change(client):
    client.post(f"/api/traces/{TRACE}/promote", json={"who": "ann"})
    client.post(f"/api/traces/{TRACE}/dismiss", json={"who": "ann"})
    assert client.post(f"/api/cases/{CASE}/undo", json={"who": "bob"}).json()["error"]["code"] == "conflict"
    assert client.post(f"/api/cases/{CASE}/undo", json={"who": "ann"}).json()["status"] == "promoted"


def test_data_in_what_ties_a_case_to_its_trace_cannot_be_redacted_and_is_refused(store):
    save(store, a_case(source=Source(TRACE, f"shop-{BOB}")))
    response = a_client(store).patch(f"/api/cases/{CASE}", json={"redact": True})
    assert_refused(response, "EMAIL_ADDRESS in metadata.service")


def test_options_that_sidecheck_wrote_are_no_ones_edit(store):
    allowing = Expectation(checks={"pii": {"version": "1", "options": {"allow": [BOB]}}})
    save(store, a_case(expectation=allowing))
    client = a_client(store)
    assert client.patch(f"/api/cases/{CASE}", json={"input": "other"}).status_code == 200
    assert client.post(f"/api/traces/{TRACE}/promote").json()["status"] == "promoted"


def test_a_candidate_that_is_refreshed_meanwhile_is_looked_at_again(store):
    save(store, a_case())
    looked_at: list[str | None] = []

    def admit(case: Case, trusted: Case | None, redact: bool) -> Case:
        looked_at.append(case.input)
        if len(looked_at) == 1:
            save(store, a_case(input="How long now?"))
        return JUDGE.admit(case, trusted, redact=redact)

    client = TestClient(create_api(store, admit_cases=one_by_one(admit), now=lambda: NOW))
    assert client.post(f"/api/traces/{TRACE}/promote").json()["input"] == "How long now?"
    assert looked_at == ["How long?", "How long now?"]


def test_a_candidate_that_changes_again_and_again_is_a_conflict(store):
    save(store, a_case())
    rounds = iter(range(100))

    def admit(case: Case, _trusted: Case | None, _redact: bool) -> Case:
        save(store, a_case(input=f"How long, {next(rounds)}?"))
        return case

    client = TestClient(create_api(store, admit_cases=one_by_one(admit), now=lambda: NOW))
    response = client.post(f"/api/traces/{TRACE}/promote")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "conflict")
    assert store.case(CASE).status is CaseStatus.CANDIDATE


def test_without_redaction_nothing_is_looked_at_and_the_case_says_so(store):
    save(store, a_case(redacted=None))
    client = a_client(store, Judge(JudgeOptions({}, redacts=False)))
    shown = client.patch(f"/api/cases/{CASE}", json={"input": BOB, "status": "promoted"}).json()
    assert (shown["input"], shown["metadata"]["redacted"]) == (BOB, None)
    assert client.patch(f"/api/cases/{CASE}", json={"redact": True}).json()["input"] == "<EMAIL_ADDRESS_1>"


def test_a_raw_case_that_is_clean_is_marked_as_looked_at_when_it_is_promoted(store):
    save(store, a_case(redacted=None))
    shown = a_client(store).post(f"/api/traces/{TRACE}/promote", json={"who": "Ann"}).json()
    assert (shown["metadata"]["redacted"], shown["metadata"]["reviewedBy"], shown["status"]) == ([], "Ann", "promoted")
