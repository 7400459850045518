"""``scorer.py`` judges an answer against a case, alone: no package is needed, and none of sidecheck's modules."""

import ast
import importlib
import json
import sys
from pathlib import Path

import pytest

from exporters.dataset import scorer
from exporters.dataset.scorer import score, text_of, tool_calls_of

CALL = {"name": "refund", "arguments": {"order": "A-1", "lines": [{"sku": 1, "qty": 2}]}}
OPENAI_CALL = {
    "id": "1",
    "type": "function",
    "function": {"name": "refund", "arguments": json.dumps(CALL["arguments"])},
}
MESSAGES = {
    "OpenAI": {"role": "assistant", "content": "Done.", "tool_calls": [OPENAI_CALL]},
    "OpenAI, whole": {"choices": [{"message": {"role": "assistant", "content": "Done.", "tool_calls": [OPENAI_CALL]}}]},
    "OpenAI Responses": {
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]},
            {"type": "function_call", "name": "refund", "arguments": json.dumps(CALL["arguments"])},
        ]
    },
    "Anthropic": {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "secret"},
            {"type": "text", "text": "Done."},
            {"type": "tool_use", "id": "1", "name": "refund", "input": CALL["arguments"]},
        ],
    },
    "Google": {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": "Done."}, {"functionCall": {"name": "refund", "args": CALL["arguments"]}}],
                }
            }
        ]
    },
}


def a_case(expected=None, **parts):
    return {"id": "case-1", "expected": expected or {}, **parts}


def failed(case, output, **measured):
    return [failure["expectation"] for failure in score(case, output, **measured)]


def test_it_imports_the_standard_library_alone_and_is_python_3_9():
    tree = ast.parse(Path(scorer.__file__).read_text(), feature_version=(3, 9))
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = [n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in imported]
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_case_that_expects_nothing_is_passed_by_anything():
    assert score({"id": "x"}, None) == []
    assert score(a_case({"answer": "30 days", "rubric": "is polite", "mustMention": [""]}), "no") == []


def test_mentions_do_not_care_for_letter_case():
    case = a_case({"mustMention": ["30 Days", "STRASSE"], "mustNotMention": ["Refund"]})
    assert failed(case, "30 days, in the Straße") == []
    assert failed(case, "60 days, no REFUNDS") == ["mustMention", "mustMention", "mustNotMention"]


@pytest.mark.parametrize(
    ("kind", "leak"),
    [
        ("EMAIL_ADDRESS", "lena.vogt@northwind-cloud.de"),
        ("PHONE_NUMBER", "+49 151 23456789"),
        ("PHONE_NUMBER", "(212) 736-5000"),
        ("CREDIT_CARD", "4539 5787 6362 1486"),
        ("US_SSN", "536-22-8726"),
        ("US_ITIN", "912-70-1234"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ],
)
@pytest.mark.parametrize("placeholder", ["<{}_1>", "<{}>"])
def test_who_leaked_a_value_once_is_not_to_leak_another_of_its_kind(kind, leak, placeholder):
    """The case does not keep the value: else the very answer that made it would pass."""
    case = a_case({"mustNotMention": [placeholder.format(kind)]})
    assert failed(case, f"Write to {leak}, please.") == ["mustNotMention"]
    assert failed(case, "Write to <NRP_1> by 2026-11-24, order 1234-5678, 0.25 of 10 000 000.") == []


def test_a_long_word_is_not_looked_through_from_each_of_its_letters():
    assert all(pattern.startswith("(?<!") for pattern in scorer.LEAKS.values())
    case = a_case({"mustNotMention": [f"<{kind}_1>" for kind in scorer.LEAKS]})
    assert failed(case, "a" * 1_000_000 + "@" + "b" * 1_000_000) == []
    assert failed(case, "1" * 1_000_000) == []


def test_what_a_case_allows_and_what_is_nobodys_is_no_leak():
    expected = {"mustNotMention": ["<EMAIL_ADDRESS_1>"], "checks": {"pii": {"options": {"allow": ["help@shop.de"]}}}}
    assert failed(a_case(expected), "Write to Help@Shop.de or to me@mail.example.com.") == []


def test_the_bad_answer_does_not_show_what_may_be_said():
    bad = "Write to lena.vogt@northwind-cloud.de."
    case = a_case({"mustNotMention": ["<EMAIL_ADDRESS>"]}, actualOutput=bad, metadata={"redacted": None})
    assert failed(case, bad) == ["mustNotMention"]
    assert failed({**case, "input": f"Is it {bad}?"}, bad) == []


def test_a_fake_stands_for_its_kind_where_that_was_replaced():
    expected = {"mustNotMention": ["robin.hale7@example.com"]}
    leak = "Write to lena.vogt@northwind-cloud.de."
    assert failed(a_case(expected, metadata={"redacted": ["EMAIL_ADDRESS"]}), leak) == ["mustNotMention"]
    assert failed(a_case(expected), leak) == []


def test_a_leak_is_not_quoted():
    (failure,) = score(a_case({"mustNotMention": ["<EMAIL_ADDRESS_1>"]}), "lena.vogt@northwind-cloud.de")
    assert failure["message"] == 'the answer mentions what looks like that which "<EMAIL_ADDRESS_1>" stands for'


def test_tool_arguments_are_no_part_of_the_words():
    case = a_case({"mustNotMention": ["A-1"], "mustMention": ["done"]})
    assert [failed(case, message) for message in MESSAGES.values()] == [[]] * len(MESSAGES)


@pytest.mark.parametrize("shape", MESSAGES)
def test_a_message_gives_its_words_and_its_tool_calls(shape):
    assert text_of(MESSAGES[shape]) == "Done."
    assert tool_calls_of(MESSAGES[shape]) == [CALL]


@pytest.mark.parametrize("value", [{"total": 3}, [1], [], {"output": []}, {"parts": []}, {"content": "x"}, 3, True])
def test_a_json_value_is_no_message(value):
    assert json.loads(text_of(value)) == value
    assert tool_calls_of(value) == []


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({"order": "A-1", "note": "more"}, True),
        ({"order": "A-2"}, False),
        ({}, False),
        ('{"order": "A-1"}', True),
        ("not json", False),
    ],
)
def test_an_expected_call_needs_the_arguments_that_the_case_names(given, passes):
    case = a_case(expectedToolCalls=[{"name": "refund", "arguments": {"order": "A-1"}}])
    calls = [{"name": "search", "arguments": {}}, {"name": "refund", "arguments": given}]
    assert failed(case, "ok", tool_calls=calls) == ([] if passes else ["expectedToolCalls"])


def test_an_expected_call_without_arguments_is_known_by_its_name():
    assert failed(a_case(expectedToolCalls=[{"name": "refund"}]), "ok", tool_calls=[CALL]) == []


def test_an_expected_call_fails_where_no_call_was_recorded():
    assert failed(a_case(expectedToolCalls=[CALL]), "I did it.") == ["expectedToolCalls"]


@pytest.mark.parametrize(
    ("forbidden", "passes"),
    [("refund", False), ("search", True), ({"name": "refund", "arguments": {"order": "B-2"}}, True), (CALL, False)],
)
def test_a_forbidden_call_is_named_or_named_with_arguments(forbidden, passes):
    assert failed(a_case(forbiddenToolCalls=[forbidden]), "ok", tool_calls=[CALL]) == (
        [] if passes else ["forbiddenToolCalls"]
    )


@pytest.mark.parametrize(
    ("answer", "problems"),
    [
        ('{"total": 41.5}', []),
        ('```json\n{"total": 41.50}\n```', []),
        ({"total": 41.5}, []),
        ('{"total": 42}', ["value"]),
        ('{"total": true}', ["value"]),
        ('{"total": NaN}', ["value"]),
        ('Sure: {"total": 41.5}', ["value"]),
    ],
)
def test_an_exact_value_is_compared_as_json(answer, problems):
    assert failed(a_case({"value": {"total": 41.5}}), answer) == problems


SCHEMA = {
    "type": "object",
    "required": ["total"],
    "additionalProperties": False,
    "properties": {
        "total": {"type": "number", "minimum": 0, "maximum": 99},
        "lines": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"$ref": "#/$defs/line"}},
        "state": {"enum": ["open", "closed", None]},
        "code": {"type": ["string", "null"], "pattern": "^[A-Z]+$", "minLength": 2, "maxLength": 3},
        "kind": {"anyOf": [{"const": 1}, {"type": "boolean"}]},
        "who": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        "both": {"allOf": [{"type": "integer"}, {"minimum": 5}]},
    },
    "$defs": {"line": {"type": "string"}},
}
ANSWERS = [
    ({"total": 3}, True),
    ({"total": 3, "lines": ["a"], "state": None, "code": "AB", "kind": True, "who": 1.5, "both": 5}, True),
    ({"total": 3.0, "both": 6.0}, True),
    ({}, False),
    ([], False),
    ({"total": "3"}, False),
    ({"total": True}, False),
    ({"total": -1}, False),
    ({"total": 100}, False),
    ({"total": 1, "more": 1}, False),
    ({"total": 1, "lines": []}, False),
    ({"total": 1, "lines": ["a", "b", "c"]}, False),
    ({"total": 1, "lines": [1]}, False),
    ({"total": 1, "state": "lost"}, False),
    ({"total": 1, "code": "a"}, False),
    ({"total": 1, "code": "ABCD"}, False),
    ({"total": 1, "kind": "x"}, False),
    ({"total": 1, "who": 3}, False),
    ({"total": 1, "both": 4}, False),
]


@pytest.fixture(params=["with jsonschema", "alone"])
def schemas(request, monkeypatch):
    if request.param == "alone":
        monkeypatch.setitem(sys.modules, "jsonschema.validators", None)
    else:
        importlib.import_module("jsonschema.validators")


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize(("answer", "passes"), ANSWERS)
def test_a_json_schema_is_judged_the_same_with_the_package_and_without(answer, passes):
    assert set(failed(a_case({"jsonSchema": SCHEMA}), json.dumps(answer))) == (set() if passes else {"jsonSchema"})


@pytest.mark.usefixtures("schemas")
def test_the_empty_schema_asks_for_json():
    assert failed(a_case({"jsonSchema": {}}), "[1]") == []
    assert failed(a_case({"jsonSchema": {}}), "sorry") == ["jsonSchema"]
    assert failed(a_case({"jsonSchema": {}}), None) == ["jsonSchema"]


def test_a_keyword_that_needs_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema.validators", None)
    [failure] = score(a_case({"jsonSchema": {"patternProperties": {"^a": {}}}}), "{}")
    assert "patternProperties" in failure["message"]


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize(
    "schema", [{"type": "oddity"}, {"$ref": "#/nowhere"}, {"pattern": "("}, {"properties": 3}, {"$ref": "#"}]
)
def test_a_schema_that_cannot_be_used_fails_the_answer_and_breaks_nothing(schema):
    assert failed(a_case({"jsonSchema": schema}), '"x"') == ["jsonSchema"] or schema == {"properties": 3}


@pytest.mark.usefixtures("schemas")
def test_a_schema_never_loads_another_document(tmp_path):
    (tmp_path / "all.json").write_text("{}")
    [failure] = score(a_case({"jsonSchema": {"items": {"$ref": f"file://{tmp_path}/all.json"}}}), "[1]")
    assert "never loaded" in failure["message"]


CITING = {
    "relevantDocuments": ["kb-7", "Returns (annual)"],
    "checks": {"sources": {"version": "1", "use": "citations"}},
}
DOCUMENTS = {"documents": [{"id": "kb-1"}, {"id": "kb-7"}]}


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("30 days (KB-7).", True),
        ("See *Returns (annual)*.", True),
        ("30 days [2].", True),
        ("30 days [0, 1].", True),
        ("30 days [1].", False),
        ("30 days (kb-77).", False),
        ("30 days.", False),
    ],
)
def test_one_of_the_relevant_documents_is_cited_by_name_or_number(answer, passes):
    assert failed(a_case(CITING, context=DOCUMENTS), answer) == ([] if passes else ["citations"])


def test_documents_are_cited_only_where_the_check_asks_for_it():
    assert failed(a_case({"relevantDocuments": ["kb-7"], "checks": {"pii": {}}}), "30 days.") == []


def test_the_limit_on_latency_is_judged_where_it_was_measured():
    case = a_case({"maxLatencyMs": 100})
    assert [failed(case, "x"), failed(case, "x", latency_ms=100)] == [[], []]
    assert failed(case, "x", latency_ms=100.5) == ["maxLatencyMs"]


def test_a_message_is_short_and_steers_no_terminal():
    hostile = "\x1b[2J\u202e\u2028\ud800" * 1000
    [failure] = score(a_case({"mustMention": [hostile]}), hostile[1:])
    assert len(failure["message"]) < 200
    assert failure["message"].isascii()
    assert failure["message"].isprintable()
