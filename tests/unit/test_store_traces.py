"""Evaluated traces in the store: saved once or many times, loaded, listed page by page."""

from dataclasses import replace

import pytest
from builders import a_thumb
from store_builders import (
    NOW,
    SECOND,
    a_case,
    a_failing_record,
    a_record,
    a_verdict,
    about,
    save,
    trace_id,
)

from checks.finding import Finding, Severity
from checks.report import Outcome
from checks.trace import CloseReason
from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.packed import pack
from exporters.record import CallFacts
from exporters.store import BadCursor, Kept, TraceQuery
from exporters.store.traces import HISTORY


def ids(page):
    return [item.trace_id for item in page.items]


def walk(store, query):
    """All ids of all pages of a query."""
    found, cursor = [], None
    while True:
        page = store.traces(TraceQuery(**{**query, "cursor": cursor}))
        found += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_a_saved_trace_comes_back_whole(store):
    said = a_thumb(up=True, source="event")
    record = a_record(
        closed_by=CloseReason.IDLE, session_id="s-1", user_id="u-1", truncated=True, feedback=(said,), duration_ns=7
    )
    save(store, record)
    stored = store.trace(record.trace_id)
    assert (stored.service, stored.convention, stored.closed_by) == ("shop", "genai", CloseReason.IDLE)
    assert (stored.start_ns, stored.end_ns, stored.duration_ns) == (record.start_ns, record.end_ns, 7)
    assert (stored.session_id, stored.user_id, stored.truncated, stored.span_count) == ("s-1", "u-1", True, 2)
    assert (stored.verdicts, stored.feedback) == (record.verdicts, (said,))
    assert (stored.spans, stored.logs, stored.evaluated_ns, stored.history) == (b"spans", b"logs", NOW, ())
    assert (stored.failing, stored.case_id, stored.case_status) == (False, None, None)
    assert (stored.model, stored.input, stored.output) == (record.model, record.input, record.output)


def test_what_calls_cost_is_kept_and_the_view_that_tells_of_it_is_not(store):
    calls = (CallFacts(cost=0.1 + 0.2), CallFacts(is_unpriced=True), CallFacts(cost=0.0))
    save(store, a_record(1, calls=calls), a_record(2))
    stored = store.trace(trace_id(1))
    assert (stored.view, stored.costs) == (None, (0.1 + 0.2, None, 0.0))
    assert (store.trace(trace_id(2)).view, store.trace(trace_id(2)).costs) == (None, ())


def test_a_view_that_an_earlier_version_kept_comes_back_as_it_was_kept(store):
    view = {"output": "30 days [1].", "documents": [{"id": "kb-7"}], "tokens": {"input": 7}}
    save(store, a_record(view=view))
    stored = store.trace(trace_id(1))
    assert (stored.view, stored.costs) == (view, ())


def test_the_view_of_a_trace_that_cannot_be_read_holds_nothing(store):
    save(store, a_record(is_read=False))
    assert store.trace(trace_id(1)).view == {}


def test_a_failing_trace_names_its_case(store):
    save(store, a_failing_record())
    stored = store.trace(trace_id(1))
    assert (stored.failing, stored.case_id, stored.case_status) == (True, "case-1", CaseStatus.CANDIDATE)


def test_an_unknown_trace_is_none(store):
    assert store.trace(trace_id(9)) is None
    assert store.trace("no such\x00id \ud800") is None


def test_saving_nothing_is_nothing(store):
    assert store.save((), CaseStatus.CANDIDATE, None, NOW).reopen == ()


def test_saving_the_same_twice_changes_nothing(store):
    records = (a_record(1), a_failing_record(2))
    save(store, *records)
    before = [store.trace(trace_id(n)) for n in (1, 2)]
    case = store.case("case-2")
    result = save(store, *records, now_ns=NOW + SECOND)
    assert [store.trace(trace_id(n)) for n in (1, 2)] == before
    assert store.case("case-2") == case
    assert result.cases_created == 0


def test_of_one_trace_in_a_batch_the_last_counts(store):
    save(store, a_failing_record(), a_record())
    assert store.trace(trace_id(1)).failing is False


def test_new_verdicts_replace_the_old_ones_which_go_to_the_history(store):
    first = (a_verdict("citations"), a_verdict("pii", Outcome.PASSED))
    second = (a_verdict("citations", Outcome.PASSED),)
    save(store, a_record(verdicts=first, evaluated_ns=NOW))
    save(store, a_record(verdicts=second, evaluated_ns=NOW + 5), now_ns=NOW + 6)
    stored = store.trace(trace_id(1))
    assert (stored.verdicts, stored.failing) == (second, False)
    (past,) = stored.history
    assert (past.verdicts, past.evaluated_ns, past.replaced_ns) == (first, NOW, NOW + 6)


def test_the_same_verdicts_given_in_another_time_are_no_history(store):
    save(store, a_record(verdicts=(a_verdict(duration_ns=1),)))
    save(store, a_record(verdicts=(a_verdict(duration_ns=2),), evaluated_ns=NOW + 1))
    stored = store.trace(trace_id(1))
    assert stored.history == ()
    assert stored.verdicts[0].duration_ns == 2


def test_the_history_is_newest_first_and_bounded(store):
    for version in range(HISTORY + 5):
        save(store, a_record(verdicts=(a_verdict(version=str(version)),)))
    history = store.trace(trace_id(1)).history
    assert [past.verdicts[0].version for past in history] == [str(n) for n in range(HISTORY + 3, 3, -1)]


def test_loading_gives_what_judging_again_needs(store):
    seen = a_thumb(up=False, source="attribute")
    record = a_record(truncated=True, feedback=(seen,))
    save(store, record)
    assert store.load([trace_id(1), trace_id(2)]) == {
        trace_id(1): Kept(
            pack(record).data, 2, record.verdicts, (), truncated=True, judged_feedback=(seen,), evaluated_ns=NOW
        )
    }
    assert store.sizes([trace_id(1), trace_id(2)]) == {trace_id(1): pack(record).column("stored_bytes")}


def test_loading_many_takes_them_all(store):
    records = [a_record(n) for n in range(1, 1203)]
    save(store, *records)
    wanted = [record.trace_id for record in records]
    assert set(store.load(wanted)) == set(wanted) == store.known([*wanted, trace_id(5000)])
    assert store.load([]) == {}
    assert store.known([]) == set()


def test_a_trace_with_feedback_only_is_not_known(store):
    store.add_feedback(about(1), a_thumb(up=True), NOW)
    assert store.known([trace_id(1)]) == set()


def test_odd_values_of_a_trace_are_survived(store):
    record = a_record(
        service="a\x00b\ud800" + "x" * 5000,
        session_id="s" * 100_000,
        user_id="u\x00",
        view={"input": "nul \x00 and half \ud800", "output": "o" * 1000, "model": 4, "big": 10**400},
        start_ns=2**64 - 1,
        end_ns=2**64 - 1,
        duration_ns=2**64 - 1,
        keys=(("response", "r" * 100_000), ("span", "\x00")),
        verdicts=(a_verdict("x" * 1000, findings=(Finding("c" * 1000, "\x00", Severity.ERROR),), duration_ns=2**65),),
    )
    save(store, record)
    stored = store.trace(trace_id(1))
    assert stored.view == record.view
    assert stored.verdicts == record.verdicts
    assert stored.start_ns == stored.end_ns == 2**63 - 1
    assert stored.input == "nul � and half ?"
    assert stored.output == "o" * 200
    assert ids(store.traces(TraceQuery(session_id="s" * 100_000))) == [trace_id(1)]
    assert ids(store.traces(TraceQuery(service=record.service))) == [trace_id(1)]


def test_verdicts_without_findings_come_back_each_with_its_own_time_and_text(store):
    fine, broken = a_verdict("a", Outcome.PASSED, score=1.0), a_verdict("b", Outcome.ERRORED, error="50 %d of %s {0}")
    items = [tuple(replace(each, duration_ns=number) for each in (fine, broken)) for number in (1, 2**65)]
    save(store, *(a_record(number, verdicts=verdicts) for number, verdicts in enumerate(items)))
    assert [store.trace(trace_id(number)).verdicts for number in (0, 1)] == items


def test_a_score_is_kept_as_it_was_written():
    kept = [pack(a_record(verdicts=(a_verdict(outcome=Outcome.PASSED, score=score),))).verdicts for score in (1.0, 1)]
    assert [type(verdict.score) for text in kept for verdict in codec.verdicts_from_json(text)] == [float, int]


def test_a_trace_without_spans_stands_where_it_was_judged(store):
    save(store, a_record(1, start_ns=0, evaluated_ns=5 * SECOND), a_record(4), a_record(6))
    assert ids(store.traces(TraceQuery())) == [trace_id(6), trace_id(1), trace_id(4)]


def test_the_list_is_newest_first_and_shows_what_a_line_needs(store):
    save(store, a_record(1), a_failing_record(2))
    page = store.traces(TraceQuery())
    assert ids(page) == [trace_id(2), trace_id(1)]
    assert page.next_cursor is None
    newest = page.items[0]
    assert (newest.input, newest.output, newest.model) == ("How long can I return it?", "30 days [1].", "gpt-4o")
    assert (newest.case_id, newest.verdicts) == ("case-2", (a_verdict(),))


@pytest.mark.parametrize("parts", [{}, {"failing_only": True}, {"check": "citations", "outcome": Outcome.FAILED}])
def test_pages_over_equal_times_repeat_and_lose_nothing(store, parts):
    save(store, *(a_failing_record(n, start_ns=SECOND) for n in range(1, 12)))
    assert walk(store, {"limit": 3, **parts}) == [trace_id(n) for n in range(11, 0, -1)]


def test_pages_by_code_repeat_and_lose_nothing(store):
    twice = (a_verdict("citations"), a_verdict("quotes"))
    save(store, *(a_record(n, start_ns=SECOND, verdicts=twice) for n in range(1, 8)))
    assert walk(store, {"limit": 2, "code": "missing"}) == [trace_id(n) for n in range(7, 0, -1)]


def test_a_trace_that_comes_between_two_pages_shifts_nothing(store):
    save(store, *(a_record(n) for n in range(1, 5)))
    first = store.traces(TraceQuery(limit=2))
    save(store, a_record(9))
    second = store.traces(TraceQuery(limit=2, cursor=first.next_cursor))
    assert ids(first) + ids(second) == [trace_id(n) for n in (4, 3, 2, 1)]


@pytest.mark.parametrize("limit", [-1, 0, 10**9])
def test_a_page_has_at_least_one_and_at_most_the_most_items(store, limit):
    save(store, *(a_record(n) for n in range(1, 503)))
    assert len(store.traces(TraceQuery(limit=limit)).items) == (500 if limit > 0 else 1)


def test_a_cursor_from_elsewhere_is_refused(store):
    for made_up in ("", "x", "WzEsICJhIl0x", "WyJhIiwgImIiXQ", "\ud800", "[" * 10_000):
        with pytest.raises(BadCursor):
            store.traces(TraceQuery(cursor=made_up))


@pytest.fixture
def mixed(store):
    """Five traces, each different in one way."""
    failed, passed = a_verdict(), a_verdict(outcome=Outcome.PASSED)
    pii = a_verdict("pii", findings=(Finding("email_address", "an address"),))
    save(
        store,
        a_record(1, verdicts=(failed, a_verdict("pii", Outcome.PASSED))),
        a_record(2, service="desk", verdicts=(passed, pii)),
        a_record(3, session_id="s-1", verdicts=(passed,)),
        a_record(4, service="desk", verdicts=(failed, pii)),
        a_record(5, verdicts=(a_verdict("pii", Outcome.ERRORED, error="ValueError"),)),
    )
    return store


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"service": "desk"}, [4, 2]),
        ({"service": "none such"}, []),
        ({"session_id": "s-1"}, [3]),
        ({"failing_only": True}, [4, 2, 1]),
        ({"outcome": Outcome.FAILED}, [4, 2, 1]),
        ({"outcome": Outcome.ERRORED}, [5]),
        ({"check": "citations"}, [4, 3, 2, 1]),
        ({"check": "citations", "outcome": Outcome.FAILED}, [4, 1]),
        ({"check": "citations", "outcome": Outcome.PASSED}, [3, 2]),
        ({"check": "pii", "outcome": Outcome.PASSED}, [1]),
        ({"check": "citations", "failing_only": True}, [4, 2, 1]),
        ({"code": "email_address"}, [4, 2]),
        ({"code": "missing"}, [4, 1]),
        ({"code": "missing", "check": "pii"}, []),
        ({"code": "missing", "service": "shop"}, [1]),
        ({"code": "email_address", "check": "pii", "outcome": Outcome.FAILED}, [4, 2]),
        ({"code": "email_address", "outcome": Outcome.ERRORED}, []),
        ({"check": "citations", "outcome": Outcome.FAILED, "service": "desk"}, [4]),
        ({"since_ns": 2 * SECOND, "until_ns": 4 * SECOND}, [3, 2]),
        ({"since_ns": -(10**30), "until_ns": 10**30}, [5, 4, 3, 2, 1]),
        ({"check": "citations", "outcome": Outcome.FAILED, "since_ns": 2 * SECOND}, [4]),
        ({"code": "missing", "until_ns": 4 * SECOND}, [1]),
    ],
)
def test_each_condition_narrows_the_list(mixed, parts, numbers):
    assert ids(mixed.traces(TraceQuery(**parts))) == [trace_id(n) for n in numbers]
    assert walk(mixed, {"limit": 1, **parts}) == [trace_id(n) for n in numbers]


def test_a_list_follows_a_trace_that_was_judged_again(store):
    save(store, a_failing_record(1), a_record(2))
    save(store, a_record(1, start_ns=3 * SECOND))
    assert ids(store.traces(TraceQuery(failing_only=True))) == []
    assert ids(store.traces(TraceQuery(code="missing"))) == []
    assert ids(store.traces(TraceQuery(check="citations", outcome=Outcome.PASSED))) == [trace_id(1), trace_id(2)]


def test_a_hundred_traces_of_one_case_each_are_all_listed_with_it(store):
    save(store, *(a_failing_record(n, case=a_case(n, fingerprint=str(n))) for n in range(1, 101)))
    assert all(item.case_id for item in store.traces(TraceQuery(limit=100)).items)
