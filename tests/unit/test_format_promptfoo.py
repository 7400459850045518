"""``promptfoo.yaml`` is a list of tests with promptfoo's own assertions, and escapes what production sent."""

import io
import re

import pytest
import yaml
from hostile_cases import TEXTS, a_case, hostile_cases

from exporters.dataset.formats.promptfoo import disarmed, escape, write
from exporters.dataset.plain import plain_text
from exporters.dataset.shape import to_json


def written(*cases):
    out = io.BytesIO()
    assert write(cases, out) == len(cases)
    return yaml.safe_load(out.getvalue())


def assertions(**demands):
    [test] = written(a_case(**demands))
    return [{k: v for k, v in a.items() if k != "transform"} for a in test["assert"]]


def test_a_case_is_a_test_with_the_question_and_the_whole_case():
    [test] = written(a_case(id="case-7", answer="30 days", rubric="polite"))
    assert test["description"] == "case-7"
    assert test["vars"]["question"] == "How long can I return it?"
    assert test["vars"]["case"]["expected"]["answer"] == "30 days"
    assert test["options"] == {"disableVarExpansion": True}
    assert (test["metadata"]["badOutput"], test["assert"]) == ("60 days.", [])


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ({"must_mention": ("a", "")}, {"type": "icontains", "value": "a", "metric": "mustMention"}),
        ({"must_not_mention": ("b",)}, {"type": "not-icontains", "value": "b", "metric": "mustNotMention"}),
        (
            {"json_schema": {"$schema": "x", "$id": "y", "type": "array"}},
            {"type": "is-json", "value": {"type": "array"}, "metric": "jsonSchema"},
        ),
        (
            {"value": ["{{ 1 }}"]},
            {"type": "is-json", "value": """{"const": ["{{ '{' }}{ 1 }}"]}""", "metric": "value"},
        ),
        ({"value": {"a": ["{{ 1 }}"]}}, {"type": "equals", "value": {"a": ["{{ 1 }}"]}, "metric": "value"}),
        ({"max_latency_ms": 1500}, {"type": "latency", "threshold": 1500, "metric": "maxLatencyMs"}),
    ],
)
def test_a_demand_is_one_of_promptfoos_own_assertions(demands, expected):
    assert assertions(**demands) == [expected]


def test_a_placeholder_forbids_whatever_looks_like_data_of_its_kind():
    words, *leaks = assertions(must_not_mention=("<EMAIL_ADDRESS_1>", "<EMAIL_ADDRESS_2>", "<PERSON_1>"))[2:]
    assert (words["value"], [leak["type"] for leak in leaks]) == ("<PERSON_1>", ["not-regex"])
    pattern = leaks[0]["value"]
    assert re.search(pattern, "Write to lena.vogt@northwind-cloud.de.")
    assert not re.search(pattern, "Write to me@mail.example.com.")


@pytest.mark.parametrize(
    ("demands", "metric"),
    [
        ({"expected_tool_calls": ({"name": "refund"},)}, "toolCalls"),
        ({"forbidden_tool_calls": ("refund",)}, "toolCalls"),
        ({"relevant_documents": ("kb-7",), "checks": {"mine": {"use": "citations"}}}, "citations"),
    ],
)
def test_other_demands_are_judged_by_our_code_which_is_no_template(demands, metric):
    [assertion] = assertions(**demands)
    assert (assertion["type"], assertion["metric"]) == ("javascript", metric)
    assert not any(opening in assertion["value"] for opening in ("{{", "{%", "{#"))


def test_documents_are_cited_only_where_the_check_failed():
    assert assertions(relevant_documents=("kb-7",)) == []


def test_a_schema_with_a_reference_is_written_as_a_text_since_promptfoo_would_follow_it():
    [assertion] = assertions(json_schema={"items": {"$ref": "#/$defs/x"}})
    assert assertion["value"] == '{"items": {"$ref": "#/$defs/x"}}'


def test_a_reference_in_the_case_is_no_reference_any_more():
    [test] = written(a_case(expected_tool_calls=({"name": "x", "arguments": {"$ref": "/etc/passwd"}},)))
    assert test["vars"]["case"]["expectedToolCalls"] == [{"name": "x", "arguments": {" $ref": "/etc/passwd"}}]


def test_a_schema_that_names_a_file_is_written_as_a_text():
    [assertion] = assertions(json_schema={"enum": ["file://x", "{{ 7 * 7 }}"]})
    assert assertion["value"] == """{"enum": ["file://x", "{{ '{' }}{ 7 * 7 }}"]}"""


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("plain { } }} %}", "plain { } }} %}"),
        ("{{ x }}", "{{ '{' }}{ x }}"),
        ("{% x %}", "{{ '{' }}% x %}"),
        ("{# x #}", "{{ '{' }}# x {{ '#' }}}"),
        ("{#}", "{{ '{' }}{{ '#' }}}"),
        ("{{{", "{{ '{' }}{{ '{' }}{"),
        ("file://x", "{{ 'file' }}://x"),
        ("package:x", "{{ 'package' }}:x"),
        (" FILE://x", " {{ 'FILE' }}://x"),
    ],
)
def test_a_text_becomes_a_template_that_renders_to_it(text, template):
    assert escape(text) == template


def test_what_would_be_loaded_is_disarmed_at_any_depth():
    assert disarmed({"a": ["file://x", {"b": "package:y"}], "c": 1}) == {
        "a": [" file://x", {"b": " package:y"}],
        "c": 1,
    }


def test_hostile_text_is_read_back_as_it_was():
    tests = written(*hostile_cases())
    for case, test in zip(hostile_cases(), tests, strict=True):
        expected = to_json(case)
        assert test["vars"]["case"] == {k: v for k, v in expected.items() if k not in ("actualOutput", "metadata")}
        assert test["vars"]["question"] == escape(plain_text(case.input))


def test_the_file_is_one_line_a_value_for_every_reader():
    out = io.BytesIO()
    write(hostile_cases(), out)
    text = out.getvalue().decode()
    assert len(text.splitlines()) == text.count("\n")
    assert not set("\x1b\x9b\u202e\u2066\ufeff\x00\x85") & set(text)


def test_very_long_keys_are_read_back():
    key = "\x1b" * 3000
    [test] = written(a_case(expected_tool_calls=({"name": "x", "arguments": {key: {key: [key]}}},)))
    assert test["vars"]["case"]["expectedToolCalls"][0]["arguments"] == {key: {key: [key]}}


def test_no_cases_are_an_empty_list():
    assert written() == []


def test_every_hostile_text_has_a_name_of_its_own():
    assert len({case.id for case in hostile_cases()}) == len(TEXTS)
