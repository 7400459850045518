"""OpenInference (Arize): ``openinference.span.kind`` says what a span is, indexed ``llm.*`` keys what was said.

``llm.model_name`` is the model that answered; the one that was asked for stands in ``llm.invocation_parameters``.
The refusal field is only in the kept response body (``output.value``).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from checks.constructor import constructor_of
from checks.interaction import Message, ModelCall, Retrieval, ToolCall
from checks.span import LogRecord, Span
from collector.conventions import attributes as attrs
from collector.conventions import bodies, definitions, documents, failures, formats, messages
from collector.conventions.calls import CallKeys, build, finish_reasons
from collector.conventions.reading import Convention, Reading, new_reading

_KIND = "openinference.span.kind"
_INPUT, _OUTPUT, _TOOLS = "llm.input_messages", "llm.output_messages", "llm.tools"
_RETRIEVED, _RERANKED = "retrieval.documents", "reranker.output_documents"

_KEYS = CallKeys(
    provider=("llm.provider", "llm.system"),
    model=("llm.request.model_name",),
    response_model=("llm.response.model_name", "llm.model_name"),
    response_id=("llm.response.id",),
    finish_reasons=("llm.finish_reason",),
    input_tokens=("llm.token_count.prompt",),
    output_tokens=("llm.token_count.completion",),
    cached_input=("llm.token_count.prompt_details.cache_read",),
    reasoning=("llm.token_count.completion_details.reasoning",),
)

_new_tool_call, _new_retrieval = constructor_of(ToolCall), constructor_of(Retrieval)


def read(span: Span, records: Sequence[LogRecord]) -> Reading | None:  # noqa: ARG001  # content is never in log records
    """What ``span`` means in OpenInference's terms; ``None`` where it has no span kind."""
    kind = attrs.text(span.attributes, _KIND)
    if kind is None:
        return None
    match kind.upper():
        case "LLM":
            return new_reading(_model_call(span))
        case "TOOL":
            return new_reading(_tool_call(span))
        case "RETRIEVER" | "RERANKER":
            return new_reading(_retrieval(span))
        case "CHAIN" | "AGENT":
            return new_reading(is_entry=True, input=_value(span, "input"), output=_value(span, "output"))
        case _:
            return new_reading()


def _model_call(span: Span) -> ModelCall:
    found = span.attributes
    lists = attrs.indexed(found, _INPUT, _OUTPUT, _TOOLS)
    request, response = attrs.mapping(found.get("input.value")), attrs.mapping(found.get("output.value"))
    given = attrs.mapping(found.get("llm.invocation_parameters"))
    streaming = attrs.flag(given, "stream")
    return build(
        span,
        found,
        _KEYS,
        asked=messages.read(lists.get(_INPUT), "user") or bodies.asked(request) or _plain(span, "input", "user"),
        answered=_output(span, lists.get(_OUTPUT), response),
        tools=definitions.read(lists.get(_TOOLS)) or definitions.read(request.get("tools")),
        response_format=formats.of_request(given) or formats.of_request(request),
        parameters={**formats.parameters(given), **({"model": given["model"]} if "model" in given else {})},
        finish_reasons=finish_reasons(found, _KEYS),
        streaming=attrs.flag(request, "stream") if streaming is None else streaming,
        response_id=attrs.text(response, "id"),
    )


def _output(span: Span, listed: Any, response: Mapping[str, Any]) -> tuple[Message, ...] | None:
    said = messages.read(listed, "assistant")
    kept = bodies.answered(response)
    if said is None:
        said = kept or _plain(span, "output", "assistant")
    refusal = next((message.refusal for message in kept or () if message.refusal), None)
    if said and refusal and not said[-1].refusal:
        return (*said[:-1], dataclasses.replace(said[-1], refusal=refusal))
    return said


def _plain(span: Span, side: str, role: str) -> tuple[Message, ...] | None:
    """A model's input or output that is recorded as plain text."""
    value = _value(span, side)
    return (Message(role, value),) if isinstance(value, str) and not _is_json(span, side) else None


def _tool_call(span: Span) -> ToolCall:
    found = span.attributes
    return _new_tool_call(
        span_id=span.span_id,
        name=attrs.text(found, "tool.name") or span.name or None,
        id=attrs.identifier(found, "tool_call.id", "tool.id"),
        arguments=messages.arguments(found.get("input.value")),
        result=found.get("output.value"),
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        error=failures.of_span(span),
    )


def _retrieval(span: Span) -> Retrieval:
    lists = attrs.indexed(span.attributes, _RETRIEVED, _RERANKED)
    query = _value(span, "input")
    return _new_retrieval(
        span_id=span.span_id,
        query=attrs.text(span.attributes, "reranker.query") or (query if isinstance(query, str) else None),
        documents=documents.read(lists.get(_RERANKED) or lists.get(_RETRIEVED)),
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        error=failures.of_span(span),
    )


def _value(span: Span, side: str) -> Any:
    """``input.value`` or ``output.value``: parsed where it is JSON, by its MIME type or, lacking one, by its look."""
    value = span.attributes.get(f"{side}.value")
    if _is_json(span, side) or f"{side}.mime_type" not in span.attributes:
        return attrs.parsed(value)
    return value


def _is_json(span: Span, side: str) -> bool:
    return attrs.text(span.attributes, f"{side}.mime_type") == "application/json"


CONVENTION = Convention("openinference", read, marks=(_KIND,))
