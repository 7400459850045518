"""Documents, tool definitions, response formats and RAG prompts: the smaller shapes that conventions share."""

import json

import pytest

from checks.interaction import Document, ResponseFormat, ToolDefinition
from collector.conventions import definitions, documents, formats, prompts

SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    "recorded",
    [
        {"id": "1", "content": "c", "source": "s", "title": "t", "score": 0.5},
        {"id": "1", "page_content": "c", "metadata": {"source": "s", "title": "t"}, "score": 0.5},
        {"document": {"id": "1", "content": "c", "metadata": '{"source": "s", "title": "t"}', "score": 0.5}},
        {"document": {"id": "1", "text": "c", "metadata": {"url": "s", "title": "t"}}, "score": 0.5},
    ],
)
def test_a_document_is_found_in_every_shape(recorded):
    assert documents.read(json.dumps([recorded])) == (Document("1", "c", "s", "t", 0.5),)


@pytest.mark.parametrize("value", [None, 5, "text", {"id": 1}, [5, None]])
def test_what_is_no_list_of_documents_gives_none(value):
    assert documents.read(value) == ()


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": "hi", "id": "1"}],
        [{"content": "hi"}],
        [{"id": "1", "content": "c"}, "rest"],
        [{"id": "1", "score": 0.5}],
        [],
        "text",
    ],
)
def test_a_return_value_is_not_taken_for_documents_without_evidence(value):
    assert documents.recognise(value) == ()


@pytest.mark.parametrize(
    "recorded",
    [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}},
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA},
        {"name": "f", "description": "d", "parameters": json.dumps(SCHEMA)},
        {"name": "f", "description": "d", "input_schema": SCHEMA},
        {"tool": {"json_schema": json.dumps({"name": "f", "description": "d", "parameters": SCHEMA})}},
    ],
)
def test_a_tool_definition_is_found_in_every_shape(recorded):
    assert definitions.read([recorded]) == (ToolDefinition("f", "d", SCHEMA),)


def test_no_recorded_tools_are_not_an_empty_list_of_tools():
    assert definitions.read(None) is None
    assert definitions.read("[]") == ()


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        {"config": {"response_mime_type": "application/json", "response_schema": SCHEMA}},
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ],
)
def test_a_json_schema_is_found_in_every_request(body):
    assert formats.of_request(body) == ResponseFormat("json", SCHEMA)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("json_object", ResponseFormat("json")),
        ({"type": "json_object"}, ResponseFormat("json")),
        ('{"type": "text"}', ResponseFormat("text")),
        ("image", None),
        (5, None),
        (None, None),
    ],
)
def test_a_response_format_is_read_from_a_word_or_a_mapping(given, found):
    assert formats.of_value(given) == found


QUESTION = "How long?"
PROMPTS = [
    f"Context:\n[1] Thirty days.\n\nQuestion: {QUESTION}",
    f"Context information is below.\n-----\nThirty days.\n-----\nAnswer the query.\nQuery: {QUESTION}\nAnswer: ",
    f"Use it.\ncontext: x\nQuestion: from an FAQ?\nIt says so.\n\nQuestion:\n{QUESTION}\nHelpful Answer:",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_question_is_found_inside_a_prompt_with_context(prompt):
    assert prompts.question(prompt) == QUESTION


UNWRAPPED = ["", QUESTION, f"Question: {QUESTION}", "Context: I am new.", f"Question: {QUESTION}\nContext: x"]


@pytest.mark.parametrize("said", [*UNWRAPPED, "Context:\nQuestion: "])
def test_what_is_no_such_prompt_stays_as_it_is(said):
    assert prompts.question(said) == said
