"""Tool calls put together from requests, runs and answers."""

from builders import SECOND, a_message, a_model_call

from checks.interaction import Failure, Message, ToolCall, ToolRequest
from collector.conventions.toolcalls import combine

ASK = ToolRequest("f", "1", {"a": 1})


def asking(*requests, **parts):
    said = (Message("assistant", tool_requests=requests),)
    return a_model_call(output=said, start_ns=SECOND, duration_ns=SECOND, **parts)


def told(*messages, **parts):
    return a_model_call(
        **{"input": messages, "output": (Message("assistant", "done"),), "start_ns": 9 * SECOND, **parts}
    )


def history(*requests):
    return Message("assistant", tool_requests=requests)


def answer(call_id, content):
    return Message("tool", content, tool_call_id=call_id)


def a_run(**parts):
    return ToolCall(**{"span_id": "t1", "name": "f", "start_ns": 3 * SECOND, "duration_ns": 5, **parts})


def test_a_request_alone_is_a_call_that_started_when_the_model_had_answered():
    assert combine([asking(ASK)], []) == (ToolCall(None, "f", "1", {"a": 1}, start_ns=2 * SECOND),)


def test_request_run_and_answer_with_one_id_are_one_call():
    found = combine([asking(ASK), told(history(ASK), answer("1", "r"))], [a_run(id="1")])
    assert found == (ToolCall("t1", "f", "1", {"a": 1}, "r", 3 * SECOND, 5),)


def test_the_runs_own_result_is_nearer_than_the_message():
    (found,) = combine([asking(ASK), told(history(ASK), answer("1", "shortened"))], [a_run(id="1", result="r")])
    assert found.result == "r"


def test_a_failed_run_keeps_its_error_beside_the_answer():
    failed = a_run(id="1", error=Failure("T", "m"))
    (found,) = combine([asking(ASK), told(history(ASK), answer("1", "error"))], [failed])
    assert (found.error, found.result) == (Failure("T", "m"), "error")


def test_a_run_without_an_id_is_matched_by_name_and_arguments():
    requests = ToolRequest("f", "1", {"a": 1}), ToolRequest("f", "2", {"a": 2, "b": 3})
    runs = [a_run(arguments={"b": 3, "a": 2}, result="second"), a_run(span_id="t2", arguments={"a": 1}, result="first")]
    assert [(c.id, c.result) for c in combine([asking(*requests)], runs)] == [("1", "first"), ("2", "second")]


def test_runs_whose_arguments_were_not_recorded_are_matched_by_name_in_order():
    requests = ToolRequest("g", "1"), ToolRequest("f", "2"), ToolRequest("f", "3")
    runs = [a_run(span_id="t1"), a_run(span_id="t2")]
    assert [(c.id, c.span_id) for c in combine([asking(*requests)], runs)] == [("1", None), ("2", "t1"), ("3", "t2")]


def test_equal_calls_with_ids_of_their_own_are_two():
    twice = ToolRequest("f", "1", {"a": 1}), ToolRequest("f", "2", {"a": 1})
    runs = [a_run(span_id="t2", id="2", result="b"), a_run(span_id="t1", id="1", result="a")]
    found = combine([asking(*twice), told(history(*twice), answer("1", "a"), answer("2", "b"))], runs)
    assert [(c.id, c.result) for c in found] == [("1", "a"), ("2", "b")]


def test_the_id_by_which_the_answer_names_the_call_is_its_id():
    item = ToolRequest("f", "fc_1", {"a": 1})
    (found,) = combine([asking(item), told(history(ASK), answer("1", "r"))], [a_run(arguments={"a": 1})])
    assert (found.id, found.result, found.span_id) == ("1", "r", "t1")


def test_two_spans_of_one_call_are_one():
    found = combine([asking(ASK)], [a_run(id="1"), a_run(span_id="t2", id="1", result="r")])
    assert [(c.span_id, c.result) for c in found] == [("t1", "r")]


def test_two_spans_of_a_call_that_no_model_recorded_are_one():
    found = combine([], [a_run(id="1"), a_run(span_id="t2", id="1", result="r")])
    assert [(c.span_id, c.result) for c in found] == [("t1", "r")]


def test_a_run_that_no_model_asked_for_is_a_call():
    assert combine([], [a_run()]) == (a_run(),)


def test_calls_of_an_earlier_trace_in_the_conversation_are_not_counted():
    earlier = told(history(ASK), answer("1", "r"), a_message("and now?"), start_ns=0)
    assert combine([earlier, told(history(ASK), answer("1", "r"))], []) == ()


def test_a_call_is_found_in_the_conversation_where_the_answer_that_asked_was_not_recorded():
    silent = told(history(ToolRequest("f", "0", {})), answer("0", "old"), output=None, start_ns=0)
    later = told(history(ToolRequest("f", "0", {})), answer("0", "old"), history(ASK), answer("1", "r"))
    assert [(c.id, c.result) for c in combine([silent, later], [])] == [("1", "r")]


def test_arguments_that_cannot_be_compared_do_no_harm():
    odd = ToolRequest("f", None, {"a": b"\xff"})
    assert len(combine([asking(odd), told(history(odd))], [a_run(arguments={"a": object()})])) == 2
