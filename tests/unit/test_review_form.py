"""The form that edits a case: what is shown comes back unchanged, what is typed is read, or kept with a reason."""

from dataclasses import replace

import pytest
from store_builders import a_case

from exporters.dataset.case import Expectation
from exporters.review import edits, form
from exporters.review.fields import FIELDS

HOSTILE = (
    "</textarea><script>x</script>",
    "two\nlines",
    ' "quoted"',
    "\u202egnp\x00\x1b[31m",
    "cr\r\nlf",
    '"',
    "  ",
    "é\x85",
)
AWKWARD = a_case(
    expectation=Expectation(
        answer="one\r\ntwo\x00\u202e",
        value={"a": [1, 2.5, None, True], "\x00": "\u2066"},
        must_mention=HOSTILE,
        must_not_mention=HOSTILE[::-1],
        json_schema={"type": "object", "properties": {"a\r\n": {"const": "\x1b"}}},
        relevant_documents=("kb-7",),
        max_latency_ms=2500,
        rubric="\n\nkind?\n",
        expected_tool_calls=(
            {"name": "note", "arguments": {"a": "\x00"}},
            {"name": "raw", "arguments": "{not json"},
            {"name": "raw", "arguments": "{not json"},
        ),
        forbidden_tool_calls=("refund",),
    ),
    tags=("b", "a"),
    split="test",
)


def sent(shown, **typed):
    """What a browser sends of a form, with some of it typed anew."""
    crlf = {name: [text.replace("\n", "\r\n")] for name, text in shown.texts.items()}
    calls = {
        "toolName": [call.name for call in shown.calls],
        "toolArguments": [call.arguments.replace("\n", "\r\n") for call in shown.calls],
    }
    return crlf | calls | typed


def typed(case=None, **values):
    case = case or a_case()
    return form.read(case, sent(form.filled(case), **values))


def edited(case=None, **values):
    """The case after that."""
    case = case or a_case()
    read = typed(case, **values)
    assert read.is_valid, read
    return replace(case, **edits.changes(case, read.parts))


def test_a_form_that_nobody_touched_changes_nothing():
    read = form.read(AWKWARD, sent(form.filled(AWKWARD)))
    assert (read.parts, read.errors, read.changed, read.is_valid) == ({}, {}, frozenset(), True)


def test_what_is_shown_holds_nothing_that_a_browser_would_change():
    shown = form.filled(AWKWARD)
    assert not any(c in text for text in shown.texts.values() for c in "\x00\x1b\r\u202e")


@pytest.mark.parametrize("name", ["mustMention", "mustNotMention", "relevantDocuments", "forbiddenToolCalls", "tags"])
def test_a_line_is_an_item_and_the_others_stay_as_they_were(name):
    before = form.filled(AWKWARD)
    read = typed(AWKWARD, **{name: [before.texts[name] + "\r\n  30 days \r\n\r\n"]})
    items = FIELDS[name].of(edits._merged(form.to_json(AWKWARD), read.parts))
    assert items == [*FIELDS[name].of(form.to_json(AWKWARD)), "30 days"]


def test_a_line_in_double_quotes_is_a_json_string():
    read = edited(mustMention=['"a\\nb"\r\n"unfinished\r\n12'])
    assert read.expectation.must_mention == ("a\nb", '"unfinished', "12")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("answer", "30 days.", "30 days."),
        ("answer", "  ", None),
        ("value", '{"days": 30}', {"days": 30}),
        ("value", "0", 0),
        ("value", "", None),
        ("jsonSchema", '{"type": "object"}', {"type": "object"}),
        ("jsonSchema", "{}", {}),
        ("maxLatencyMs", " 2500 ", 2500),
        ("maxLatencyMs", "", None),
        ("rubric", "Is it kind?", "Is it kind?"),
        ("exampleType", "edge", "edge"),
        ("split", " test ", "test"),
    ],
)
def test_each_field_is_read(name, text, value):
    case = edited(AWKWARD if value is None else None, **{name: [text]})
    assert FIELDS[name].of(form.to_json(case)) == value


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("value", '{"a": }', "line 1, column 7"),
        ("value", "{\n'a': 1}", "line 2, column 1"),
        ("value", "NaN", "no JSON"),
        ("value", "1e999", "no JSON"),
        ("value", "9" * 5000, "no JSON"),
        ("value", "[" * 100_000, "no JSON"),
        ("jsonSchema", "[]", "an object"),
        ("jsonSchema", '{"type": "wrong"}', "at /type"),
        ("jsonSchema", '{"$ref": "http://127.0.0.1:1/x"}', "not fetched"),
        ("maxLatencyMs", "2.5", "whole milliseconds"),
        ("maxLatencyMs", "0", "above 0"),
        ("maxLatencyMs", "\u0663", "whole"),
        ("maxLatencyMs", "9" * 16, "whole"),
        ("exampleType", "nonsense", "typical"),
    ],
)
def test_what_cannot_be_read_is_named_beside_its_field_and_stays_as_typed(name, text, rule):
    read = typed(**{name: [text], "tags": ["kept"]})
    assert (list(read.errors), read.is_valid) == ([name], False)
    assert rule in read.errors[name]
    assert (read.texts[name], read.texts["tags"]) == (text, "kept")


def test_tool_calls_are_rows_of_a_name_and_arguments():
    read = edited(toolName=["note", "", "bare"], toolArguments=['{"a": 1}', "", ""])
    assert read.expectation.expected_tool_calls == ({"name": "note", "arguments": {"a": 1}}, {"name": "bare"})


def test_a_row_that_is_emptied_is_gone_and_the_others_stay_as_they_were():
    shown = form.filled(AWKWARD)
    read = edited(AWKWARD, toolName=["", "raw", "raw", ""], toolArguments=["", *[shown.calls[1].arguments] * 2, ""])
    assert read.expectation.expected_tool_calls == AWKWARD.expectation.expected_tool_calls[1:]


@pytest.mark.parametrize(
    ("name", "arguments", "rule"),
    [("note", "{", "line 1"), ("note", "[1]", "a JSON object"), ("", "{}", "name the tool")],
)
def test_a_tool_call_that_cannot_be_read_is_kept_with_the_reason(name, arguments, rule):
    read = typed(toolName=[name, "fine"], toolArguments=[arguments, ""])
    assert not read.is_valid
    assert (read.calls[0].name, read.calls[0].arguments, read.calls[1].error) == (name, arguments, None)
    assert rule in read.calls[0].error
    assert "expectedToolCalls" not in read.parts


def test_a_field_that_was_not_sent_is_unchanged():
    assert form.read(AWKWARD, {"tags": ["x"]}).parts == {"metadata": {"tags": ["x"]}}


def test_what_was_typed_goes_on_top_of_what_another_changed():
    theirs = replace(a_case(), tags=("theirs",), expectation=Expectation(answer="theirs"))
    mine = form.on_top(typed(tags=["mine"], maxLatencyMs=["soon"]), theirs)
    assert (mine.texts["tags"], mine.texts["answer"], mine.texts["maxLatencyMs"]) == ("mine", "theirs", "soon")
    assert (mine.errors.keys(), mine.changed) == ({"maxLatencyMs"}, {"tags", "maxLatencyMs"})
