"""The view: what was recorded has a key, what was not has none."""

import math

import orjson
import pytest
from builders import a_model_call, a_retrieval, an_interaction

from checks.interaction import Document, Failure, ToolCall, ToolDefinition, Usage
from checks.view import view


def seen(*steps, **parts):
    return view(an_interaction(**{"output": None, "user_input": None, "steps": steps, **parts}))


def test_nothing_recorded_gives_an_empty_view():
    assert seen() == {}


def test_texts_and_ids_are_named_plainly():
    found = seen(user_input="q", output="a", system="s", session_id="1", user_id="2")
    assert found == {"input": "q", "output": "a", "system": "s", "session_id": "1", "user_id": "2"}


def test_an_empty_answer_is_an_answer():
    assert seen(output="") == {"output": ""}


def test_the_model_is_the_one_that_answered_last():
    first, last = a_model_call(model="a", response_model="a-1"), a_model_call(model="b", response_model="b-1")
    found = seen(first, last)
    assert (found["model"], found["model_response"]) == ("b-1", "b-1")


def test_a_model_that_never_answered_is_the_one_asked_for():
    found = seen(a_model_call(model="a"))
    assert (found["model"], "model_response" in found) == ("a", False)


def test_tokens_are_summed_over_the_calls_that_recorded_them():
    calls = a_model_call(usage=Usage(input=2, output=3)), a_model_call(usage=Usage(input=5, cached_input=4))
    assert seen(*calls)["tokens"] == {"input": 7, "output": 3, "cached_input": 4}


def test_what_each_call_cost_is_told_and_the_sum_where_all_have_a_price():
    calls = a_model_call(span_id="a", cost=0.25), a_model_call(span_id="b", response_model="gpt-4o-0613", cost=0.5)
    assert seen(*calls)["cost"] == {
        "dollars": 0.75,
        "calls": [
            {"span_id": "a", "model": "gpt-4o-mini", "dollars": 0.25},
            {"span_id": "b", "model": "gpt-4o-0613", "dollars": 0.5},
        ],
    }


def test_a_call_without_a_price_has_no_dollars_and_is_counted_unless_it_failed():
    calls = a_model_call(cost=0.5), a_model_call(), a_model_call(error=Failure("timeout"))
    cost = seen(*calls)["cost"]
    assert (cost["dollars"], cost["unpriced_calls"]) == (0.5, 1)
    assert ["dollars" in call for call in cost["calls"]] == [True, False, False]
    assert "cost" not in seen(*calls[1:])


def test_a_call_that_cost_nothing_has_a_price():
    assert seen(a_model_call(cost=0.0))["cost"]["dollars"] == 0


def test_no_recorded_tokens_are_not_zero_tokens():
    assert "tokens" not in seen(a_model_call())


def test_a_tool_call_shows_only_what_was_recorded_of_it():
    assert seen(ToolCall(span_id=None, name="search"))["tool_calls"] == [{"name": "search"}]


def test_a_failed_tool_call_shows_why():
    failed = ToolCall(span_id="1", id="c", name="f", arguments={"a": 1}, result="r", error=Failure("T", "no answer"))
    expected = {"id": "c", "name": "f", "arguments": {"a": 1}, "result": "r", "error": "no answer"}
    assert seen(failed)["tool_calls"] == [expected]


def test_offered_tools_are_named_once():
    call = a_model_call(tools=(ToolDefinition("f"), ToolDefinition("g")))
    assert seen(call, call)["tool_definitions"] == ["f", "g"]


def test_documents_show_what_was_recorded_of_them():
    document = Document(id="1", content="c", source="s", title="t", score=0.5)
    found = seen(a_retrieval(document, Document(content="d")))["documents"]
    assert found == [{"id": "1", "content": "c", "source": "s", "title": "t", "score": 0.5}, {"content": "d"}]


def test_finish_reasons_are_listed_once_each_in_order():
    calls = [a_model_call(finish_reasons=reasons) for reasons in (("tool_calls",), ("tool_calls",), ("stop",))]
    assert seen(*calls)["finish_reasons"] == ["tool_calls", "stop"]


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (Failure("T", "m"), {"type": "T", "message": "m"}),
        (Failure("T"), {"type": "T"}),
        (Failure(), {"type": "_OTHER"}),
    ],
)
def test_an_error_is_shown_even_where_nothing_is_known_of_it(failure, shown):
    assert seen(error=failure)["error"] == shown


def test_a_refusal_has_a_key_only_where_there_is_one():
    assert seen(refusal=True)["refusal"] is True
    assert "refusal" not in seen(refusal=False)


@pytest.mark.parametrize(
    ("flags", "shown"), [((None, None), None), ((False, None), False), ((False, True), True), ((True,), True)]
)
def test_streaming_is_told_only_where_some_call_recorded_it(flags, shown):
    assert seen(*(a_model_call(streaming=flag) for flag in flags)).get("streaming") is shown


def test_the_time_to_the_first_token_is_that_of_the_first_call_that_has_one():
    calls = [a_model_call(ttft_ns=ns) for ns in (None, 1_500_000, 9_000_000)]
    assert seen(*calls)["ttft_ms"] == 1.5


def test_any_captured_value_can_be_written_as_json():
    deep: list = []
    for _ in range(1000):
        deep = [deep]
    arguments = {"b": b"\xff", "n": math.nan, "i": math.inf, "t": (1, 2), 3: {1, 2}, "deep": deep}
    found = seen(ToolCall(span_id=None, arguments=arguments))
    shown = orjson.loads(orjson.dumps(found))["tool_calls"][0]["arguments"]
    assert (shown["b"], shown["n"], shown["i"], shown["t"]) == ("/w==", None, None, [1, 2])
