"""OpenLLMetry: Traceloop's dialect."""

import json

import pytest
from builders import a_span

from checks.interaction import Document, Message, ToolDefinition, ToolRequest
from collector.conventions.openllmetry import CONVENTION


def reading(attributes, **parts):
    return CONVENTION.read(a_span(attributes=attributes, **parts), ())


def test_indexed_prompts_and_completions_are_the_conversation():
    found = reading(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "q",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "1",
            "gen_ai.completion.0.tool_calls.0.name": "f",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 1}',
            "llm.request.functions.0.name": "f",
            "llm.request.functions.0.parameters": '{"type": "object"}',
            "gen_ai.usage.prompt_tokens": 3,
            "gen_ai.usage.completion_tokens": 4,
            "llm.is_streaming": False,
        }
    ).step
    assert found.input == (Message("user", "q"),)
    assert found.output == (Message("assistant", tool_requests=(ToolRequest("f", "1", {"a": 1}),)),)
    assert found.tools == (ToolDefinition("f", None, {"type": "object"}),)
    assert (found.provider, found.finish_reasons, found.streaming) == ("openai", ("tool_calls",), False)
    assert (found.usage.input, found.usage.output) == (3, 4)


def test_a_refusal_field_is_kept_apart_from_the_content():
    found = reading({"llm.request.type": "chat", "gen_ai.completion.0.refusal": "no"}).step
    assert found.output == (Message("assistant", None, refusal="no"),)


@pytest.mark.parametrize(
    "attributes",
    [
        {"llm.request.type": "embedding", "gen_ai.request.model": "m", "gen_ai.prompt.0.content": "q"},
        {
            "traceloop.workflow.name": "w",
            "gen_ai.operation.name": "embeddings",
            "gen_ai.request.model": "m",
            "gen_ai.input.messages": '[{"role": "user", "parts": []}]',
        },
    ],
)
def test_an_embedding_is_no_model_call(attributes):
    assert reading(attributes).step is None


def test_the_newer_form_is_read_by_its_genai_keys():
    messages = '[{"role": "assistant", "parts": [{"type": "refusal", "content": "no"}], "finish_reason": "stop"}]'
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.is_streaming": True, "gen_ai.output.messages": messages}
    found = reading(attributes).step
    assert (found.output, found.streaming) == ((Message("assistant", None, refusal="no"),), True)


def entity(kind, **parts):
    given = {f"traceloop.entity.{key}": value for key, value in parts.items()}
    return reading({"traceloop.span.kind": kind, **given})


@pytest.mark.parametrize("kind", ["workflow", "agent"])
def test_a_workflow_is_where_the_app_was_asked_and_answered(kind):
    found = entity(kind, input='{"args": ["q"], "kwargs": {}}', output='"a"')
    assert (found.is_entry, found.input, found.output) == (True, {"args": ["q"], "kwargs": {}}, "a")


@pytest.mark.parametrize(
    ("recorded", "arguments"),
    [
        ({"args": ['{"a": 1}'], "kwargs": {}}, {"a": 1}),
        ({"args": ['{"a": '], "kwargs": {}}, '{"a": '),
        ({"args": [], "kwargs": {"a": 1}}, {"a": 1}),
        ({"args": [], "kwargs": {}}, {}),
        ({"args": [1, 2], "kwargs": {}}, {"args": [1, 2], "kwargs": {}}),
        ({"city": "Berlin"}, {"city": "Berlin"}),
        ([1], [1]),
    ],
)
def test_a_tools_arguments_are_what_the_model_would_have_written(recorded, arguments):
    assert entity("tool", name="f", input=json.dumps(recorded)).step.arguments == arguments


def test_a_tools_result_is_decoded_once():
    found = entity("tool", name="f", output='"{\\"temp\\": 7}"').step
    assert (found.name, found.arguments, found.result) == ("f", None, '{"temp": 7}')


def test_a_task_that_returns_documents_is_a_retrieval():
    found = entity("task", input='{"args": ["q"], "kwargs": {"top_k": 2}}', output='[{"id": "1", "text": "c"}]').step
    assert (found.query, found.documents) == ("q", (Document(id="1", content="c"),))


@pytest.mark.parametrize("output", [None, '"text"', '[{"role": "user", "content": "c"}]', "[1]", "{", 5])
def test_any_other_task_is_no_step(output):
    assert entity("task", output=output).step is None


def test_a_span_with_none_of_its_keys_is_not_openllmetry():
    assert reading({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}) is None
