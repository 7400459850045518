"""Cases: made within limits, withdrawn and brought back by evaluations, decided on and edited by people."""

from dataclasses import replace

import pytest
from store_builders import DAY, LIMITS, NOW, a_case, a_failing_record, a_record, a_verdict, save, trace_id

from checks.finding import Finding
from checks.report import Outcome
from exporters.dataset.case import CaseStatus, ExampleType, Expectation, Source
from exporters.store import CaseLimits, CaseQuery, Conflict, NotFound, cases
from exporters.store.cases import HISTORY

CANDIDATE, PROMOTED, DISMISSED, WITHDRAWN = (
    CaseStatus.CANDIDATE,
    CaseStatus.PROMOTED,
    CaseStatus.DISMISSED,
    CaseStatus.WITHDRAWN,
)


def apart(number, **parts):
    """The n-th failing trace, failing in a way of its own."""
    return a_failing_record(number, case=a_case(number, fingerprint=f"f{number}"), **parts)


def ids(page):
    return [item.case.id for item in page.items]


def status_of(store, case_id="case-1"):
    return store.case(case_id).status


def test_a_failing_trace_becomes_a_candidate(store):
    result = save(store, a_failing_record())
    stored = store.case("case-1")
    assert (result.cases_created, stored.case, stored.status) == (1, a_case(), CANDIDATE)
    assert (stored.revision, stored.created_ns, stored.updated_ns, stored.history) == (0, NOW, NOW, ())
    assert store.case_of_trace(trace_id(1)) == stored


def test_without_review_a_failing_trace_is_promoted_at_once(store):
    save(store, a_failing_record(), status=PROMOTED)
    assert status_of(store) is PROMOTED


def test_what_is_not_there_is_none(store):
    assert store.case("case-9") is None
    assert store.case_of_trace(trace_id(9)) is None


def test_a_cluster_has_at_most_its_number_of_cases_and_counts_all_its_traces(store):
    result = save(store, *(a_failing_record(n) for n in range(1, 9)))
    assert (result.cases_created, result.cases_suppressed_by_cap) == (5, 3)
    assert sorted(ids(store.cases(CaseQuery()))) == [f"case-{n}" for n in range(1, 6)]
    assert store.case("case-1").cluster_size == 8


def test_a_cluster_that_is_full_stays_full_in_later_saves(store):
    for n in range(1, 9):
        save(store, a_failing_record(n))
    assert len(store.cases(CaseQuery()).items) == 5


def test_a_dismissed_case_still_takes_its_place_and_a_withdrawn_one_does_not(store):
    limits = CaseLimits(per_cluster=1)
    save(store, a_failing_record(1), limits=limits)
    store.dismiss("case-1", "ann", "noise", NOW)
    assert save(store, a_failing_record(2), limits=limits).cases_created == 0
    save(store, apart(3), limits=limits)
    save(store, a_record(3), limits=limits)
    again = a_failing_record(4, case=a_case(4, fingerprint="f3"))
    assert save(store, again, limits=limits).cases_created == 1


def test_a_day_has_at_most_its_number_of_new_cases(store):
    limits = CaseLimits(per_day=3)
    assert save(store, *(apart(n) for n in range(1, 3)), limits=limits).cases_created == 2
    later = save(store, *(apart(n) for n in range(3, 9)), limits=limits)
    assert (later.cases_created, later.cases_suppressed_by_cap) == (1, 5)
    assert save(store, apart(10), limits=limits, now_ns=NOW + DAY).cases_created == 1


def test_the_day_ends_at_midnight_utc(store):
    limits = CaseLimits(per_day=1)
    midnight = NOW - NOW % DAY + DAY
    save(store, apart(1), limits=limits, now_ns=midnight - 1)
    assert save(store, apart(2), limits=limits, now_ns=midnight - 1).cases_created == 0
    assert save(store, apart(2), limits=limits, now_ns=midnight).cases_created == 1


def test_a_case_that_a_person_adds_does_not_count_for_the_day(store):
    store.add_case(a_case(1), PROMOTED, "ann", "typical", NOW)
    assert save(store, apart(2), limits=CaseLimits(per_day=1)).cases_created == 1


def test_a_trace_is_counted_once_in_its_cluster_however_often_it_is_saved(store):
    for _ in range(3):
        save(store, a_failing_record(1), a_failing_record(2))
    assert store.case("case-1").cluster_size == 2


def test_a_trace_that_fails_in_another_way_moves_to_the_other_cluster(store):
    save(store, a_failing_record(1), a_failing_record(2))
    for fingerprint in ("other", "f" * 16, "other"):
        save(store, a_failing_record(1, case=a_case(1, fingerprint=fingerprint)))
    assert (store.case("case-1").case.fingerprint, store.case("case-1").cluster_size) == ("other", 1)
    assert store.case("case-2").cluster_size == 1


def test_a_candidate_is_withdrawn_when_its_trace_no_longer_fails(store):
    save(store, a_failing_record())
    result = save(store, a_record(), now_ns=NOW + 1)
    stored = store.case("case-1")
    assert (result.cases_withdrawn, stored.status, stored.case) == (1, WITHDRAWN, a_case())
    (change,) = stored.history
    assert (change.who, change.action, change.old_status) == ("sidecheck", "withdrawn", CANDIDATE)
    assert save(store, a_record(), now_ns=NOW + 1).cases_withdrawn == 0


def test_a_withdrawn_candidate_comes_back_when_its_trace_fails_again(store):
    for record in (a_failing_record(), a_record(), a_failing_record()):
        save(store, record)
    assert status_of(store) is CANDIDATE
    assert [change.action for change in store.case("case-1").history] == ["candidate", "withdrawn"]


def test_an_untouched_candidate_follows_its_trace(store):
    save(store, a_failing_record())
    other = a_case(observed_output="90 days.", source=Source(trace_id(1), "shop", "gpt-4o", ("pii",)))
    save(store, a_failing_record(case=other))
    stored = store.case("case-1")
    assert (stored.case, stored.status, stored.revision) == (other, CANDIDATE, 1)
    assert stored.history[0].old_case == a_case()
    assert ids(store.cases(CaseQuery(check="pii"))) == ["case-1"]
    assert ids(store.cases(CaseQuery(check="citations"))) == []


@pytest.mark.parametrize("decide", ["promote", "dismiss"])
@pytest.mark.parametrize("again", [a_record(), a_failing_record(case=a_case(input="another"))])
def test_a_case_that_was_decided_on_is_never_changed_by_an_evaluation(store, decide, again):
    save(store, a_failing_record())
    decided = getattr(store, decide)("case-1", "ann", "seen", NOW)
    save(store, again)
    assert store.case("case-1") == replace(decided, cluster_size=store.case("case-1").cluster_size)


def test_a_case_promoted_without_a_person_is_not_withdrawn(store):
    save(store, a_failing_record(), status=PROMOTED)
    save(store, a_record(), status=PROMOTED)
    assert status_of(store) is PROMOTED


def test_a_candidate_that_a_person_edited_is_never_changed_by_an_evaluation(store):
    save(store, a_failing_record())
    store.edit_case("case-1", {"tags": ("returns",)}, "ann", "sorting", NOW)
    save(store, a_record())
    assert (status_of(store), store.case("case-1").case.tags) == (CANDIDATE, ("returns",))


@pytest.mark.parametrize("identity", ["case-1", trace_id(1)])
def test_a_case_is_promoted_by_its_id_or_its_traces(store, identity):
    save(store, a_failing_record())
    stored = store.promote(identity, "ann", "real", NOW + 1)
    assert (stored.status, stored.case.reviewed_by, stored.revision) == (PROMOTED, "ann", 1)
    (change,) = stored.history
    assert (change.who, change.why, change.time_ns, change.action) == ("ann", "real", NOW + 1, "promoted")
    assert (change.old_status, change.old_case, change.revision) == (CANDIDATE, a_case(), 1)


def test_promoting_twice_is_promoting_once(store):
    save(store, a_failing_record())
    assert store.promote("case-1", "ann", "real", NOW) == store.promote("case-1", "bob", "me too", NOW + 1)


def test_a_dismissed_case_can_be_promoted_later(store):
    save(store, a_failing_record())
    store.dismiss("case-1", "ann", "noise", NOW)
    assert [change.action for change in store.promote("case-1", "bob", "no", NOW).history] == ["promoted", "dismissed"]


def test_an_unknown_case_is_not_found(store):
    for call in (store.promote, store.dismiss):
        with pytest.raises(NotFound):
            call("case-9\x00", "ann", "", NOW)
    with pytest.raises(NotFound):
        store.edit_case("case-9", {}, "ann", "", NOW)


def test_the_second_of_two_reviewers_sees_a_conflict_and_nothing_is_lost(store):
    save(store, a_failing_record())
    store.edit_case("case-1", {"tags": ("a",)}, "ann", "", NOW, expected_revision=0)
    with pytest.raises(Conflict, match="revision 1, not 0"):
        store.edit_case("case-1", {"tags": ("b",)}, "bob", "", NOW, expected_revision=0)
    with pytest.raises(Conflict):
        store.promote("case-1", "bob", "", NOW, expected_revision=0)
    assert store.case("case-1").case.tags == ("a",)
    assert store.dismiss("case-1", "bob", "", NOW, expected_revision=1).status is DISMISSED


def test_an_edit_keeps_who_when_why_and_the_old_value(store):
    save(store, a_failing_record())
    expectation = Expectation(must_mention=("30 days",))
    changes = {"expectation": expectation, "kind": "edge", "tags": ["x"], "status": "promoted"}
    stored = store.edit_case("case-1", changes, "ann", "clearer", NOW + 5)
    assert (stored.case.expectation, stored.case.kind, stored.case.tags) == (expectation, ExampleType.EDGE, ("x",))
    assert (stored.status, stored.case.reviewed_by, stored.updated_ns) == (PROMOTED, "ann", NOW + 5)
    assert (stored.history[0].who, stored.history[0].why, stored.history[0].old_case) == ("ann", "clearer", a_case())


def test_an_edit_that_changes_nothing_leaves_no_trace(store):
    save(store, a_failing_record())
    assert store.edit_case("case-1", {"input": a_case().input}, "ann", "", NOW).revision == 0


@pytest.mark.parametrize("changes", [{"id": "x"}, {"source": None}, {"nonsense": 1}, {"kind": "no"}, {"status": "no"}])
def test_what_cannot_be_changed_is_refused(store, changes):
    save(store, a_failing_record())
    with pytest.raises(ValueError):  # noqa: PT011 - two kinds of text, one of them the enum's
        store.edit_case("case-1", changes, "ann", "", NOW)
    assert store.case("case-1").revision == 0


def test_a_person_adds_a_case_of_a_trace_that_has_none(store):
    save(store, a_record())
    stored = store.add_case(a_case(), PROMOTED, "ann", "typical", NOW)
    assert (stored.status, stored.case) == (PROMOTED, a_case(reviewed_by="ann"))
    assert store.trace(trace_id(1)).case_id == "case-1"
    save(store, a_failing_record(case=a_case(input="another")))
    assert store.case("case-1").case.input == a_case().input


def test_adding_a_case_that_is_there_decides_on_it(store):
    save(store, a_failing_record())
    stored = store.add_case(a_case(input="another"), PROMOTED, "ann", "real", NOW)
    assert (stored.status, stored.case.input) == (PROMOTED, a_case().input)


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [
        ({}, [4, 3, 2, 1]),
        ({"statuses": (PROMOTED,)}, [2]),
        ({"statuses": (PROMOTED, DISMISSED)}, [3, 2]),
        ({"kinds": (ExampleType.EDGE,)}, [4]),
        ({"service": "desk"}, [3]),
        ({"check": "pii"}, [1]),
        ({"fingerprint": "f2"}, [2]),
        ({"since_ns": NOW + 2, "until_ns": NOW + 4}, [3, 2]),
        ({"statuses": (CANDIDATE,), "check": "citations"}, [4]),
    ],
)
def test_each_condition_narrows_the_list_of_cases(store, parts, numbers):
    cases = [
        a_case(1, fingerprint="f1", source=Source(trace_id(1), "shop", None, ("pii",))),
        a_case(2, fingerprint="f2"),
        a_case(3, fingerprint="f3", source=Source(trace_id(3), "desk", None, ("citations",))),
        a_case(4, fingerprint="f4", kind=ExampleType.EDGE),
    ]
    for n, case in enumerate(cases, 1):
        save(store, a_failing_record(n, case=case), now_ns=NOW + n)
    store.promote("case-2", "ann", "", NOW)
    store.dismiss("case-3", "ann", "", NOW)
    assert ids(store.cases(CaseQuery(**parts))) == [f"case-{n}" for n in numbers]
    assert [item.case.id for item in store.iter_cases(CaseQuery(**parts))] == [f"case-{n}" for n in numbers[::-1]]


def test_pages_of_cases_made_at_once_repeat_and_lose_nothing(store):
    save(store, *(apart(n) for n in range(1, 8)))
    found, cursor = [], None
    while True:
        page = store.cases(CaseQuery(limit=2, cursor=cursor))
        found += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"case-{n}" for n in range(7, 0, -1)]


def test_a_stream_of_more_cases_than_a_page_gives_each_once(store):
    save(store, *(apart(n) for n in range(1, 1104)), limits=CaseLimits(per_day=10_000))
    found = [item.case.id for item in store.iter_cases(CaseQuery(limit=1))]
    assert len(found) == len(set(found)) == 1103


def test_the_gauges_count_every_status(store):
    save(store, *(apart(n) for n in range(1, 5)))
    store.promote("case-1", "ann", "", NOW)
    save(store, a_record(2))
    counts = store.counts()
    assert counts.cases == {CANDIDATE: 2, PROMOTED: 1, DISMISSED: 0, WITHDRAWN: 1}
    assert counts.bytes > 0


def test_a_passing_trace_makes_no_case_whatever_else_is_saved_with_it(store):
    save(store, a_failing_record(1), a_record(2, verdicts=(a_verdict(outcome=Outcome.ERRORED),)), limits=LIMITS)
    assert ids(store.cases(CaseQuery())) == ["case-1"]


def test_a_trace_that_is_judged_again_and_again_leaves_a_bounded_history(store):
    for _ in range(HISTORY):
        save(store, a_failing_record(), a_record(2))
        save(store, a_record(), a_record(2))
    changes = store.case("case-1").history
    assert [change.revision for change in changes] == list(range(2 * HISTORY - 1, HISTORY - 1, -1))


def test_a_user_who_turns_again_and_again_pushes_no_person_out_of_the_history(store):
    thumbs_down = a_verdict("user_feedback", findings=(Finding("thumbs_down", "a user was not content"),))
    case = a_case(source=Source(trace_id(1), "shop", "gpt-4o", ("user_feedback",)))
    discontent = a_failing_record(case=case, verdicts=(thumbs_down,))
    save(store, discontent)
    store.promote("case-1", "ann", "", NOW)
    for _ in range(HISTORY):
        save(store, a_record())
        save(store, discontent)
    owner = [change.who for change in store.case("case-1").history]
    assert owner == ["sidecheck"] * HISTORY + ["ann"]


def test_what_people_did_to_a_case_is_bounded_too(store, monkeypatch):
    monkeypatch.setattr(cases, "PEOPLES_HISTORY", 3)
    save(store, a_failing_record())
    for n in range(1, 7):
        store.edit_case("case-1", {"tags": (str(n),)}, "ann", "", NOW)
    assert [change.revision for change in store.case("case-1").history] == [6, 5, 4]
