"""A trace of any conventions put together: what was asked and answered, and each step once."""

import json

import pytest
from builders import SECOND, a_span, a_thumb, a_trace

from checks.interaction import ModelCall, Retrieval
from checks.span import Event, LogRecord, Span, Status, StatusCode
from collector.conventions.read import read


def chat(span_id: str, parent_id: str | None = "r", at: int = 1, **attributes) -> Span:
    """A GenAI chat span of one second, ``at`` seconds in; ``asked``, ``said`` and ``wants`` make its messages."""
    found = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    if (asked := attributes.pop("asked", None)) is not None:
        found["gen_ai.input.messages"] = json.dumps([{"role": "user", "content": asked}])
    if (said := attributes.pop("said", None)) is not None:
        found["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "content": said}])
    return a_step(span_id, parent_id, at, **found, **attributes)


def llm(span_id: str, parent_id: str | None = "r", at: int = 1, **attributes) -> Span:
    """An OpenInference LLM span."""
    return a_step(span_id, parent_id, at, **{"openinference.span.kind": "LLM", **attributes})


def a_step(span_id: str, parent_id: str | None, at: int = 1, **attributes) -> Span:
    start = at * SECOND
    return a_span(span_id=span_id, parent_id=parent_id, start_ns=start, end_ns=start + SECOND, attributes=attributes)


def root(**attributes) -> Span:
    return a_span(span_id="r", start_ns=0, end_ns=9 * SECOND, attributes=attributes)


def chain(**values) -> Span:
    given = {f"{side}.value": value for side, value in values.items()}
    return root(**{"openinference.span.kind": "CHAIN", **given})


# --- what every trace gives


def test_a_trace_without_any_convention_still_has_its_service_ids_and_error():
    span = root(**{"session.id": "s", "enduser.id": 7})
    failed = a_span(parent_id="r", status=Status(StatusCode.ERROR, "boom"))
    found = read(a_trace(span, failed))
    assert (found.convention, found.steps, found.service) == ("none", (), "shop")
    assert (found.session_id, found.user_id, found.error.message) == ("s", "7", "boom")


def test_a_trace_of_log_records_alone_is_read():
    trace = a_trace()
    bare = type(trace)(trace_id=trace.trace_id, spans=(), logs=(LogRecord(trace.trace_id, body="x"),))
    assert read(bare).convention == "none"


def test_a_scrubbed_session_id_is_not_recorded():
    assert read(a_trace(root(**{"session.id": "[Scrubbed due to 'session']"}))).session_id is None


def test_the_roots_session_comes_before_the_others():
    assert read(a_trace(root(**{"session.id": "a"}), chat("1", **{"session.id": "b"}))).session_id == "a"


def test_feedback_from_beside_the_trace_is_kept():
    assert read(a_trace(feedback=(a_thumb(up=True),))).feedback == (a_thumb(up=True),)


def test_an_exception_that_the_app_handled_is_no_error():
    handled = a_span(events=(Event("exception", 0, {"exception.type": "KeyError"}),))
    assert read(a_trace(handled)).error is None


def test_the_error_of_the_root_tells_most_then_that_of_a_model_call():
    failed = Status(StatusCode.ERROR, "root")
    tool = a_step("2", "r", **{"gen_ai.operation.name": "execute_tool", "error.type": "T"})
    model = chat("1", at=3, **{"error.type": "M"})
    assert read(a_trace(root(), tool, model)).error.type == "M"
    assert read(a_trace(a_span(span_id="r", status=failed), tool, model)).error.message == "root"


# --- what was asked and answered


def test_what_the_app_was_given_and_gave_back_comes_before_what_the_model_saw():
    found = read(a_trace(chain(input="q", output="a!"), chat("1", asked="Be nice. q", said="a")))
    assert (found.user_input, found.input_span) == ("q", "r")
    assert (found.final_output, found.output_span) == ("a!", "r")


def test_without_a_span_of_the_app_the_last_model_call_tells():
    found = read(a_trace(root(), chat("1", asked="q1", said="a1"), chat("2", at=3, asked="q2", said="a2")))
    assert (found.user_input, found.input_span) == ("q2", "2")
    assert (found.final_output, found.output_span) == ("a2", "2")


def test_an_empty_answer_of_the_app_yields_to_the_models():
    assert read(a_trace(chain(output=""), chat("1", said="I can't."))).final_output == "I can't."


def test_an_empty_answer_of_both_is_an_empty_answer():
    assert read(a_trace(chain(output=""), chat("1", said=""))).final_output == ""


def test_no_recorded_answer_is_none():
    found = read(a_trace(root(), chat("1")))
    assert (found.user_input, found.final_output, found.output_span) == (None, None, None)


def test_among_an_apps_arguments_the_one_that_the_model_was_asked_is_the_users():
    arguments = json.dumps({"tenant": "acme", "question": "q?", "lang": "en"})
    assert read(a_trace(chain(input=arguments), chat("1", asked="q?"))).user_input == "q?"


def test_arguments_that_leave_a_doubt_yield_to_the_message():
    arguments = json.dumps({"tenant": "acme", "lang": "en"})
    assert read(a_trace(chain(input=arguments), chat("1", asked="en route?"))).user_input == "en route?"


def test_a_users_message_whose_text_was_lost_is_not_replaced_by_an_earlier_one():
    said = json.dumps([{"role": "user", "content": "old"}, {"role": "user", "parts": []}])
    assert read(a_trace(root(), chat("1", **{"gen_ai.input.messages": said}))).user_input is None


def test_a_chain_beside_the_answering_call_says_nothing_of_the_answer():
    side = a_step("c", "r", **{"openinference.span.kind": "CHAIN", "input.value": "x", "output.value": "y"})
    found = read(a_trace(root(), side, chat("1", at=3, asked="q", said="a")))
    assert (found.user_input, found.final_output) == ("q", "a")


def test_a_refusal_is_the_answer_and_is_marked():
    messages = '[{"role": "assistant", "parts": [{"type": "refusal", "content": "no"}]}]'
    found = read(a_trace(root(), chat("1", **{"gen_ai.output.messages": messages})))
    assert (found.final_output, found.refusal) == ("no", True)


def test_an_answer_that_the_provider_filtered_is_a_refusal():
    assert read(a_trace(root(), chat("1", **{"gen_ai.response.finish_reasons": ["content_filter"]}))).refusal


def test_the_system_prompt_is_that_of_the_first_call_that_has_one():
    system = [chat(str(n), at=n, **{"gen_ai.system_instructions": f"s{n}"}) for n in (2, 3)]
    assert read(a_trace(root(), chat("1", asked="q"), *system)).system == "s2"


# --- steps that were recorded twice


def test_a_call_inside_the_wrapper_of_another_library_counts_once_and_keeps_what_each_recorded():
    outer = llm(
        "1", **{"llm.model_name": "m-1", "llm.token_count.prompt": 3, "llm.input_messages.0.message.content": "q"}
    )
    inner = chat("2", "1", said="a", **{"gen_ai.usage.input_tokens": 3})
    (call,) = read(a_trace(root(), outer, inner)).model_calls
    assert (call.span_id, call.response_model, call.usage.input) == ("2", "m-1", 3)
    assert (call.input[0].content, call.output[0].content) == ("q", "a")


def test_a_wrapper_around_several_calls_is_none_itself():
    found = read(a_trace(root(), llm("1"), chat("2", "1"), chat("3", "1", at=2)))
    assert [call.span_id for call in found.model_calls] == ["2", "3"]


def test_a_wrapper_is_found_through_spans_that_mean_nothing():
    plain = a_step("p", "1")
    assert len(read(a_trace(root(), llm("1"), plain, chat("2", "p"))).model_calls) == 1


def test_a_call_that_a_tool_makes_inside_another_call_is_a_call_of_its_own():
    tool = a_step("t", "1", **{"gen_ai.operation.name": "execute_tool"})
    assert len(read(a_trace(root(), llm("1"), tool, chat("2", "t"))).model_calls) == 2


def test_nested_calls_with_two_response_ids_are_two():
    spans = [chat("1", **{"gen_ai.response.id": "x"}), chat("2", "1", **{"gen_ai.response.id": "y"})]
    assert len(read(a_trace(root(), *spans)).model_calls) == 2


def test_two_spans_side_by_side_with_one_response_id_are_one_call():
    spans = [chat("1", **{"gen_ai.response.id": "x"}), chat("2", said="a", **{"gen_ai.response.id": "x"})]
    (call,) = read(a_trace(root(), *spans)).model_calls
    assert (call.span_id, call.output[0].content) == ("2", "a")


def test_a_response_id_that_comes_again_later_is_another_call():
    spans = [chat("1", at=1, **{"gen_ai.response.id": "x"}), chat("2", at=5, **{"gen_ai.response.id": "x"})]
    assert len(read(a_trace(root(), *spans)).model_calls) == 2


def test_nested_records_of_one_tool_are_one_run():
    outer = a_step("t", "r", **{"openinference.span.kind": "TOOL", "tool.name": "f", "input.value": "{}"})
    inner = a_step("u", "t", **{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"})
    (call,) = read(a_trace(root(), outer, inner)).tool_calls
    assert (call.span_id, call.arguments) == ("u", {})


def test_of_nested_retrievals_the_outer_one_gives_what_the_app_got():
    def retriever(span_id, parent, *texts):
        documents = {f"retrieval.documents.{n}.document.content": text for n, text in enumerate(texts)}
        return a_step(span_id, parent, **{"openinference.span.kind": "RETRIEVER", **documents})

    found = read(a_trace(root(), retriever("1", "r", "best"), retriever("2", "1", "best", "worst")))
    assert [document.content for document in found.documents] == ["best"]
    found = read(a_trace(root(), retriever("1", "r"), retriever("2", "1", "a"), retriever("3", "1", "b")))
    assert [document.content for document in found.documents] == ["a", "b"]


def test_a_span_of_two_conventions_is_read_by_both():
    both = llm("1", **{"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3})
    found = read(a_trace(root(), both))
    assert (found.convention, [call.usage.input for call in found.model_calls]) == ("openinference", [3])


def test_the_convention_is_the_one_that_most_model_calls_were_read_by():
    assert read(a_trace(root(), llm("1"), chat("2", at=3), chat("3", at=5))).convention == "genai"


def test_without_model_calls_the_convention_is_the_one_that_most_spans_follow():
    assert read(a_trace(root(**{"traceloop.span.kind": "workflow"}))).convention == "openllmetry"


@pytest.mark.parametrize(
    "spans",
    [
        [chat("1", "1")],
        [chat("1", "2"), chat("2", "1")],
        [chat("1", "2"), a_span(span_id="2", parent_id="1")],
        [chat("1", "2"), chat("2", "3", 3), chat("3", "2", 5)],
        [a_step("1", "2"), a_step("2", "1"), chat("3", "1")],
        [a_step(n, p, **{"openinference.span.kind": "RETRIEVER"}) for n, p in (("1", "2"), ("2", "1"), ("3", "1"))],
    ],
)
def test_parents_in_a_circle_do_no_harm(spans):
    steps = read(a_trace(*spans)).steps
    assert len([step for step in steps if isinstance(step, ModelCall | Retrieval)]) == 1
