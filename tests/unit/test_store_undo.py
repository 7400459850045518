"""The last change of a case is taken back, as a change of its own; and a reviewer's queue."""

from dataclasses import replace

import pytest
from store_builders import DAY, NOW, a_case, a_failing_record, a_record, save, trace_id

from exporters.dataset.case import CaseStatus, ExampleType, Source
from exporters.store import CaseQuery, Conflict, NotFound, Place, cases

CANDIDATE, PROMOTED, DISMISSED, WITHDRAWN = CaseStatus


@pytest.fixture
def one(store):
    """A store with one candidate."""
    save(store, a_failing_record())
    return store


def undo(store, who="ann", **parts):
    return store.undo_case("case-1", who, "a slip", NOW + 9, **parts)


@pytest.mark.parametrize("decide", ["promote", "dismiss"])
def test_an_undone_decision_leaves_a_candidate_that_no_person_touched(one, decide):
    getattr(one, decide)("case-1", "ann", "", NOW)
    undone = undo(one)
    assert (undone.status, undone.case, undone.revision) == (CANDIDATE, a_case(), 2)
    save(one, a_record())
    assert one.case("case-1").status is WITHDRAWN


def test_an_undo_is_a_change_that_says_who_when_and_why_and_keeps_the_old_value(one):
    one.promote("case-1", "ann", "", NOW)
    last = undo(one).history[0]
    assert (last.who, last.why, last.time_ns, last.action, last.revision) == ("ann", "a slip", NOW + 9, "undone", 2)
    assert (last.old_status, last.old_case.reviewed_by) == (PROMOTED, "ann")


def test_undoing_an_undo_does_it_again(one):
    promoted = one.promote("case-1", "ann", "", NOW)
    undo(one)
    again = undo(one)
    assert (again.status, again.case) == (promoted.status, promoted.case)
    save(one, a_record())
    assert one.case("case-1").status is PROMOTED
    assert undo(one).status is CANDIDATE


def test_an_edit_is_undone_with_its_searched_columns(one):
    changes = {"tags": ("x",), "kind": ExampleType.EDGE}
    one.edit_case("case-1", changes, "ann", "", NOW)
    assert undo(one).case == a_case()
    assert one.cases(CaseQuery(kinds=(ExampleType.EDGE,))).items == ()


def test_what_stood_before_the_undone_change_still_keeps_evaluations_away(one):
    one.edit_case("case-1", {"tags": ("x",)}, "ann", "", NOW)
    one.promote("case-1", "ann", "", NOW)
    assert undo(one).case.tags == ("x",)
    save(one, a_record())
    assert one.case("case-1").status is CANDIDATE


def test_an_evaluations_changes_before_the_undone_one_are_no_persons(one):
    for record in (a_record(), a_failing_record(case=a_case(input="another"))):
        save(one, record)
    one.dismiss("case-1", "ann", "", NOW)
    undo(one)
    save(one, a_record())
    assert one.case("case-1").status is WITHDRAWN


def test_what_is_no_longer_known_of_very_many_changes_counts_as_a_persons(one, monkeypatch):
    monkeypatch.setattr(cases, "PEOPLES_HISTORY", 3)
    for n in range(9):
        one.edit_case("case-1", {"tags": (str(n),)}, "ann", "", NOW)
    undo(one)
    save(one, a_record())
    assert one.case("case-1").status is CANDIDATE


def test_an_undone_decision_brings_back_what_retention_does_with_traces_and_candidates(one):
    kept = {"age_ns": DAY, "max_bytes": 2**40, "flagged_age_ns": 30 * DAY}
    one.promote("case-1", "ann", "", NOW)
    undo(one)
    assert one.retain(NOW + 2 * DAY, **kept).aged == 0
    removed = one.retain(NOW + 40 * DAY, **kept)
    assert (removed.aged, removed.flagged, removed.cases) == (1, 1, 1)


def test_a_promoted_case_that_was_undone_and_done_again_frees_its_trace(one):
    one.promote("case-1", "ann", "", NOW)
    undo(one)
    undo(one)
    assert one.retain(NOW + 2 * DAY, DAY, 2**40, 30 * DAY).aged == 1


def test_nobody_undoes_by_mistake_what_another_did_since(one):
    one.promote("case-1", "ann", "", NOW)
    one.edit_case("case-1", {"tags": ("b",)}, "bob", "", NOW)
    with pytest.raises(Conflict, match="someone else"):
        undo(one)
    with pytest.raises(Conflict, match="revision 2, not 1"):
        undo(one, expected_revision=1)
    assert one.case("case-1").case.tags == ("b",)
    assert undo(one, expected_revision=2).case.tags == ()


def test_there_is_nothing_to_undo_in_a_case_that_nobody_changed(one):
    with pytest.raises(Conflict, match="nothing to undo"):
        undo(one)
    with pytest.raises(NotFound):
        one.undo_case("case-9", "ann", "", NOW)


def test_a_case_is_undone_by_its_traces_id(one):
    one.promote("case-1", "ann", "", NOW)
    assert one.undo_case(trace_id(1), "ann", "", NOW).status is CANDIDATE


def test_a_case_that_a_person_added_becomes_a_candidate_when_that_is_undone(store):
    save(store, a_record())
    store.add_case(a_case(), PROMOTED, "ann", "typical", NOW)
    assert undo(store).status is CANDIDATE


WAITING = CaseQuery(statuses=(CANDIDATE,))


@pytest.fixture
def queue(store):
    """A store with candidates 1 to 5, of which 5 is the newest; 2 is of another service."""
    for n in range(1, 6):
        source = Source(trace_id(n), "desk" if n == 2 else "shop", None, ("citations",))
        save(store, a_failing_record(n, case=a_case(n, fingerprint=f"f{n}", source=source)), now_ns=NOW + n)
    return store


def test_a_queue_goes_from_the_newest_to_the_oldest(queue):
    assert queue.place(WAITING, "case-3") == Place("case-4", "case-2", 5)
    assert queue.place(WAITING, "case-5") == Place(None, "case-4", 5)
    assert queue.place(WAITING, "case-1") == Place("case-2", None, 5)


def test_a_case_that_was_decided_on_keeps_its_place(queue):
    queue.promote("case-3", "ann", "", NOW)
    assert queue.place(WAITING, "case-3") == Place("case-4", "case-2", 4)
    assert queue.place(WAITING, "case-4") == Place("case-5", "case-2", 4)


def test_a_queue_can_be_narrowed(queue):
    assert queue.place(replace(WAITING, service="shop"), "case-3") == Place("case-4", "case-1", 4)


def test_beside_an_unknown_case_the_queue_begins(queue):
    assert queue.place(WAITING, "case-9\x00") == Place(None, "case-5", 5)


def test_cases_made_at_one_time_are_each_passed_once(store):
    save(store, *(a_failing_record(n, case=a_case(n, fingerprint=f"f{n}")) for n in range(1, 6)))
    seen, here = [], "none"
    while (here := store.place(WAITING, here).next) is not None:
        seen.append(here)
    assert seen == ["case-5", "case-4", "case-3", "case-2", "case-1"]
