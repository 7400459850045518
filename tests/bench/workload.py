"""Generated load: LLM traces of a given size, as OTLP requests. The same seed gives the same bytes.

A trace is five spans (HTTP root, retrieval or preparation, two model calls, a tool) in OpenTelemetry's GenAI
convention: texts of ``size`` characters in and out, 5 % with personal data, 10 % answers in JSON, 20 % with retrieved
documents.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SPANS_A_TRACE = 5
START_NS = 1_750_000_000_000_000_000
SENTENCE = (
    "the plan includes support for every workspace and its members can export reports at any time while invoices are "
    "sent on the first day of a month to owners who may change their address in settings under billing if they need it"
)
WORDS = SENTENCE.split()
PERSONAL = ("write to jana.kovac@mail-central.org", "call +49 30 901820", "her card is 4539 1488 0343 6467")


@dataclass(frozen=True, slots=True)
class Mix:
    """What share of traces holds what; ``size`` is the length of the user's text and of the answer, in characters."""

    size: int = 2_000
    personal: float = 0.05
    json: float = 0.10
    rag: float = 0.20


def requests(traces: int, mix: Mix, per_request: int = 20, seed: int = 1, first: int = 0) -> Iterator[bytes]:
    """``traces`` traces, ``per_request`` in a request."""
    for start in range(0, traces, per_request):
        numbers = range(first + start, first + min(start + per_request, traces))
        yield request(numbers, mix, seed)


def request(numbers: range, mix: Mix, seed: int = 1) -> bytes:
    """One export request with the traces of these numbers."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.append(_attribute("service.name", f"bench-{numbers.start % 3}"))
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.genai.openai"
    for number in numbers:
        scope.spans.extend(trace(number, mix, seed))
    return message.SerializeToString()


def trace(number: int, mix: Mix, seed: int = 1) -> list[Span]:
    """The spans of trace ``number``, the root last, as exporters send them."""
    rng = random.Random(seed * 1_000_003 + number)
    trace_id = (seed << 96 | number + 1).to_bytes(16, "big")
    question, answer = text(rng, mix.size), _answer(rng, mix)
    documents = [{"id": f"kb-{n}", "content": text(rng, 300)} for n in range(3)] if rng.random() < mix.rag else []
    if documents:
        answer += " [1]" if rng.random() < 0.8 else ""
    history = [_message("system", "Answer briefly and cite your sources."), _message("user", question)]
    is_json = answer.startswith("{")
    return [
        _span(trace_id, 2, 1, "retrieval kb", 5, _retrieval(documents)),
        _span(trace_id, 3, 1, "chat gpt-4o-mini", 400, _chat(history, _tool_request(), "tool_calls", False)),
        _span(trace_id, 4, 1, "execute_tool lookup", 20, _tool()),
        _span(trace_id, 5, 1, "chat gpt-4o-mini", 600, _chat(history, _message("assistant", answer), "stop", is_json)),
        _span(trace_id, 1, None, "POST /chat", 1100, {"http.route": "/chat", "http.response.status_code": 200}),
    ]


def text(rng: random.Random, size: int) -> str:
    """Prose of about ``size`` characters."""
    words: list[str] = []
    length = 0
    while length < size:
        sentence = rng.choices(WORDS, k=12)
        words.append(" ".join(sentence).capitalize() + ".")
        length += len(words[-1]) + 1
    return " ".join(words)[:size]


def _answer(rng: random.Random, mix: Mix) -> str:
    draw = rng.random()
    if draw < mix.personal:
        body = text(rng, mix.size)
        return body[: mix.size // 2] + " " + rng.choice(PERSONAL) + " " + body[mix.size // 2 :]
    if draw < mix.personal + mix.json:
        rows = [{"name": text(rng, 40), "count": rng.randrange(1000)} for _ in range(max(1, mix.size // 70))]
        return json.dumps({"rows": rows})
    return text(rng, mix.size)


def _chat(history: list[dict[str, object]], output: dict[str, object], finish: str, as_json: bool) -> dict[str, object]:
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": [finish],
        "gen_ai.usage.input_tokens": 620,
        "gen_ai.usage.output_tokens": 410,
        "gen_ai.input.messages": json.dumps(history),
        "gen_ai.output.messages": json.dumps([{**output, "finish_reason": finish}]),
        "server.address": "api.openai.com",
    }
    return {**attributes, "gen_ai.output.type": "json"} if as_json else attributes


def _message(role: str, content: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _tool_request() -> dict[str, object]:
    call = {"type": "tool_call", "id": "call_1", "name": "lookup", "arguments": {"id": 7}}
    return {"role": "assistant", "parts": [call]}


def _tool() -> dict[str, object]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "lookup",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"id": 7}',
        "gen_ai.tool.call.result": '{"plan": "team"}',
    }


def _retrieval(documents: list[dict[str, str]]) -> dict[str, object]:
    found = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": json.dumps(documents)}
    return found if documents else {"step": "prepare"}


def _span(
    trace_id: bytes, number: int, parent: int | None, name: str, took_ms: int, attributes: dict[str, object]
) -> Span:
    start = START_NS + number * 10_000_000
    return Span(
        trace_id=trace_id,
        span_id=trace_id[-7:] + bytes([number]),
        parent_span_id=b"" if parent is None else trace_id[-7:] + bytes([parent]),
        name=name,
        kind=Span.SpanKind.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=start + took_ms * 1_000_000,
        attributes=[_attribute(key, value) for key, value in attributes.items()],
    )


def _attribute(key: str, value: object) -> KeyValue:
    return KeyValue(key=key, value=_value(value))


def _value(value: object) -> AnyValue:
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
    return AnyValue(string_value=str(value))
