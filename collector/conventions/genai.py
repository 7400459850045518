"""OpenTelemetry GenAI semantic conventions, from 1.28 on: model calls, agents, tools, retrievals.

Reads ``gen_ai.system`` and ``gen_ai.provider.name``; content in per-message events, in
``gen_ai.client.inference.operation.details`` events, and in span attributes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from checks.interaction import Message, Step
from checks.span import LogRecord, Span
from collector.conventions import events, messages, semconv
from collector.conventions.reading import Convention, Reading, new_reading

_STEPS: Mapping[str | None, Callable[[Span, Sequence[LogRecord]], Step]] = {
    **dict.fromkeys(semconv.CALL_OPERATIONS, semconv.model_call),
    "execute_tool": semconv.tool_call,
    "retrieval": semconv.retrieval,
}
"""How the spans are read whose operation alone says what they stand for."""


def read(span: Span, records: Sequence[LogRecord]) -> Reading | None:
    """What ``span`` means in GenAI terms; ``None`` where it has no ``gen_ai.*`` operation."""
    found = span.attributes
    if semconv.EVIDENCE.isdisjoint(found):
        return None
    operation = semconv.operation(found)
    read_step = _STEPS.get(operation)
    if read_step is not None:
        return new_reading(read_step(span, records))
    if semconv.is_model_call(found, operation):
        return new_reading(semconv.model_call(span, records))
    if operation in semconv.AGENT_OPERATIONS:
        return _agent(span, records)
    return new_reading() if operation is not None else None


def _agent(span: Span, records: Sequence[LogRecord]) -> Reading:
    """An agent's run: its tokens and messages repeat those of its model calls, so it is no step of its own."""
    found = events.attributes_of(span, records)
    asked = messages.read(found.get("gen_ai.input.messages"), "user")
    answered = messages.read(found.get("gen_ai.output.messages"), "assistant")
    return new_reading(is_entry=True, input=_last_text(asked, "user"), output=_last_text(answered, "assistant"))


def _last_text(said: tuple[Message, ...] | None, role: str) -> Any:
    return next((m.content for m in reversed(said or ()) if m.role == role), None)


CONVENTION = Convention("genai", read, marks=("gen_ai.",))
