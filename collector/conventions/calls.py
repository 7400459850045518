"""A model call out of a span's attributes, by a table of keys that each convention brings.

Owns the canonical forms: provider names, finish reasons, token counts, time to first token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.interaction import Message, ModelCall, ResponseFormat, ToolDefinition, Usage
from checks.span import Span
from collector.conventions import attributes as attrs
from collector.conventions import failures

_FINISH_REASONS = {
    "stop": ("stop", "end_turn", "stop_sequence", "completed", "complete", "eos"),
    "length": ("length", "max_tokens", "max_output_tokens", "model_length", "token_limit"),
    "tool_calls": ("tool_calls", "tool_call", "tool_use", "function_call"),
    "content_filter": ("content_filter", "content_filtered", "safety", "refusal", "prohibited_content", "blocklist"),
}
_CANONICAL = {word: name for name, words in _FINISH_REASONS.items() for word in words}

_MAX_TTFT_S = 86_400

FIRST_CHUNK_EVENTS = frozenset(
    {"First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk"}
)
"""Span events that mark the arrival of a part of the answer."""


@dataclass(frozen=True, slots=True)
class CallKeys:
    """Where a convention writes the facts of a model call: for each, attribute keys in order of preference."""

    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    response_model: tuple[str, ...] = ()
    response_id: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    input_tokens: tuple[str, ...] = ()
    output_tokens: tuple[str, ...] = ()
    cached_input: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    streaming: tuple[str, ...] = ()
    ttft_seconds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallContent:
    """What was said and asked in a model call. ``finish_reasons`` are those that stand inside the messages."""

    input: tuple[Message, ...] | None = None
    output: tuple[Message, ...] | None = None
    tools: tuple[ToolDefinition, ...] | None = None
    response_format: ResponseFormat | None = None
    finish_reasons: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def build(span: Span, found: Mapping[str, Any], keys: CallKeys, content: CallContent) -> ModelCall:
    """The model call that ``span`` stands for.

    Args:
        span: The span: its times, events and status are used.
        found: Its attributes, together with those of log records that repeat them.
        keys: Where the convention writes what.
        content: What the convention read of messages, tools and parameters.
    """
    response_model = attrs.text(found, *keys.response_model)
    return ModelCall(
        span_id=span.span_id,
        provider=_provider(found, keys),
        model=attrs.text(found, *keys.model) or attrs.text(content.parameters, "model") or response_model,
        response_model=response_model,
        response_id=attrs.identifier(found, *keys.response_id),
        parameters={key: value for key, value in content.parameters.items() if key != "model"},
        response_format=content.response_format,
        input=content.input,
        output=content.output,
        tools=content.tools,
        usage=_usage(found, keys),
        finish_reasons=_finish_reasons(found, keys, content),
        streaming=attrs.flag(found, *keys.streaming),
        ttft_ns=_ttft_ns(span, found, keys),
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        error=failures.of_span(span),
    )


def finish_reason(recorded: str) -> str:
    """The canonical finish reason: ``stop``, ``length``, ``tool_calls``, ``content_filter``; else as recorded."""
    word = recorded.rpartition(".")[2].lower().replace("-", "_")
    return _CANONICAL.get(word, recorded)


def _provider(found: Mapping[str, Any], keys: CallKeys) -> str | None:
    name = attrs.text(found, *keys.provider)
    return name.strip().lower() or None if name else None


def _finish_reasons(found: Mapping[str, Any], keys: CallKeys, content: CallContent) -> tuple[str, ...]:
    listed = next((reasons for key in keys.finish_reasons if (reasons := attrs.strings(found.get(key)))), ())
    return tuple(finish_reason(reason) for reason in listed or content.finish_reasons)


def _usage(found: Mapping[str, Any], keys: CallKeys) -> Usage:
    return Usage(
        input=attrs.count(found, *keys.input_tokens),
        output=attrs.count(found, *keys.output_tokens),
        cached_input=attrs.count(found, *keys.cached_input),
        reasoning=attrs.count(found, *keys.reasoning),
    )


def _ttft_ns(span: Span, found: Mapping[str, Any], keys: CallKeys) -> int | None:
    seconds = attrs.number(found, *keys.ttft_seconds)
    if seconds is not None and 0 <= seconds <= _MAX_TTFT_S:
        return round(seconds * 1_000_000_000)
    arrivals = [event.time_ns for event in span.events if event.name in FIRST_CHUNK_EVENTS]
    first = min(arrivals, default=0) - span.start_ns
    return first if first >= 0 and arrivals else None
