"""The review page over HTTP, as a browser without any script uses it.

Long, since every form of the page has its part here, and all parts read the same page.
"""

import re
from dataclasses import replace
from functools import partial
from html import unescape

import pytest
from doctables import ROOT, block
from fastapi.testclient import TestClient
from store_builders import NOW, a_case, a_failing_record, a_verdict, save, trace_id

from checks.finding import Evidence, Finding
from exporters.dataset.case import CaseStatus, ExampleType, Expectation, Source
from exporters.dataset.gate import one_by_one
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.review.routes import create_api
from exporters.store import Store

HOSTILE = "</textarea></pre><script>alert(1)</script>\x00\x1b[31m\u202egnp.exe{{7*7}}"
SAME_ORIGIN = {"origin": "http://testserver"}


@pytest.fixture
def store(prepared_folder):
    """Candidates 1 to 4; 4 is the newest, 2 of another service, 3 of the same cluster as 4."""
    with Store.open(data_dir=prepared_folder) as opened:
        view = {"input": "How long can I return it?", "output": "60 days.", "model": "gpt-4o"}
        for n in range(1, 5):
            source = Source(trace_id(n), "desk" if n == 2 else "shop", "gpt-4o", ("citations",))
            case = a_case(n, fingerprint=f"f{min(n, 3)}", source=source, expectation=Expectation(must_mention=("30",)))
            save(opened, a_failing_record(n, case=case, view=view), now_ns=NOW + n)
        yield opened


@pytest.fixture
def client(store):
    return TestClient(create_api(store, now=lambda: NOW + 9), follow_redirects=False, headers=SAME_ORIGIN)


def page(client, path="/review/case-4", status=200):
    response = client.get(path)
    assert response.status_code == status, response.text
    return response.text


def post(client, path, **fields):
    return client.post(f"/review/{path}", data={"who": "ann"} | fields)


def went_to(response):
    assert response.status_code == 303, response.text
    return response.headers["location"]


def hidden(html, name="revision"):
    return re.search(rf'name="{name}" value="([^"]*)"', html)[1]


def test_the_first_candidate_is_the_newest_and_the_rest_follow(client):
    assert went_to(client.get("/review")) == "/review/case-4"
    html = page(client)
    assert re.search(r'data-key="j"[^>]*href="/review/case-3"', html)
    assert 'data-key="k"' not in html
    assert re.search(r'data-key="k"[^>]*href="/review/case-4"', page(client, "/review/case-3"))
    assert "<strong>4</strong> candidates wait" in html


def test_a_candidate_shows_what_was_said_what_failed_and_what_must_hold(client):
    html = page(client)
    for shown in (
        "How long can I return it?",
        "Be brief.",
        "30 days",
        "kb-7",
        "citations",
        "nothing is cited",
        "gpt-4o",
    ):
        assert shown in html
    assert '<mark class="evidence" title="citations: nothing is cited">60 d</mark>ays.' in html
    assert "would have been caught" in html


def test_similar_cases_stand_beside_it(client):
    beside = page(client).partition("Similar cases</h2>")[2]
    cluster, _, checked = beside.partition("Failed citations too")
    assert ("case-3" in cluster, "case-2" in cluster, "case-2" in checked) == (True, False, True)


@pytest.mark.parametrize(("what", "status"), [("promote", CaseStatus.PROMOTED), ("dismiss", CaseStatus.DISMISSED)])
def test_a_decision_goes_on_to_the_next_and_can_be_undone_there(client, store, what, status):
    following = went_to(post(client, f"case-4/{what}", revision="0", why="real"))
    stored = store.case("case-4")
    assert (stored.status, stored.history[0].who, stored.history[0].why) == (status, "ann", "real")
    assert following == "/review/case-3?done=case-4&at=1"
    html = page(client, following)
    assert f"was <strong>{status.value}</strong> by ann" in html
    assert 'action="/review/case-4/undo"' in html
    assert went_to(post(client, "case-4/undo", revision=hidden(html))) == "/review/case-4?done=case-4&at=2"
    assert store.case("case-4").status is CaseStatus.CANDIDATE
    assert "Redo" in page(client, "/review/case-4?done=case-4&at=2")


def test_after_the_last_one_the_page_says_what_to_do_next(client):
    for n in (4, 3, 1):
        post(client, f"case-{n}/dismiss")
    last = went_to(post(client, "case-2/dismiss"))
    html = page(client, last)
    assert last == "/review?done=case-2&at=1"
    for told in ("No candidate waits", "sidecheck demo", "promotion", 'action="/review/case-2/undo"'):
        assert told in html


def test_the_keys_in_the_readme_are_those_of_the_page(client):
    post(client, "case-4/dismiss")
    html = page(client, "/review/case-2?done=case-4&at=1")
    of_shell = {f"g {key}" for key in "otrd"}
    written = block("review keys", (ROOT / "exporters" / "README.md").read_text(encoding="utf-8"))
    assert (
        set(re.findall("^[|] `(.)`", written, re.MULTILINE)) == set(re.findall('data-key="([^"]+)"', html)) - of_shell
    )


def test_a_filter_is_kept_from_case_to_case(client, store):
    store.edit_case("case-3", {"kind": ExampleType.EDGE}, "ann", "", NOW)
    assert went_to(client.get("/review?service=desk")) == "/review/case-2?service=desk"
    assert went_to(client.get("/review?kind=edge&check=")) == "/review/case-3?kind=edge"
    html = page(client, "/review/case-4?service=shop")
    assert 'href="/review/case-3?service=shop"' in html
    assert 'action="/review/case-4/promote?service=shop"' in html
    assert went_to(post(client, "case-3/dismiss?service=shop")).startswith("/review/case-1?service=shop&")


def test_a_filter_that_nothing_matches_says_so(client):
    html = page(client, "/review?service=nope")
    assert "No candidate matches" in html
    assert "4 wait without this filter" in html


def test_who_decided_is_remembered_and_sent_to_no_other_site(client):
    cookie = post(client, "case-4/promote", who="Zoë; x=1").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert 'value="Zoë; x=1"' in unescape(page(client, "/review/case-3"))


def test_without_a_name_it_was_anonymous(client, store):
    assert "set-cookie" not in post(client, "case-4/promote", who=" ").headers
    assert store.case("case-4").history[0].who == "anonymous"


def edit(client, case="case-4", **fields):
    return post(client, f"{case}/edit", **{"revision": "0", **fields})


def test_an_edit_is_kept_and_the_case_stays_in_view(client, store):
    html = page(client, "/review/case-4?edit=1")
    assert '<textarea id="mustMention"' in html
    fields = {"mustMention": "30 days\r\nannual", "maxLatencyMs": "2000", "tags": "returns", "why": "clearer"}
    assert went_to(edit(client, **fields)) == "/review/case-4?done=case-4&at=1"
    stored = store.case("case-4")
    assert (stored.case.expectation.must_mention, stored.case.tags) == (("30 days", "annual"), ("returns",))
    assert (stored.status, stored.history[0].why) == (CaseStatus.CANDIDATE, "clearer")
    post(client, "case-4/undo", revision="1")
    assert store.case("case-4").case.tags == ()


def test_an_edit_can_promote_at_once(client, store):
    assert went_to(edit(client, tags="x", then="promote")) == "/review/case-3?done=case-4&at=1"
    stored = store.case("case-4")
    assert (stored.status, stored.case.tags, stored.case.reviewed_by) == (CaseStatus.PROMOTED, ("x",), "ann")


def test_what_cannot_be_read_is_told_beside_its_field_and_nothing_typed_is_lost(client, store):
    typed = {
        "value": '{"days": }',
        "tags": "kept",
        "toolName": "note",
        "toolArguments": "[",
        "output": "tried",
        "why": "w",
    }
    response = edit(client, **typed)
    assert response.status_code == 422
    html = unescape(response.text)
    for shown in ('{"days": }', "kept", "note", "tried", 'value="w"', "line 1, column 10", "2 to mend"):
        assert shown in html
    assert re.search(r'id="value"[^>]*aria-invalid=true', response.text)
    assert store.case("case-4").revision == 0


def test_the_second_of_two_reviewers_sees_both_and_can_save_on_top(client, store):
    store.edit_case("case-4", {"tags": ("theirs",), "split": "test"}, "bob", "mine first", NOW + 5)
    conflict = edit(client, tags="ours", answer="30 days")
    assert conflict.status_code == 409
    html = conflict.text
    for shown in ("Someone else changed", "bob", "mine first", "theirs", "ours", "30 days", NOW_SHOWN):
        assert shown in html
    assert store.case("case-4").case.tags == ("theirs",)
    assert hidden(html) == "1"
    went_to(edit(client, revision="1", tags="theirs\r\nours", answer="30 days", split="test"))
    case = store.case("case-4").case
    assert (case.tags, case.expectation.answer, case.split) == (("theirs", "ours"), "30 days", "test")


NOW_SHOWN = "2024-10-04T12:00:00"


def test_fields_that_only_the_other_changed_are_theirs_when_ours_go_on_top(client, store):
    store.edit_case("case-4", {"split": "test"}, "bob", "", NOW)
    html = edit(client, tags="ours", split="").text
    assert re.search(r'name="split" value="test"', html)
    assert "ours</textarea>" in html


@pytest.mark.parametrize("what", ["promote", "dismiss", "undo"])
def test_a_decision_on_what_another_changed_shows_their_change_first(client, store, what):
    store.edit_case("case-4", {"tags": ("theirs",)}, "bob", "", NOW)
    response = post(client, f"case-4/{what}", revision="0")
    assert response.status_code == 409
    assert "theirs" in response.text
    assert store.case("case-4").revision == 1
    went_to(post(client, f"case-4/{what}", revision=hidden(response.text)))


@pytest.mark.parametrize("what", ["promote", "dismiss", "edit"])
def test_what_is_sent_twice_is_done_once_and_no_conflict(client, store, what):
    fields = {"revision": "0", "tags": "x"} if what == "edit" else {"revision": "0"}
    assert went_to(post(client, f"case-4/{what}", **fields)) == went_to(post(client, f"case-4/{what}", **fields))
    assert store.case("case-4").revision == 1


def test_what_is_sent_twice_and_not_the_same_is_a_conflict(client):
    edit(client, tags="x")
    assert edit(client, tags="y").status_code == 409
    assert post(client, "case-4/promote", revision="0").status_code == 409
    assert edit(client, tags="x", who="bob").status_code == 409


def test_the_live_check_answers_with_the_outcome_alone(client, store):
    answer = client.post(
        "/review/case-4/check",
        data={"revision": "0", "mustMention": "60 days", "output": "30 days"},
        headers={"hx-request": "true"},
    )
    assert answer.text.lstrip().startswith("<ul")
    assert "would not have caught it" in answer.text
    assert "The answer to try fails" in answer.text
    assert store.case("case-4").revision == 0


def test_without_a_script_the_check_is_the_page_with_what_was_typed(client):
    html = post(client, "case-4/check", revision="0", mustMention="60 days").text
    assert "would not have caught it" in html
    assert "60 days</textarea>" in html


def admitted(case, _trusted, redact):
    """Refuses a case that expects the word ``secret``, or replaces that."""
    answer = case.expectation.answer or ""
    if answer == "deadly":
        raise RedactionUnavailable("it could not be searched: its worker process died")
    if "secret" in answer and not redact:
        raise RedactionFailed("the case holds SECRET in expected.answer")
    return replace(case, expectation=replace(case.expectation, answer=answer.replace("secret", "<SECRET_1>") or None))


@pytest.fixture
def guarded(store):
    """A browser on a sidecar that looks at cases before they are promoted or changed."""
    app = create_api(store, admit_cases=one_by_one(admitted), now=lambda: NOW + 9)
    return TestClient(app, follow_redirects=False, headers=SAME_ORIGIN)


def test_an_edit_that_must_not_be_written_is_refused_and_can_be_saved_with_that_replaced(guarded, store):
    response = edit(guarded, answer="a secret", why="real")
    assert response.status_code == 409
    for shown in (
        "That was not done",
        "SECRET in expected.answer",
        "dismiss the case",
        'value="real"',
        "a secret</text",
    ):
        assert shown in response.text
    assert store.case("case-4").revision == 0
    assert 'name="redact"' in response.text
    went_to(edit(guarded, answer="a secret", redact="1"))
    assert store.case("case-4").case.expectation.answer == "a <SECRET_1>"


def test_an_edit_that_could_not_be_looked_at_loses_nothing_of_what_was_typed(guarded, store):
    response = edit(guarded, answer="deadly", why="real")
    assert response.status_code == 503
    for shown in ("That was not done", "its worker process died", 'value="real"', "deadly</text"):
        assert shown in response.text
    assert 'name="redact"' not in response.text
    assert store.case("case-4").revision == 0


def test_a_promotion_that_must_not_be_written_is_refused_and_can_be_done_with_that_replaced(guarded, store):
    store.edit_case("case-4", {"expectation": Expectation(answer="a secret")}, "ann", "", NOW)
    response = post(guarded, "case-4/promote", revision="1")
    assert response.status_code == 409
    assert "SECRET in expected.answer" in response.text
    assert store.case("case-4").status is CaseStatus.CANDIDATE
    sent = dict(re.findall('<input type="hidden" name="([a-z]+)" value="([^"]*)">', response.text))
    assert sent.pop("then") == "promote"
    assert (
        went_to(post(guarded, "case-4/edit", then="promote", redact="1", **sent)) == "/review/case-3?done=case-4&at=2"
    )
    stored = store.case("case-4")
    assert (stored.status, stored.case.expectation.answer) == (CaseStatus.PROMOTED, "a <SECRET_1>")


def test_an_undo_that_must_not_be_written_is_refused_and_can_be_done_with_that_replaced(guarded, store):
    store.edit_case("case-4", {"expectation": Expectation(answer="a secret"), "status": "promoted"}, "ann", "", NOW)
    store.edit_case("case-4", {"expectation": Expectation(answer="better")}, "ann", "", NOW)
    response = post(guarded, "case-4/undo", revision="2", why="a slip")
    assert response.status_code == 409
    assert "Replace it and undo" in response.text
    assert "Replace it and promote" not in response.text
    offer = response.text.partition("That was not done")[2].partition("</form>")[0]
    action = unescape(re.search('action="([^"]+)"', offer)[1])
    sent = dict(re.findall('<input type="hidden" name="([a-z]+)" value="([^"]*)">', offer))
    answer = guarded.post(action, data={**sent, "redact": "1"})
    assert went_to(answer) == "/review/case-4?done=case-4&at=3"
    stored = store.case("case-4")
    assert (stored.status, stored.case.expectation.answer) == (CaseStatus.PROMOTED, "a <SECRET_1>")
    assert (stored.history[0].who, stored.history[0].why) == ("ann", "a slip")


def test_nothing_that_was_captured_is_markup(client, store):
    case = a_case(
        7,
        fingerprint="f7",
        input=HOSTILE,
        observed_output=HOSTILE,
        tags=(HOSTILE,),
        source=Source(trace_id(7), HOSTILE, HOSTILE, (HOSTILE,)),
        expectation=Expectation(must_mention=(HOSTILE,), answer=HOSTILE, value=HOSTILE, rubric=HOSTILE),
    )
    verdict = a_verdict(HOSTILE, findings=(Finding("x", HOSTILE, evidence=(Evidence("aa", "output", 0, 9),)),))
    save(store, a_failing_record(7, case=case, verdicts=(verdict,), view={"output": HOSTILE}), now_ns=NOW + 7)
    store.edit_case("case-7", {"kind": "edge"}, HOSTILE, HOSTILE, NOW)
    for path in ("/review/case-7", "/review/case-7?edit=1", f"/review/case-4?service={HOSTILE[:40]}"):
        html = client.get(path).text
        assert "<script>alert" not in html
        assert not set("\x00\x1b\u202e") & set(html)
        assert "{{7*7}}" in html or "case-4" in path
    assert "<script>alert" not in edit(client, "case-7", revision="0", tags=HOSTILE, value=HOSTILE).text


def test_a_form_that_another_site_sends_changes_nothing(client, store):
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/review/case-4/promote", data={"who": "x"}, headers=headers).status_code == 403
    assert store.case("case-4").revision == 0


def test_what_is_no_form_is_refused(client):
    assert client.post("/review/case-4/promote", json={}).status_code == 415
    assert post(client, "case-4/edit", toolName=["x"] * 1001).status_code == 400
    assert post(client, "case-9/promote").status_code == 404
    assert post(client, "case-9/edit").status_code == 404
    assert client.get("/review/case-9").status_code == 404


def test_a_bar_is_shown_only_for_the_last_change_itself(client, store):
    post(client, "case-4/promote", revision="0")
    store.edit_case("case-4", {"tags": ("later",)}, "bob", "", NOW)
    assert "was <strong>" not in page(client, "/review/case-3?done=case-4&at=1")
    assert "was <strong>" not in page(client, "/review/case-3?done=nope&at=1")


def test_a_case_whose_trace_is_gone_can_still_be_reviewed(client, store):
    store.add_case(a_case(9, fingerprint="f9"), CaseStatus.CANDIDATE, "ann", "", NOW + 8)
    html = page(client, "/review/case-9")
    assert "no longer stored" in html
    assert "citations" in html


@pytest.fixture
def redacted(store):
    """Case 8, of whose answer an address was replaced."""
    case = a_case(8, fingerprint="f8", observed_output="<EMAIL_ADDRESS_1> 60 days", redacted=("EMAIL_ADDRESS",))
    wrong = Finding("missing", "wrong", evidence=(Evidence("aa", "output", 7, 14),))
    record = a_failing_record(8, case=case, verdicts=(a_verdict(findings=(wrong,)),), view={"output": "a@b.co 60 days"})
    save(store, record, now_ns=NOW + 8)


REPLACED = '<mark class="replaced" title="replaced: email address">'


@pytest.mark.usefixtures("redacted")
def test_what_was_replaced_is_marked_and_evidence_stays_in_its_place(client):
    html = page(client, "/review/case-8")
    assert f"{REPLACED}&lt;EMAIL_ADDRESS_1&gt;</mark> " in html
    assert '<mark class="evidence" title="citations: wrong">60 days</mark>' in html


@pytest.mark.usefixtures("redacted")
def test_what_was_captured_is_shown_only_when_asked_for(client):
    html = page(client, "/review/case-8")
    assert "a@b.co" not in html
    assert 'href="/review/case-8?original=1"' in html
    response = client.get("/review/case-8?original=1")
    assert f"{REPLACED}a@b.co</mark> 60 days" in response.text
    assert response.headers["cache-control"] == "no-store"
    assert "original" not in went_to(post(client, "case-8/dismiss?original=1"))


@pytest.mark.usefixtures("redacted")
def test_what_was_captured_cannot_be_asked_for_when_the_trace_is_gone(client, store):
    store.promote("case-8", "ann", "", NOW)
    store.retain(NOW * 2, 1, 2**40, 1)
    html = page(client, "/review/case-8?original=1")
    assert "a@b.co" not in html
    assert "he original" not in html


@pytest.mark.usefixtures("redacted")
def test_evidence_in_a_text_that_was_edited_is_marked_nowhere(client, store):
    store.edit_case("case-8", {"observed_output": "Edited 60 days"}, "ann", "", NOW)
    assert 'class="evidence"' not in page(client, "/review/case-8")


def test_a_reviewer_is_told_where_what_was_captured_cannot_be_shown(store):
    show = partial(replace, view={}, view_problem="its worker process died")
    client = TestClient(create_api(store, show_trace=show, now=lambda: NOW))
    assert "what was captured cannot be shown now: its worker process died" in page(client)
