"""Marks cut a text into pieces, and what changed in a case is told."""

from dataclasses import replace

import pytest
from store_builders import NOW, a_case, a_failing_record, a_verdict, save

from checks.finding import Evidence, Finding
from checks.report import Outcome
from exporters.dataset.case import CaseStatus, Expectation
from exporters.review import changes, marks, originals
from exporters.review.marks import Mark, Piece


def test_a_text_without_marks_is_one_piece():
    assert marks.pieces("60 days.") == [Piece("60 days.")]
    assert marks.pieces("") == []


def test_marks_that_lie_over_each_other_are_each_named():
    cut = marks.pieces("abcdef", [Mark(0, 4, "evidence", "one"), Mark(2, 6, "replaced", "two")])
    assert cut == [
        Piece("ab", "evidence", "one"),
        Piece("cd", "evidence replaced", "one; two"),
        Piece("ef", "replaced", "two"),
    ]


def test_marks_beyond_the_text_are_left_out():
    wrong = [Mark(-1, 2, "evidence", "x"), Mark(2, 2, "evidence", "x"), Mark(1, 9, "evidence", "x")]
    assert marks.pieces("abc", wrong) == [Piece("abc")]


def test_only_placeholders_of_what_was_replaced_are_marked():
    text = "<EMAIL_ADDRESS_1> and <PERSON_2>, not <b> nor <URL_1>"
    found = [(text[m.start : m.end], m.label) for m in marks.placeholders(text, {"EMAIL_ADDRESS", "PERSON"})]
    assert found == [("<EMAIL_ADDRESS_1>", "replaced: email address"), ("<PERSON_2>", "replaced: person")]


def test_evidence_is_that_of_failed_verdicts_with_a_place_in_a_text():
    places = (Evidence("aa", "output", 0, 3), Evidence("aa", "output"), Evidence("aa"))
    failed = a_verdict(findings=(Finding("missing", "cites nothing", evidence=places),))
    passed = a_verdict(outcome=Outcome.PASSED, findings=failed.findings)
    assert marks.evidence([failed, passed]) == {"output": [Mark(0, 3, "evidence", "citations: cites nothing")]}


def test_what_differs_is_told_by_field_as_it_is_edited():
    expected = Expectation(must_mention=("30 days",), checks={"citations": {"version": "2"}})
    other = replace(a_case(), input="another", tags=("x", "y"), expectation=expected)
    told = {one.field: (one.before, one.after) for one in changes.differences(a_case(), other)}
    assert told == {
        "input": ('"How long can I return it?"', '"another"'),
        "checks": (
            '{\n  "citations": {\n    "version": "1"\n  }\n}',
            '{\n  "citations": {\n    "version": "2"\n  }\n}',
        ),
        "mustMention": ("", "30 days"),
        "tags": ("", "x\ny"),
    }


def test_changes_since_a_revision_say_who_did_what(store):
    save(store, a_failing_record())
    store.edit_case("case-1", {"tags": ("a",)}, "ann", "one", NOW)
    store.edit_case("case-1", {"tags": ("a", "b")}, "bob", "two", NOW + 1)
    stored = store.promote("case-1", "cem", "three", NOW + 2)
    promoted, second = changes.since(stored, 1)
    change = promoted.change
    assert (change.who, change.action, change.old_status, promoted.status) == (
        "cem",
        "promoted",
        CaseStatus.CANDIDATE,
        CaseStatus.PROMOTED,
    )
    assert promoted.differences == ()
    assert [(one.field, one.before, one.after) for one in second.differences] == [("tags", "a", "a\nb")]
    assert changes.since(stored, stored.revision) == ()
    assert changes.at_revision(stored, 1).tags == ("a",)
    assert changes.at_revision(stored, 3) == stored.case


MAIL = {"EMAIL_ADDRESS", "PERSON"}


def swapped(captured, written):
    """Each captured part and its placeholder."""
    found = originals.aligned(captured, written, MAIL)
    return found and [(captured[s.start : s.end], written[s.written_start : s.written_end]) for s in found]


@pytest.mark.parametrize(
    ("captured", "written", "parts"),
    [
        ("same", "same", ()),
        ("a@b.co", "<EMAIL_ADDRESS_1>", [("a@b.co", "<EMAIL_ADDRESS_1>")]),
        ("to a@b.co, a@b.co.", "to <EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_1>.", [("a@b.co", "<EMAIL_ADDRESS_1>")] * 2),
        ("ann a@b.co", "<PERSON_1> <EMAIL_ADDRESS_1>", [("ann", "<PERSON_1>"), ("a@b.co", "<EMAIL_ADDRESS_1>")]),
        ("ann+a@b.co", "<PERSON_1><EMAIL_ADDRESS_1>", [("ann", "<PERSON_1>"), ("+a@b.co", "<EMAIL_ADDRESS_1>")]),
        ("a@b.co <PHONE_1>", "<EMAIL_ADDRESS_1> <PHONE_1>", [("a@b.co", "<EMAIL_ADDRESS_1>")]),
        ("x a@b.co", "y <EMAIL_ADDRESS_1>", None),
        ("x a@b.co y", "x <EMAIL_ADDRESS_1> z", None),
        ("x ", "x <EMAIL_ADDRESS_1>", None),
        ("a@b.co and more", "<EMAIL_ADDRESS_1> [cut]", None),
    ],
)
def test_each_placeholder_is_laid_beside_what_it_stands_for(captured, written, parts):
    assert swapped(captured, written) == parts


def test_marks_move_with_what_was_replaced_before_them():
    captured, written = "to a@b.co in 60 days", "to <EMAIL_ADDRESS_1> in 60 days"
    found = [Mark(0, 2, "e", ""), Mark(3, 9, "e", ""), Mark(5, 12, "e", ""), Mark(0, 5, "e", ""), Mark(13, 20, "e", "")]
    moved = originals.moved(found, originals.aligned(captured, written, MAIL))
    assert [written[mark.start : mark.end] for mark in moved] == [
        "to",
        "<EMAIL_ADDRESS_1>",
        "<EMAIL_ADDRESS_1> in",
        "to <EMAIL_ADDRESS_1>",
        "60 days",
    ]


def test_a_text_of_nothing_but_placeholders_takes_no_long_time():
    many = 20_000
    captured, written = "a@b.co " * many, "<EMAIL_ADDRESS_1> " * many
    swaps = originals.aligned(captured, written, MAIL)
    found = originals.moved(originals.captured_marks(swaps), swaps)
    assert found == list(marks.placeholders(written, MAIL))
    assert len(marks.pieces(written, found)) == 2 * many
