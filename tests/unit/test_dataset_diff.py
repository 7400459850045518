"""What differs between two sets of cases is told case by case and field by field, as text."""

import json

import pytest
from store_builders import a_case

from exporters.dataset import diff
from exporters.dataset.case import Expectation
from exporters.dataset.diff import Difference, changes, compare
from exporters.dataset.formats.jsonl import line


def changed(**parts):
    return {change.path: change.diff for change in changes(line(a_case()), line(a_case(**parts)))}


def test_sets_differ_by_what_only_one_has_and_by_what_both_have_differently():
    before, after = {"a": "1", "c": "3", "b": "2"}, {"b": "9", "e": "5", "c": "3", "d": "4"}
    assert compare(before, after) == Difference(added=("d", "e"), removed=("a",), changed=("b",))
    assert compare(before, after)
    assert not compare(before, dict(reversed(before.items())))


def test_only_the_fields_that_differ_are_told_of():
    assert changed(input="How long?", tags=("a",)) == {
        "input": ("@@ -1 +1 @@", "-How long can I return it?", "+How long?"),
        "metadata.tags": ("@@ -1 +1,3 @@", "-[]", "+[", '+  "a"', "+]"),
    }


def test_a_text_is_compared_line_by_line():
    before = "\n".join(f"line {number}" for number in range(20))
    old, new = (line(a_case(input=text)) for text in (before, before.replace("line 9", "another")))
    (change,) = changes(old, new)
    assert change.diff == ("@@ -8,5 +8,5 @@", " line 7", " line 8", "-line 9", "+another", " line 10", " line 11")


def test_a_key_that_one_side_does_not_have_is_told_of():
    old, new = json.loads(line(a_case())), json.loads(line(a_case()))
    del old["expected"]["rubric"]
    new["expected"]["rubric"] = "be kind"
    new["note"] = "new"
    found = changes(json.dumps(old).encode(), json.dumps(new).encode())
    assert [change.path for change in found] == ["expected.rubric", "note"]
    assert found[0].diff == ("@@ -0,0 +1 @@", "+be kind")


def test_a_number_is_not_the_text_that_looks_like_it():
    assert set(changed(expectation=Expectation(value="1", checks={"citations": {"version": "1"}}))) == {
        "expected.value"
    }


@pytest.mark.parametrize("text", ["x" * (diff.MOST_CHARACTERS + 1), "x\n" * (diff.MOST_LINES + 1)])
def test_what_is_too_long_to_be_compared_is_told_by_its_length(text):
    assert changed(input=text)["input"] == ("-(25 characters)", f"+({len(text)} characters)")
