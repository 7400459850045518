"""A value that was cut at the door marks its trace, and an answer that was cut there is not taken for a broken one."""

import json

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request
from pipeline_fakes import text

from checks.builtin.valid_json import ValidJson
from checks.trace import CloseReason
from collector.conventions.read import read
from collector.intake import Source
from collector.pipeline.assembler import assemble
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.limits import ReceiverLimits

LIMIT = 2_000
LONG = json.dumps({"rows": ["x" * 100] * 40})
CHAT = [text("gen_ai.operation.name", "chat"), text("gen_ai.output.type", "json")]
LLM = [text("openinference.span.kind", "LLM"), text("llm.invocation_parameters", '{"response_format": "json_object"}')]


def came(*attributes, logs=(), limit=LIMIT, **parts):
    """The trace that comes of one span, as it is read after it was received."""
    limits = ReceiverLimits(attribute_bytes=limit)
    body = a_trace_request(a_proto_span(attributes=attributes, **parts)).SerializeToString()
    (piece,) = traces_from_protobuf(body, Source.FILE, limits).pieces
    records = logs_from_protobuf(a_logs_request(*logs).SerializeToString(), Source.FILE, limits).pieces if logs else ()
    encoded = b"".join(each.logs for each in records)
    return assemble(piece.trace_id, piece.spans, encoded, CloseReason.ROOT_SEEN)


def spoken(answer):
    return json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}])


def plain(answer):
    return AnyValue(string_value=answer)


def mapping(**parts):
    return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=key, value=value) for key, value in parts.items()]))


def structured(answer):
    part = mapping(type=plain("text"), content=plain(answer))
    message = mapping(role=plain("assistant"), parts=AnyValue(array_value=ArrayValue(values=[part])))
    return KeyValue(key="gen_ai.output.messages", value=AnyValue(array_value=ArrayValue(values=[message])))


def choice(answer):
    body = mapping(index=AnyValue(int_value=0), message=mapping(role=plain("assistant"), content=plain(answer)))
    return a_log_record(event_name="gen_ai.choice", body=body)


ANSWERS = {
    "messages as JSON": lambda answer, **parts: came(*CHAT, text("gen_ai.output.messages", spoken(answer)), **parts),
    "messages as values": lambda answer, **parts: came(*CHAT, structured(answer), **parts),
    "a log record": lambda answer, **parts: came(*CHAT, logs=[choice(answer)], **parts),
    "indexed keys": lambda answer, **parts: came(
        *LLM,
        text("llm.output_messages.0.message.role", "assistant"),
        text("llm.output_messages.0.message.content", answer),
        **parts,
    ),
    "an output value": lambda answer, **parts: came(
        *LLM, text("output.value", answer), text("output.mime_type", "text/plain"), **parts
    ),
}


@pytest.mark.parametrize("way", ANSWERS)
def test_an_answer_that_was_cut_at_the_door_is_not_judged(way):
    trace = ANSWERS[way](LONG)
    assert trace.truncated
    assert not ValidJson(always=True).applies_to(read(trace))


@pytest.mark.parametrize("way", ANSWERS)
def test_the_same_answer_whole_is_judged(way):
    trace = ANSWERS[way](LONG, limit=10 * LIMIT)
    interaction = read(trace)
    assert not trace.truncated
    assert ValidJson(always=True).applies_to(interaction)
    assert list(ValidJson(always=True).inspect(interaction)) == []


@pytest.mark.parametrize("way", ANSWERS)
def test_an_answer_that_is_whole_is_judged_though_something_else_was_cut(way):
    trace = ANSWERS[way]('{"rows": [', events=[{"name": "x", "attributes": [text("note", "y" * 3 * LIMIT)]}])
    interaction = read(trace)
    assert trace.truncated
    assert ValidJson(always=True).applies_to(interaction)
    assert [finding.code for finding in ValidJson(always=True).inspect(interaction)] == ["truncated"]


def test_a_trace_in_which_nothing_was_cut_is_not_marked_though_it_speaks_of_the_mark():
    assert not came(text("note", "what does sidecheck.truncated mean?")).truncated


@pytest.mark.parametrize("value", [plain("gen_ai.output.messages"), AnyValue(int_value=1), AnyValue()])
def test_a_mark_that_an_app_wrote_itself_does_no_harm(value):
    mark = KeyValue(key="sidecheck.truncated", value=value)
    trace = came(*CHAT, text("gen_ai.output.messages", spoken("{}")), mark)
    assert trace.truncated
    assert list(ValidJson().inspect(read(trace))) == []
    assert ValidJson().applies_to(read(trace))
