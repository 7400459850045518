"""A file of cases is read line by line: what can be used is used, and the rest is named with the rule it breaks."""

import io
import json

import pytest
from store_builders import a_case

from exporters.dataset.case import Case
from exporters.dataset.formats.jsonl import line
from exporters.dataset.intake import LINE_BYTES, Line, Problem, read
from exporters.dataset.redact import RedactionFailed


def read_all(*lines: object, gate=None) -> list[Line | Problem]:
    written = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in lines]
    return list(read(io.BytesIO(b"\n".join(written)), gate))


def case_of(item: object) -> Case:
    (found,) = read_all(item)
    assert isinstance(found, Line), found
    return found.case


def problem_of(item: object) -> Problem:
    (found,) = read_all(item)
    assert isinstance(found, Problem), found
    return found


def test_a_line_of_an_export_is_the_case_that_it_was():
    assert case_of(line(a_case())) == a_case()


def test_an_id_and_what_was_asked_are_enough():
    case = case_of({"id": "returns-1", "input": "How long?"})
    assert (case.id, case.input, case.kind) == ("returns-1", "How long?", "historical_failure")


def test_an_id_that_is_left_out_is_made_of_what_was_asked():
    asked = {"input": "How long?", "context": {"system": "Be kind."}}
    one, same = case_of(asked), case_of({**asked, "expected": {"mustMention": ["30 days"]}, "id": None})
    other = case_of({**asked, "context": {"system": "Be brief."}})
    assert one.id == same.id != other.id
    assert case_of({**asked, "id": one.id}).id == one.id


@pytest.mark.parametrize(
    ("item", "key", "rule"),
    [
        (b"not json", "case", "must be one JSON object in UTF-8"),
        (b"[1]", "case", "must be one JSON object"),
        (b'{"id": "a", "input": "\xff"}', "case", "UTF-8"),
        (b'{"id": "a", "expected": {"value": NaN}}', "case", "must be one JSON object"),
        (b"[" * 100_000, "case", "must be one JSON object"),
        ({}, "input", "must be there where there is no id"),
        ({"id": "a", "input": 5}, "input", "must be a string or null"),
        ({"id": 5, "input": "a"}, "id", "must be a string"),
        ({"id": "a", "expected": {"mustMention": "30 days"}}, "expected.mustMention", "must be a list of strings"),
        ({"id": "a", "metadata": {"exampleType": "weird"}}, "metadata.exampleType", "must be one of typical"),
        ({"id": "a", "expected": {"mustmention": ["x"]}}, "expected.mustmention", "there are answer, checks"),
        ({"id": "a", "question": "How?"}, "question", "is no key of a case"),
        ({"id": "a b", "input": "a"}, "id", "must be 1 to 200"),
        ({"id": "x" * 201}, "id", "must be 1 to 200"),
        ({"id": "../etc"}, "id", "must be 1 to 200"),
        ({"id": "a\n"}, "id", "must be 1 to 200"),
        (b'{"id": "a", "input": "' + b"x" * LINE_BYTES + b'"}', "case", f"at most {LINE_BYTES} bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_line_that_cannot_be_used_is_named(item, key, rule):
    found = problem_of(item)
    assert (found.line, found.key) == (1, key)
    assert rule in found.rule
    assert str(found).startswith(f"line 1: {key}: ")


def test_a_bad_line_costs_the_others_nothing():
    long = b'{"input": "' + b"x" * (3 * LINE_BYTES) + b'"}'
    found = read_all(b"\xef\xbb\xbf" + line(a_case(1)), b"oops", b"", b"  \r", long, {"id": "last", "input": "a"})
    assert [item.number if isinstance(item, Line) else -item.line for item in found] == [1, -3, -6, 7]


def test_the_longest_line_is_read():
    text = b'{"id": "a", "input": "'
    text += b"x" * (LINE_BYTES - len(text) - 3) + b'"}\n'
    assert len(text) == LINE_BYTES
    assert len(case_of(text).input or "") > LINE_BYTES - 50


def test_an_id_that_comes_twice_is_refused_the_second_time():
    first, second = read_all({"id": "a", "input": "one"}, {"id": "a", "input": "two"})
    assert isinstance(first, Line)
    assert second == Problem(2, "id", "is that of line 1, too; every case has its own")


def test_what_must_not_get_in_is_named_and_what_is_changed_on_the_way_is_taken():
    def gate(case):
        if case.input == "bad":
            raise RedactionFailed("there is still an EMAIL_ADDRESS in it")
        return a_case(7)

    good, bad = read_all({"id": "a", "input": "good"}, {"id": "b", "input": "bad"}, gate=gate)
    assert isinstance(good, Line)
    assert good.case == a_case(7)
    assert bad == Problem(2, "case", "there is still an EMAIL_ADDRESS in it")
