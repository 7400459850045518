"""Chat messages in every shape that libraries record them in."""

import json

import pytest

from checks.interaction import Message, ToolRequest
from collector.conventions import messages

CALL = ToolRequest("f", "c1", {"a": 1})


def test_nothing_recorded_is_no_list():
    assert messages.read(None, "user") is None


def test_an_empty_list_is_a_list():
    assert messages.read("[]", "user") == ()


@pytest.mark.parametrize(
    "recorded",
    [
        [{"role": "user", "content": "hi"}],
        [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        [{"role": "user", "parts": [{"text": "hi"}]}],
        [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        [{"type": "human", "role": "human", "content": "hi"}],
        [{"message": {"role": "user", "contents": [{"message_content": {"type": "text", "text": "hi"}}]}}],
        {"role": "user", "content": "hi"},
        "hi",
    ],
)
@pytest.mark.parametrize("encode", [lambda value: value, lambda v: v if isinstance(v, str) else json.dumps(v)])
def test_a_users_text_is_found_in_every_shape(recorded, encode):
    assert messages.read(encode(recorded), "user") == (Message("user", "hi"),)


@pytest.mark.parametrize(
    "recorded",
    [
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"role": "assistant", "tool_calls": [{"id": "c1", "name": "f", "arguments": '{"a":1}'}]},
        {
            "tool_calls": [{"tool_call": {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}}],
            "role": "model",
        },
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
    ],
)
def test_a_models_request_for_a_tool_is_found_in_every_shape(recorded):
    assert messages.read([recorded], "user") == (Message("assistant", tool_requests=(CALL,)),)


@pytest.mark.parametrize(
    "recorded",
    [
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
        {"role": "tool", "id": "c1", "content": "7"},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "7"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "7"}]},
        {"type": "function_call_output", "call_id": "c1", "output": "7"},
    ],
)
def test_a_tools_answer_is_found_in_every_shape(recorded):
    assert messages.read([recorded], "user") == (Message("tool", "7", tool_call_id="c1"),)


def test_a_tools_answer_beside_the_users_text_is_a_message_of_its_own():
    parts = [{"type": "tool_result", "tool_use_id": "c1", "content": "7"}, {"type": "text", "text": "go on"}]
    found = messages.read([{"role": "user", "content": parts}], "user")
    assert found == (Message("tool", "7", tool_call_id="c1"), Message("user", "go on"))


def test_arguments_that_do_not_parse_stay_text():
    call = {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": '{"a": '}}]}
    assert messages.read([call], "user")[0].tool_requests[0].arguments == '{"a": '


@pytest.mark.parametrize(
    "recorded",
    [
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "parts": [{"type": "refusal", "content": "no"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ],
)
def test_a_refusal_is_told_from_an_answer(recorded):
    assert messages.read([recorded], "user") == (Message("assistant", None, refusal="no"),)


def test_media_are_named_and_their_bytes_left_out():
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:..."}},
        {"type": "blob", "modality": "audio", "content": "AAAA"},
    ]
    assert messages.read([{"role": "user", "content": parts}], "user") == (
        Message("user", "look", media=("image", "audio")),
    )


def test_thoughts_are_no_part_of_the_answer():
    parts = [{"type": "reasoning", "content": "hmm"}, {"type": "text", "content": "yes"}]
    assert messages.read([{"role": "assistant", "parts": parts}], "user") == (Message("assistant", "yes"),)


def test_content_that_was_not_recorded_is_not_empty_content():
    said = messages.read([{"role": "user"}, {"role": "user", "content": ""}], "user")
    assert [message.content for message in said] == [None, ""]


@pytest.mark.parametrize("answer", ['{"order": 1}', '[{"type": "text"}, 5]', '[{"a": 1}]', "[1, 2]", "{broken"])
def test_an_answer_that_is_json_is_not_taken_for_messages(answer):
    assert messages.read(answer, "assistant") == (Message("assistant", answer),)
    assert messages.read([{"role": "assistant", "content": answer}], "user") == (Message("assistant", answer),)


def test_a_list_of_parts_that_was_turned_into_text_is_read():
    content = json.dumps([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {}}])
    assert messages.read([{"role": "user", "content": content}], "user") == (Message("user", "hi", media=("image",)),)


@pytest.mark.parametrize("odd", [5, True, [5, None], [[["x"]]], [{"role": 5, "content": {"type": [1]}}], b"\xff"])
def test_odd_values_do_no_harm(odd):
    messages.read(odd, "user")
    messages.finish_reasons(odd)


def test_finish_reasons_stand_in_the_messages():
    said = '[{"role": "assistant", "finish_reason": "stop"}, {"stop_reason": "end_turn"}]'
    assert messages.finish_reasons(said) == ("stop", "end_turn")


@pytest.mark.parametrize("role", ["user", "assistant", "tool", None])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "content": "hi"},
        {"type": "tool_call", "id": "1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
        {"type": "tool_call_response", "id": "1", "response": {"a": 1}},
        {"type": "tool_call"},
        {"type": "reasoning", "content": "hm"},
        {"type": ["text"], "content": "hi"},
    ],
    ids=lambda part: str(part["type"]),
)
def test_a_plain_message_is_read_as_one_that_has_more_to_it_than_that(part, role):
    plain = {"role": role, "parts": [part]}
    assert messages.read([plain], "user") == messages.read([{**plain, "more": None}], "user")
