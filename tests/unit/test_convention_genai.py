"""The OpenTelemetry GenAI conventions in their generations."""

import json

import pytest
from builders import SECOND, TRACE_ID, a_span, a_trace

from checks.interaction import Document, Message, ResponseFormat, ToolRequest
from checks.span import Event, LogRecord
from collector.conventions.genai import CONVENTION
from collector.conventions.read import read

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "q"}]}]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "a"}], "finish_reason": "stop"}]
DETAILS = "gen_ai.client.inference.operation.details"


def reading(attributes, records=(), **parts):
    return CONVENTION.read(a_span(attributes=attributes, **parts), records)


def call(attributes, records=(), **parts):
    return reading({**CHAT, **attributes}, records, **parts).step


def record(event_name, body=None, **attributes):
    return LogRecord(TRACE_ID, None, event_name, body=body, attributes=attributes)


@pytest.mark.parametrize("key", ["gen_ai.system", "gen_ai.provider.name"])
def test_the_provider_goes_by_its_old_and_its_new_key(key):
    assert call({key: "OpenAI"}).provider == "openai"


@pytest.mark.parametrize("encode", [json.dumps, lambda value: value])
def test_messages_in_span_attributes_are_read_as_json_and_as_structure(encode):
    found = call({"gen_ai.input.messages": encode(ASKED), "gen_ai.output.messages": encode(ANSWERED)})
    assert (found.input, found.output) == ((Message("user", "q"),), (Message("assistant", "a"),))
    assert found.finish_reasons == ("stop",)


@pytest.mark.parametrize("as_span_event", [True, False])
def test_messages_in_a_details_event_are_read_and_its_tokens_counted_once(as_span_event):
    added = {"gen_ai.input.messages": ASKED, "gen_ai.output.messages": ANSWERED, "gen_ai.usage.input_tokens": 3}
    events = (Event(DETAILS, 0, added),) if as_span_event else ()
    records = () if as_span_event else (record(DETAILS, **added),)
    found = call({"gen_ai.usage.input_tokens": 3}, records, events=events)
    assert (found.input, found.usage.input) == ((Message("user", "q"),), 3)


def test_one_event_a_message_gives_the_conversation():
    records = (
        record("gen_ai.system.message", {"content": "s"}),
        record("gen_ai.user.message", {"content": "q"}),
        record("gen_ai.assistant.message", {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}),
        record("gen_ai.tool.message", {"content": "r", "id": "1"}),
        record(
            "gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}
        ),
    )
    found = call({}, records)
    assert found.input == (
        Message("system", "s"),
        Message("user", "q"),
        Message("assistant", tool_requests=(ToolRequest("f", "1", {}),)),
        Message("tool", "r", tool_call_id="1"),
    )
    assert (found.output, found.finish_reasons) == ((Message("assistant", "a"),), ("stop",))


def test_events_without_content_say_that_something_was_said_but_not_what():
    found = call({}, (record("gen_ai.user.message"), record("gen_ai.choice", {"message": {"role": "assistant"}})))
    assert (found.input, found.output) == ((Message("user"),), (Message("assistant"),))


def test_the_oldest_span_events_hold_prompt_and_completion():
    events = (
        Event("gen_ai.content.prompt", 0, {"gen_ai.prompt": '[{"role": "user", "content": "q"}]'}),
        Event("gen_ai.content.completion", 1, {"gen_ai.completion": "a"}),
    )
    found = call({}, events=events)
    assert (found.input, found.output) == ((Message("user", "q"),), (Message("assistant", "a"),))


def test_content_that_is_not_recorded_is_none():
    found = call({})
    assert (found.input, found.output, found.tools) == (None, None, None)


@pytest.mark.parametrize("given", ["s", '[{"type": "text", "content": "s"}]', [{"type": "text", "content": "s"}]])
def test_system_instructions_come_before_the_messages(given):
    found = call({"gen_ai.system_instructions": given, "gen_ai.input.messages": ASKED})
    assert found.input == (Message("system", "s"), Message("user", "q"))


@pytest.mark.parametrize(
    ("recorded", "canonical"),
    [
        (["stop"], ("stop",)),
        ('["tool_call"]', ("tool_calls",)),
        (["tool-calls"], ("tool_calls",)),
        ("FinishReason.MAX_TOKENS", ("length",)),
        (["end_turn", "SAFETY"], ("stop", "content_filter")),
        (["odd"], ("odd",)),
        ([5], ()),
    ],
)
def test_finish_reasons_get_one_vocabulary(recorded, canonical):
    assert call({"gen_ai.response.finish_reasons": recorded}).finish_reasons == canonical


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.output.type": "json"}, ResponseFormat("json")),
        ({"gen_ai.openai.request.response_format": "json_schema"}, ResponseFormat("json")),
        ({"gen_ai.request.structured_output_schema": '{"type": "object"}'}, ResponseFormat("json", {"type": "object"})),
        ({"gen_ai.request.structured_output_schema": '{"type": "json_object"}'}, ResponseFormat("json")),
        ({"gen_ai.request.structured_output_schema": '{"type": "text"}'}, ResponseFormat("text")),
        ({"gen_ai.output.type": "text"}, ResponseFormat("text")),
        ({}, None),
    ],
)
def test_the_response_format_is_found_where_it_is_recorded(attributes, expected):
    assert call(attributes).response_format == expected


def test_parameters_are_named_without_their_prefix():
    assert call({"gen_ai.request.temperature": 0.2}).parameters == {"temperature": 0.2}


def test_the_time_to_the_first_chunk_is_in_seconds():
    assert call({"gen_ai.response.time_to_first_chunk": 0.25}).ttft_ns == SECOND // 4


def test_the_first_chunk_event_tells_the_time_to_the_first_token():
    events = (
        Event("gen_ai.content.completion.chunk", SECOND + 9),
        Event("gen_ai.content.completion.chunk", SECOND + 5),
    )
    assert call({}, events=events).ttft_ns == 5


def test_a_chunk_before_the_start_of_its_span_tells_nothing():
    assert call({}, events=(Event("gen_ai.content.completion.chunk", 5),)).ttft_ns is None


@pytest.mark.parametrize("operation", ["embeddings", "create_agent", "something_new"])
def test_another_operation_is_no_step(operation):
    assert reading({"gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 3}).step is None


def test_a_call_without_an_operation_is_told_by_what_it_recorded():
    assert reading({"gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 3}).step.model == "m"


def test_an_agents_run_repeats_its_calls_and_is_no_call():
    attributes = {**CHAT, "gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": ASKED}
    found = reading({**attributes, "gen_ai.output.messages": ANSWERED, "gen_ai.usage.input_tokens": 9})
    assert (found.step, found.is_entry, found.input, found.output) == (None, True, "q", "a")


def test_a_tool_span_is_a_tool_call():
    found = reading(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "f",
            "gen_ai.tool.call.id": "1",
            "gen_ai.tool.call.arguments": '{"a": 1}',
            "gen_ai.tool.call.result": "r",
        }
    ).step
    assert (found.name, found.id, found.arguments, found.result) == ("f", "1", {"a": 1}, "r")


def test_a_retrieval_span_gives_its_documents():
    found = reading(
        {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.query.text": "q",
            "gen_ai.retrieval.documents": '[{"id": "1", "score": 0.5}]',
        }
    ).step
    assert (found.query, found.documents) == ("q", (Document(id="1", score=0.5),))


def test_a_span_without_any_operation_is_not_genai():
    assert reading({"http.request.method": "POST", "gen_ai.conversation.id": "1"}) is None


def test_a_log_record_adds_only_to_the_span_that_it_names():
    span = a_span(attributes=CHAT)
    trace = a_trace(
        span, logs=(LogRecord(TRACE_ID, "00000000000000ff", DETAILS, attributes={"gen_ai.input.messages": ASKED}),)
    )
    assert read(trace).user_input is None
