"""The ``gen_ai.*`` vocabulary of the OpenTelemetry GenAI semantic conventions, all generations of it.

Shared by the convention itself and by its dialects. Owns the keys, the operations, and how content is found: in span
attributes, in log records, in span events.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from checks.constructor import constructor_of
from checks.interaction import Message, ModelCall, ResponseFormat, Retrieval, ToolCall
from checks.span import LogRecord, Span
from collector.conventions import attributes as attrs
from collector.conventions import definitions, documents, events, failures, formats, messages
from collector.conventions.calls import CallKeys, build, finish_reason, finish_reasons
from collector.conventions.shapes import Shapes

OPERATION = "gen_ai.operation.name"
CALL_OPERATIONS = frozenset({"chat", "generate_content", "text_completion"})
AGENT_OPERATIONS = frozenset({"invoke_agent", "invoke_workflow"})
OTHER_OPERATIONS = frozenset({"embeddings", "execute_tool", "retrieval", "create_agent", "plan"})

KEYS = CallKeys(
    provider=("gen_ai.provider.name", "gen_ai.system"),
    model=("gen_ai.request.model",),
    response_model=("gen_ai.response.model",),
    response_id=("gen_ai.response.id",),
    finish_reasons=("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    input_tokens=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    output_tokens=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    cached_input=("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    reasoning=("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    streaming=("gen_ai.request.stream", "gen_ai.is_streaming"),
    ttft_seconds=("gen_ai.response.time_to_first_chunk", "gen_ai.client.operation.time_to_first_chunk"),
)

_new_tool_call = constructor_of(ToolCall)
_new_retrieval = constructor_of(Retrieval)

_REQUEST = "gen_ai.request."
_SYSTEM, _TOOLS = "gen_ai.system_instructions", "gen_ai.tool.definitions"
_NOT_PARAMETERS = frozenset({f"{_REQUEST}{name}" for name in ("model", "stream", "structured_output_schema")})
_SCHEMAS = ("gen_ai.request.structured_output_schema", "llm.request.structured_output_schema")
_FORMATS = ("gen_ai.request.response_format", "gen_ai.openai.request.response_format", "gen_ai.output.type")
_FORMAT_KEYS = frozenset({*_SCHEMAS, *_FORMATS})
_MODEL_KEYS = (*KEYS.model, *KEYS.response_model)
EVIDENCE = frozenset({OPERATION, *_MODEL_KEYS})
"""A span without any of these has no operation and is no model call."""

_CALL_EVIDENCE = frozenset(
    {
        *KEYS.output_tokens,
        *KEYS.finish_reasons,
        "gen_ai.output.messages",
        "gen_ai.input.messages",
        "gen_ai.request.max_tokens",
        "gen_ai.request.temperature",
    }
)


def operation(found: Mapping[str, Any]) -> str | None:
    """The recorded ``gen_ai.operation.name``."""
    name = found.get(OPERATION)
    return name if isinstance(name, str) and name else None


def is_model_call(found: Mapping[str, Any], named: str | None) -> bool:
    """Whether these are a model call's attributes: by the operation or, lacking a known one, by what there is."""
    if named in CALL_OPERATIONS:
        return True
    if named in AGENT_OPERATIONS or named in OTHER_OPERATIONS:
        return False
    return attrs.text(found, *_MODEL_KEYS) is not None and not _CALL_EVIDENCE.isdisjoint(found)


class _Shape(NamedTuple):
    """What the names of its attributes tell of a model call."""

    keys: CallKeys
    parameters: Sequence[tuple[str, str]]
    """The ``gen_ai.request.*`` attributes and their last names, without the model."""
    has_format: bool
    has_system: bool
    has_tools: bool


def call_shapes(keys: CallKeys) -> Shapes[tuple[str, ...], _Shape]:
    """What names of attributes tell of a model call whose convention writes it under ``keys``."""

    def shape_of(names: tuple[str, ...]) -> _Shape:
        given = [key for key in names if key.startswith(_REQUEST) and key not in _NOT_PARAMETERS]
        parameters = [(key, key[len(_REQUEST) :]) for key in given]
        has_format = not _FORMAT_KEYS.isdisjoint(names)
        return _Shape(keys.among(names), parameters, has_format, _SYSTEM in names, _TOOLS in names)

    return Shapes(shape_of)


_CALLS = call_shapes(KEYS)


def model_call(span: Span, records: Sequence[LogRecord], shapes: Shapes[tuple[str, ...], _Shape] = _CALLS) -> ModelCall:
    """The model call that ``span`` stands for, its content taken from wherever it is recorded."""
    found, said = span.attributes, events.NOTHING_SAID
    if records or span.events:
        found, said = events.attributes_of(span, records), events.said(span, records)
    keys, parameters, has_format, has_system, has_tools = shapes[tuple(found)]
    asked = messages.read(found.get("gen_ai.input.messages"), "user") or said.input
    answer = found.get("gen_ai.output.messages")
    answered, parsed = messages.read_answer(answer)
    reasons = finish_reasons(found, keys)
    if not reasons:
        reasons = tuple(map(finish_reason, messages.finish_reasons(parsed) or said.finish_reasons))
    return build(
        span,
        found,
        keys,
        asked=_with_system(asked, found[_SYSTEM]) if has_system else asked,
        answered=said.output if answer is None else answered,
        tools=definitions.read(found[_TOOLS]) if has_tools else None,
        response_format=_response_format(found) if has_format else None,
        parameters={name: found[key] for key, name in parameters} if parameters else {},
        finish_reasons=reasons,
    )


def _response_format(found: Mapping[str, Any]) -> ResponseFormat | None:
    """The response format, wherever a generation of the conventions or a dialect of it records one."""
    by_schema = formats.of_schema(next(filter(None, map(found.get, _SCHEMAS)), None))
    if by_schema is not None:
        return by_schema
    for key in _FORMATS:
        if (found_format := formats.of_value(found.get(key))) is not None:
            return found_format
    return None


def tool_call(span: Span, records: Sequence[LogRecord]) -> ToolCall:
    """The run of a tool: an ``execute_tool`` span."""
    found = events.attributes_of(span, records)
    return _new_tool_call(
        span_id=span.span_id,
        name=attrs.text(found, "gen_ai.tool.name"),
        id=attrs.identifier(found, "gen_ai.tool.call.id"),
        arguments=messages.arguments(found.get("gen_ai.tool.call.arguments")),
        result=found.get("gen_ai.tool.call.result"),
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        error=failures.of_span(span),
    )


def retrieval(span: Span, records: Sequence[LogRecord]) -> Retrieval:
    """A look-up of documents: a ``retrieval`` span."""
    found = events.attributes_of(span, records)
    return _new_retrieval(
        span_id=span.span_id,
        query=attrs.text(found, "gen_ai.retrieval.query.text", "gen_ai.retrieval.query"),
        documents=documents.read(found.get("gen_ai.retrieval.documents")),
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        error=failures.of_span(span),
    )


def _with_system(said: tuple[Message, ...] | None, instructions: Any) -> tuple[Message, ...] | None:
    """The input with the system prompt that is recorded apart from the messages put before it."""
    system = messages.read(instructions, "system")
    if not system or (said and any(message.role == "system" for message in said)):
        return said
    return (*system, *(said or ()))
