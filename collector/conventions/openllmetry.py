"""OpenLLMetry (Traceloop), from 0.40 on.

Owns its dialect: indexed ``gen_ai.prompt.N.*`` and ``gen_ai.completion.N.*`` (up to 0.5x), ``llm.*`` keys, and the
``traceloop.*`` spans that decorators and the SDK write. The newer form is the GenAI vocabulary under Traceloop's spans.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from checks.constructor import constructor_of
from checks.interaction import ModelCall, Retrieval, ToolCall
from checks.span import LogRecord, Span
from collector.conventions import attributes as attrs
from collector.conventions import definitions, documents, failures, merge, messages, semconv
from collector.conventions.calls import finish_reason
from collector.conventions.reading import Convention, Reading, new_reading

_PROMPT, _COMPLETION, _FUNCTIONS = "gen_ai.prompt", "gen_ai.completion", "llm.request.functions"
_SPANS = "traceloop."
_DIALECT = frozenset({"llm.request.type", "gen_ai.is_streaming", "llm.is_streaming"})
_CALL_TYPES = frozenset({"chat", "completion"})
_ENTRY_KINDS = frozenset({"workflow", "agent"})

_CALLS = semconv.call_shapes(
    dataclasses.replace(
        semconv.KEYS,
        reasoning=(*semconv.KEYS.reasoning, "llm.usage.reasoning_tokens"),
        streaming=(*semconv.KEYS.streaming, "llm.is_streaming"),
    )
)

_new_tool_call, _new_retrieval = constructor_of(ToolCall), constructor_of(Retrieval)
_new_model_call = constructor_of(ModelCall)


def read(span: Span, records: Sequence[LogRecord]) -> Reading | None:
    """What ``span`` means in OpenLLMetry's terms; ``None`` where none of its own keys is on it."""
    found = span.attributes
    if _DIALECT.isdisjoint(found) and not any(key.startswith(_SPANS) for key in found):
        return None
    kind = attrs.text(found, "traceloop.span.kind")
    operation = semconv.operation(found)
    if kind == "tool" or operation == "execute_tool":
        return new_reading(_tool_call(span, records))
    if kind in _ENTRY_KINDS or operation in semconv.AGENT_OPERATIONS:
        return new_reading(is_entry=True, input=_entity_input(found), output=_entity_output(found))
    if kind == "task":
        return new_reading(_retrieval(span))
    if operation == "retrieval":
        return new_reading(semconv.retrieval(span, records))
    return new_reading(_model_call(span, records) if _is_model_call(found, operation) else None)


def _is_model_call(found: Mapping[str, Any], operation: str | None) -> bool:
    request_type = attrs.text(found, "llm.request.type")
    if request_type is not None:
        return request_type in _CALL_TYPES
    return semconv.is_model_call(found, operation)


def _model_call(span: Span, records: Sequence[LogRecord]) -> ModelCall:
    call = semconv.model_call(span, records, _CALLS)
    lists = attrs.indexed(span.attributes, _PROMPT, _COMPLETION, _FUNCTIONS)
    if not lists:
        return call
    reasons = messages.finish_reasons(lists.get(_COMPLETION))
    return merge.fill(
        call,
        _new_model_call(
            span_id=span.span_id,
            input=messages.read(lists.get(_PROMPT), "user"),
            output=messages.read(lists.get(_COMPLETION), "assistant"),
            tools=definitions.read(lists.get(_FUNCTIONS)),
            finish_reasons=tuple(map(finish_reason, reasons)),
        ),
    )


def _tool_call(span: Span, records: Sequence[LogRecord]) -> ToolCall:
    found = span.attributes
    own = _new_tool_call(
        span_id=span.span_id,
        name=attrs.text(found, "traceloop.entity.name"),
        arguments=_tool_arguments(_entity_input(found)),
        result=_entity_output(found),
    )
    return merge.fill(semconv.tool_call(span, records), own)


def _tool_arguments(given: Any) -> Any:
    """The arguments as the model would have written them: keywords as an object, one positional string parsed."""
    if not isinstance(given, dict) or not given.keys() <= {"args", "kwargs"}:
        return given
    positional, named = attrs.items(given.get("args")), attrs.mapping(given.get("kwargs"))
    if named and not positional:
        return named
    if len(positional) == 1 and not named:
        return messages.arguments(positional[0])
    return given if positional or named else {}


def _retrieval(span: Span) -> Retrieval | None:
    """A task whose return value is a list of documents; any other task is no step."""
    found = documents.recognise(_entity_output(span.attributes))
    if not found:
        return None
    return _new_retrieval(
        span_id=span.span_id,
        query=next(attrs.leaves(_entity_input(span.attributes)), None),
        documents=found,
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        error=failures.of_span(span),
    )


def _entity_input(found: Mapping[str, Any]) -> Any:
    return attrs.json_text(found.get("traceloop.entity.input"))


def _entity_output(found: Mapping[str, Any]) -> Any:
    """The return value; Traceloop writes even a plain string as JSON."""
    return attrs.json_text(found.get("traceloop.entity.output"))


CONVENTION = Convention("openllmetry", read, marks=(_SPANS, *_DIALECT), includes=frozenset({"genai"}))
