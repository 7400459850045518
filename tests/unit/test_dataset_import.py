"""Cases that people bring are added, replace what differs, and change nothing when they come again."""

from dataclasses import replace

import pytest
from store_builders import NOW, a_case, a_failing_record, save, trace_id

from exporters.dataset.case import CaseStatus, Source
from exporters.dataset.formats.jsonl import line, read_line
from exporters.dataset.intake import Line, Problem
from exporters.review.bringing import bring_all
from exporters.store import CaseQuery, Conflict, Fate, ForgetTarget, NotFound

PROMOTED, CANDIDATE, DISMISSED = CaseStatus.PROMOTED, CaseStatus.CANDIDATE, CaseStatus.DISMISSED
NOWHERE = Source("", "")


def bring(store, *cases, status=PROMOTED, who="bob", **how):
    return store.datasets.bring(cases, status, who, "from cases.jsonl", NOW, **how)


def by_hand(**parts):
    return a_case(**{"id": "returns-1", "fingerprint": "", "source": NOWHERE, **parts})


def test_a_case_that_is_not_there_is_added_and_its_history_says_by_whom(store):
    assert bring(store, by_hand()) == (Fate.ADDED,)
    stored = store.case("returns-1")
    assert (stored.status, stored.case) == (PROMOTED, by_hand(source=Source("", "import")))
    (change,) = stored.history
    assert (change.who, change.why, change.action) == ("bob", "from cases.jsonl", "imported")


def test_a_case_may_be_added_for_review_first(store):
    bring(store, by_hand(), status=CANDIDATE)
    assert store.case("returns-1").status is CANDIDATE
    assert store.promote("returns-1", "ann", "good", NOW).status is PROMOTED


def test_a_case_keeps_what_it_says_of_its_reviewer_and_its_service(store):
    case = by_hand(source=Source("", "shop"), reviewed_by="ann")
    bring(store, case)
    assert store.case("returns-1").case == case


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_same_case_again_changes_nothing(store, dry_run):
    bring(store, by_hand())
    before = store.case("returns-1")
    assert bring(store, by_hand(), dry_run=dry_run) == (Fate.UNCHANGED,)
    assert store.case("returns-1") == before


def test_a_case_that_differs_replaces_the_one_that_is_there_and_can_be_seen_in_its_history(store):
    bring(store, by_hand())
    assert bring(store, by_hand(input="another")) == (Fate.CHANGED,)
    stored = store.case("returns-1")
    assert (stored.case.input, stored.revision) == ("another", 2)
    assert stored.history[0].old_case.input == by_hand().input


def test_a_case_that_is_there_may_be_kept(store):
    bring(store, by_hand())
    assert bring(store, by_hand(input="another"), by_hand(id="new"), replace=False) == (Fate.KEPT, Fate.ADDED)
    assert store.case("returns-1").case.input == by_hand().input


def test_what_a_line_leaves_out_of_where_its_case_came_from_stays(store):
    save(store, a_failing_record(1), status=PROMOTED)
    assert bring(store, a_case(1, source=NOWHERE, fingerprint="")) == (Fate.UNCHANGED,)
    assert bring(store, a_case(1, source=NOWHERE, fingerprint="", input="another")) == (Fate.CHANGED,)
    assert store.case("case-1").case == a_case(1, input="another")


def test_a_case_of_another_trace_does_not_replace_one(store):
    save(store, a_failing_record(1), status=PROMOTED)
    other = a_case(1, source=replace(a_case(1).source, trace_id=trace_id(2)))
    assert bring(store, other) == (Fate.OTHER_TRACE,)
    assert store.case("case-1").case == a_case(1)


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        (CANDIDATE, PROMOTED, PROMOTED),
        (DISMISSED, PROMOTED, PROMOTED),
        (PROMOTED, CANDIDATE, PROMOTED),
        (DISMISSED, CANDIDATE, DISMISSED),
    ],
)
def test_an_import_promotes_a_case_that_is_there_but_never_takes_that_back(store, before, status, after):
    store.add_case(a_case(1), before, "ann", "", NOW)
    bring(store, store.case("case-1").case, status=status)
    assert store.case("case-1").status is after


def test_a_dry_run_says_what_would_be_and_does_nothing(store):
    bring(store, by_hand())
    fates = bring(store, by_hand(input="another"), by_hand(id="new"), dry_run=True)
    assert fates == (Fate.CHANGED, Fate.ADDED)
    assert store.case("returns-1").case.input == by_hand().input
    assert store.case("new") is None


def test_a_case_of_a_forgotten_trace_does_not_come_back(store):
    save(store, a_failing_record(1))
    store.forget(ForgetTarget(trace_id=trace_id(1)), NOW)
    assert bring(store, a_case(1), by_hand()) == (Fate.FORGOTTEN, Fate.ADDED)
    assert store.case("case-1") is None


def test_a_case_that_was_brought_is_forgotten_with_its_user(store):
    save(store, a_failing_record(1, user_id="u", case=None))
    bring(store, a_case(1))
    assert store.forget(ForgetTarget(user_id="u"), NOW).cases == 1


def test_a_case_that_was_brought_is_known_to_the_one_who_edits_it_meanwhile(store):
    bring(store, by_hand())
    bring(store, by_hand(input="another"))
    with pytest.raises(Conflict):
        store.edit_case("returns-1", {"input": "mine"}, "ann", "", NOW, expected_revision=1)


def test_a_value_that_a_file_cannot_hold_is_no_change(store):
    odd = a_case(1, expectation=replace(a_case().expectation, value=float("nan")), input="\ud800\x00")
    store.add_case(odd, PROMOTED, "ann", "", NOW)
    assert bring(store, read_line(line(store.case("case-1").case))) == (Fate.UNCHANGED,)


# many at once


def test_a_file_is_taken_in_a_few_cases_at_a_time_and_every_problem_is_counted():
    sizes = []

    def take(cases):
        sizes.append(len(cases))
        return [Fate.FORGOTTEN if case.id == "case-2" else Fate.ADDED for case in cases]

    lines = [Line(number, a_case(number), 10) for number in range(1, 151)]
    brought = bring_all([*lines[:9], Problem(7, "id", "is bad"), *lines[9:]], take)
    assert sizes == [100, 50]
    assert brought.figures == {"added": 149, "changed": 0, "unchanged": 0, "kept": 0, "refused": 2}
    assert [problem.line for problem in brought.problems] == [2, 7]


def test_large_cases_are_taken_in_fewer_at_a_time():
    sizes = []

    def take(cases):
        sizes.append(len(cases))
        return [Fate.ADDED] * len(cases)

    bring_all([Line(number, a_case(number), 5_000_000) for number in range(1, 9)], take)
    assert sizes == [4, 4]


# edits of several cases


def test_several_cases_are_changed_each_in_its_own_way(store):
    save(store, *(a_failing_record(number) for number in (1, 2, 3)))
    changed = store.datasets.edit_each(
        ["case-1", "case-2"], lambda case: {"split": "test" if case.id == "case-1" else None}, "ann", "mine", NOW
    )
    assert changed == 1
    assert [store.case(f"case-{n}").case.split for n in (1, 2, 3)] == ["test", None, None]
    (change,) = store.case("case-1").history
    assert (change.who, change.why, change.action) == ("ann", "mine", "edited")


def test_several_cases_are_changed_all_or_none(store):
    save(store, a_failing_record(1))
    with pytest.raises(NotFound, match="'case-9'"):
        store.datasets.edit_each(["case-1", "case-9"], lambda _: {"tags": ("a",)}, "ann", "", NOW)
    assert store.case("case-1").revision == 0


def test_cases_are_found_by_their_split_and_by_all_of_their_tags(store):
    save(store, *(a_failing_record(number) for number in (1, 2, 3)))
    for number, tags in ((1, ("a", "b")), (2, ("a",)), (3, ())):
        store.edit_case(f"case-{number}", {"tags": tags, "split": f"s{number % 2}"}, "ann", "", NOW)

    def found(**query):
        return sorted(item.case.id for item in store.cases(CaseQuery(**query)).items)

    assert found(tags=("a",)) == ["case-1", "case-2"]
    assert found(tags=("b", "a")) == ["case-1"]
    assert found(split="s1") == ["case-1", "case-3"]
    assert found(split="s1", tags=("a",)) == ["case-1"]
    store.edit_case("case-1", {"tags": ()}, "ann", "", NOW)
    assert found(tags=("a",)) == ["case-2"]
