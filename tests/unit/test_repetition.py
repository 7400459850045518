"""What spans say again is not read again, and what the traces that were read say is not kept."""

import json

import pytest
from builders import a_span, a_trace

from collector.conventions import definitions, messages, repetition
from collector.conventions.read import read, read_all
from collector.conventions.repetition import NEW, LastRead

SAID = json.dumps([{"role": "user", "content": "hi"}])
TOOLS = json.dumps([{"name": "f", "parameters": {"type": "object"}}])


@pytest.fixture(autouse=True)
def _nothing_read():
    repetition.forget()


def again(text: str) -> str:
    """An equal text that is another object."""
    return text[:1] + text[1:]


def test_messages_in_equal_texts_are_read_once():
    first = messages.read(SAID, "user")
    assert messages.read(again(SAID), "user") is first


def test_tools_in_equal_texts_are_read_once():
    assert definitions.read(TOOLS) is definitions.read(again(TOOLS))


def test_the_same_text_in_another_role_is_read_anew():
    assert [messages.read("hi", role)[0].role for role in ("user", "system", "user")] == ["user", "system", "user"]


def test_a_text_between_makes_it_new():
    messages.read(SAID, "user")
    assert [m.content for m in messages.read("other", "user")] == ["other"]
    assert [m.content for m in messages.read(SAID, "user")] == ["hi"]


@pytest.mark.parametrize("value", [[{"role": "user"}], {"role": "user"}, b"[]", 5])
def test_only_texts_are_kept(value):
    last = LastRead()
    last.keep(value, "made")
    assert last.made_of(value) is NEW


def test_that_nothing_was_made_of_a_text_is_kept_too():
    last = LastRead()
    last.keep("text", None)
    assert last.made_of("text") is None


def test_after_a_trace_nothing_of_it_is_kept():
    chat = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": SAID, "gen_ai.tool.definitions": TOOLS}
    (first,) = read(a_trace(a_span(attributes=chat))).model_calls
    (second,) = read(a_trace(a_span(attributes=chat))).model_calls
    assert first.input == second.input
    assert first.input is not second.input
    assert first.tools is not second.tools


def test_tools_that_every_trace_of_a_batch_offers_are_read_once():
    chats = [
        {"gen_ai.operation.name": "chat", "gen_ai.input.messages": said, "gen_ai.tool.definitions": again(TOOLS)}
        for said in ("one", "two")
    ]
    found = read_all([a_trace(a_span(attributes=chat)) for chat in chats])
    (first,), (second,) = (interaction.model_calls for interaction in found)
    assert first.tools is second.tools
    assert [call.input[0].content for call in (first, second)] == ["one", "two"]
