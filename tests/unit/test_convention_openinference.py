"""OpenInference."""

import json

import pytest
from builders import a_span

from checks.interaction import Document, Message, ResponseFormat, ToolDefinition, ToolRequest
from collector.conventions.openinference import CONVENTION

SCHEMA = {"type": "object"}


def reading(kind, attributes=None, **parts):
    return CONVENTION.read(a_span(attributes={"openinference.span.kind": kind, **(attributes or {})}, **parts), ())


def call(attributes):
    return reading("LLM", attributes).step


def test_indexed_messages_are_the_conversation():
    found = call(
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "q",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
            "llm.tools.0.tool.json_schema": json.dumps({"function": {"name": "f", "parameters": SCHEMA}}),
        }
    )
    assert found.input == (Message("user", "q", media=("image",)),)
    assert found.output == (Message("assistant", tool_requests=(ToolRequest("f", "1", {}),)),)
    assert found.tools == (ToolDefinition("f", None, SCHEMA),)


def test_the_model_name_is_the_one_that_answered():
    found = call({"llm.model_name": "m-1", "llm.invocation_parameters": '{"model": "m", "temperature": 0.2}'})
    assert (found.model, found.response_model, found.parameters) == ("m", "m-1", {"temperature": 0.2})


def test_figures_and_flags_are_read_from_their_keys():
    found = call(
        {
            "llm.system": "openai",
            "llm.finish_reason": "length",
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 4,
            "llm.token_count.prompt_details.cache_read": 2,
            "llm.invocation_parameters": '{"stream": true}',
        }
    )
    assert (found.provider, found.finish_reasons, found.streaming) == ("openai", ("length",), True)
    assert (found.usage.input, found.usage.output, found.usage.cached_input) == (3, 4, 2)


@pytest.mark.parametrize("key", ["llm.invocation_parameters", "input.value"])
def test_the_response_format_is_found_in_the_parameters_or_the_request(key):
    given = {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}
    assert call({key: json.dumps(given)}).response_format == ResponseFormat("json", SCHEMA)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "r1", "choices": [{"message": {"role": "assistant", "content": None, "refusal": "no"}}]},
        {"id": "r1", "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]},
    ],
)
@pytest.mark.parametrize("indexed", [{}, {"llm.output_messages.0.message.role": "assistant"}])
def test_the_refusal_field_is_read_from_the_kept_response(body, indexed):
    found = call({**indexed, "output.value": json.dumps(body), "output.mime_type": "application/json"})
    assert (found.output, found.response_id) == ((Message("assistant", None, refusal="no"),), "r1")


def test_a_kept_request_stands_in_for_messages_that_were_not_indexed():
    body = {"instructions": "s", "input": [{"role": "user", "content": "q"}]}
    assert call({"input.value": json.dumps(body)}).input == (Message("system", "s"), Message("user", "q"))


def test_plain_text_in_and_out_of_a_model_is_the_conversation():
    found = call({"input.value": "q", "output.value": "a", "output.mime_type": "text/plain"})
    assert (found.input, found.output) == ((Message("user", "q"),), (Message("assistant", "a"),))


def test_nothing_said_is_nothing_recorded():
    found = call({})
    assert (found.input, found.output, found.streaming, found.usage.input) == (None, None, None, None)


@pytest.mark.parametrize("kind", ["CHAIN", "AGENT", "chain"])
def test_a_chain_is_where_the_app_was_asked_and_answered(kind):
    attributes = {"input.value": '{"question": "q"}', "output.value": '{"a": 1}', "output.mime_type": "text/plain"}
    found = reading(kind, attributes)
    assert (found.is_entry, found.input, found.output) == (True, {"question": "q"}, '{"a": 1}')


def test_a_tool_span_is_a_tool_call():
    attributes = {"tool.name": "f", "tool_call.id": "1", "input.value": '{"a": 1}', "output.value": "r"}
    found = reading("TOOL", {**attributes, "tool.parameters": '{"type": "object"}'}).step
    assert (found.name, found.id, found.arguments, found.result) == ("f", "1", {"a": 1}, "r")


@pytest.mark.parametrize(
    ("kind", "prefix"), [("RETRIEVER", "retrieval.documents"), ("RERANKER", "reranker.output_documents")]
)
def test_retrieved_documents_are_read_with_their_metadata(kind, prefix):
    attributes = {
        "input.value": "q",
        f"{prefix}.0.document.id": "1",
        f"{prefix}.0.document.content": "c",
        f"{prefix}.0.document.score": 0.5,
        f"{prefix}.0.document.metadata": '{"source": "s", "title": "t"}',
    }
    found = reading(kind, attributes).step
    assert (found.query, found.documents) == ("q", (Document("1", "c", "s", "t", 0.5),))


@pytest.mark.parametrize("kind", ["EMBEDDING", "GUARDRAIL", "SOMETHING_NEW"])
def test_any_other_kind_is_no_step(kind):
    found = reading(kind, {"input.value": "q"})
    assert (found.step, found.is_entry) == (None, False)


@pytest.mark.parametrize("kind", [None, 5, ["LLM"]])
def test_a_span_without_a_kind_is_not_openinference(kind):
    assert reading(kind) is None
