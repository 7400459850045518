"""Reading must not depend on how a trace arrived, nor break on anything that it holds."""

from dataclasses import replace
from random import Random

import orjson
from builders import a_span, a_trace
from expectations import Recording, recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from checks.span import Event, LogRecord
from checks.trace import CloseReason
from checks.view import view
from collector.conventions.read import read
from collector.pipeline.assembler import assemble


def split_spans(recording: Recording) -> list[bytes]:
    """Each span as a request of its own."""
    found = []
    for group in TracesData.FromString(recording.spans).resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                scoped = {"scope": scope.scope, "spans": [span]}
                found.append(TracesData(resource_spans=[{"resource": group.resource, "scope_spans": [scoped]}]))
    return [request.SerializeToString() for request in found]


def split_logs(recording: Recording) -> list[bytes]:
    """Each log record as a request of its own."""
    found = []
    for group in LogsData.FromString(recording.logs).resource_logs:
        for scope in group.scope_logs:
            for record in scope.log_records:
                scoped = {"scope": scope.scope, "log_records": [record]}
                found.append(LogsData(resource_logs=[{"resource": group.resource, "scope_logs": [scoped]}]))
    return [request.SerializeToString() for request in found]


def resent(pieces: list[bytes], random: Random) -> list[bytes]:
    """The pieces in any order, two of them twice."""
    again = [*pieces, *random.choices(pieces, k=2)] if pieces else []
    random.shuffle(again)
    return again


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(recordings()), st.randoms())
def test_any_order_and_any_split_and_any_resending_give_the_same_interaction(recording, random):
    whole = read(recording.traces[0])
    spans, logs = (b"".join(resent(part, random)) for part in (split_spans(recording), split_logs(recording)))
    assert read(assemble(recording.trace_ids[0], spans, logs, CloseReason.ROOT_SEEN)) == whole


ITEMS = [item for each in recordings() for trace in each.traces for item in (*trace.spans, *trace.logs)]
KEYS = sorted(
    {key for item in ITEMS for key in item.attributes}
    | {"gen_ai.system_instructions", "gen_ai.user.feedback", "annotations.0.annotation.score", "error.type"}
)
KINDS = ["chat", "execute_tool", "retrieval", "invoke_agent", "LLM", "TOOL", "RETRIEVER", "CHAIN", "workflow", "task"]
KIND_KEYS = ["gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind"]
PARTS = ["role", "content", "parts", "type", "id", "tool_calls", "function", "name", "arguments", "message", "score"]
EVENT_NAMES = [
    *("gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details", "gen_ai.content.prompt"),
    *("gen_ai.evaluation.result", "gen_ai.user.feedback", "exception"),
]
ODD_NUMBERS = [0, 1, -1, 2**63 - 1, -(2**63), 0.5, 1e308, float("nan"), float("inf")]
ODD_TEXTS = ["", "x", "5", "true", "{", "[", "[]", "{}", "[1]", '"x"', '{"a": NaN}', "[" * 2000, "Context:\nQuestion:"]
ODD = [None, True, False, b"", b"\xff", b"[1]", *ODD_NUMBERS, *ODD_TEXTS, *KINDS]
IDS = ["1", "2", "3"]


def garbage(random: Random, depth: int = 4):
    """Any value that an attribute can hold, often in the shape of a message, often as JSON."""
    choice = random.random()
    if depth == 0 or choice < 0.4:
        return random.choice(ODD)
    if choice < 0.6:
        return [garbage(random, depth - 1) for _ in range(random.randrange(4))]
    found = {key: garbage(random, depth - 1) for key in random.sample(PARTS, random.randrange(5))}
    return orjson.dumps(found, default=str).decode() if choice < 0.8 else found


def garbage_attributes(random: Random) -> dict:
    found = {key: garbage(random) for key in random.sample(KEYS, random.randrange(25))}
    return {**found, random.choice(KIND_KEYS): random.choice(KINDS)}


def garbage_span(random: Random, span_id: str):
    names = random.choices(EVENT_NAMES, k=random.randrange(3))
    return a_span(
        span_id=span_id,
        parent_id=random.choice([None, *IDS]),
        start_ns=random.choice([0, 5, 2**64 - 1]),
        end_ns=random.choice([0, 5, 2**64 - 1]),
        attributes=garbage_attributes(random),
        events=tuple(Event(name, random.randrange(9), garbage_attributes(random)) for name in names),
    )


def garbage_log(random: Random) -> LogRecord:
    span_id, name = random.choice([None, *IDS]), random.choice(EVENT_NAMES)
    return LogRecord("t", span_id, name, 5, garbage(random), garbage_attributes(random))


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_attributes_hold_a_trace_is_read_and_its_view_is_json(seed):
    random = Random(seed)
    spans = [garbage_span(random, span_id) for span_id in IDS]
    logs = tuple(garbage_log(random) for _ in range(3))
    orjson.dumps(view(read(a_trace(*spans, logs=logs))))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(recordings()), st.integers(0, 2**32))
def test_a_recording_in_which_any_values_are_replaced_is_still_read(recording, seed):
    (trace,), random = recording.traces, Random(seed)
    spans = tuple(spoilt(span, random) for span in trace.spans)
    logs = tuple(spoilt(record, random) for record in trace.logs)
    orjson.dumps(view(read(replace(trace, spans=spans, logs=logs))))


def spoilt(item, random: Random):
    """A span or a log record some of whose attributes hold something else."""
    keys = random.choices(sorted(item.attributes) or ["x"], k=3)
    return replace(item, attributes={**item.attributes, **{key: garbage(random) for key in keys}})
