"""A model call out of a span's attributes, by a table of keys that each convention brings.

Owns the canonical forms: provider names, finish reasons, token counts, time to first token.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, fields
from typing import Any

from checks.constructor import constructor_of
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

_new_call = constructor_of(ModelCall)
_new_usage = constructor_of(Usage)

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

    def among(self, names: Container[str]) -> "CallKeys":
        """The keys that are among these names: where attributes have no others, asking for others is for nothing."""
        recorded = (tuple([key for key in getattr(self, field.name) if key in names]) for field in fields(self))
        return CallKeys(*recorded)


def build(
    span: Span,
    found: Mapping[str, Any],
    keys: CallKeys,
    *,
    asked: tuple[Message, ...] | None,
    answered: tuple[Message, ...] | None,
    tools: tuple[ToolDefinition, ...] | None,
    response_format: ResponseFormat | None,
    parameters: Mapping[str, Any],
    finish_reasons: tuple[str, ...],
    streaming: bool | None = None,
    response_id: str | None = None,
) -> ModelCall:
    """The model call that ``span`` stands for.

    Args:
        span: The span: its times, events and status are used.
        found: Its attributes, together with those of log records that repeat them.
        keys: Where the convention writes what.
        asked: The messages that the model was given.
        answered: The messages that it answered with.
        tools: The tools that it was offered.
        response_format: What it was asked to answer in.
        parameters: Its parameters, as recorded; ``model`` may be among them.
        finish_reasons: Why it ended, in their canonical form.
        streaming: Whether it was streamed, if the attributes do not tell.
        response_id: The response's id, if the attributes do not tell.
    """
    # What has no key is not asked for: of most calls half of it is not recorded.
    response_model = _text(found, keys.response_model) if keys.response_model else None
    asked_model = _text(found, keys.model) if keys.model else None
    recorded = attrs.flag(found, *keys.streaming) if keys.streaming else None
    return _new_call(  # by position, in the order of ModelCall's fields: names would cost as much again
        span.span_id,
        _provider(found, keys),
        asked_model or (attrs.text(parameters, "model") if parameters else None) or response_model,
        response_model,
        (attrs.identifier(found, *keys.response_id) if keys.response_id else None) or response_id,
        {key: parameters[key] for key in parameters if key != "model"} if parameters else {},
        response_format,
        asked,
        answered,
        tools,
        _usage(found, keys),
        finish_reasons,
        streaming if recorded is None else recorded,
        _ttft_ns(span, found, keys) if keys.ttft_seconds or span.events else None,
        span.start_ns,
        span.duration_ns,
        failures.of_span(span),
    )


def finish_reason(recorded: str) -> str:
    """The canonical finish reason: ``stop``, ``length``, ``tool_calls``, ``content_filter``; else as recorded."""
    known = _CANONICAL.get(recorded)
    if known is not None:
        return known
    word = recorded.rpartition(".")[2].lower().replace("-", "_")
    return _CANONICAL.get(word, recorded)


def finish_reasons(found: Mapping[str, Any], keys: CallKeys) -> tuple[str, ...]:
    """The canonical finish reasons that the attributes tell."""
    for key in keys.finish_reasons:
        if key in found and (listed := attrs.strings(found[key])):
            return (finish_reason(listed[0]),) if len(listed) == 1 else tuple(map(finish_reason, listed))
    return ()


def _provider(found: Mapping[str, Any], keys: CallKeys) -> str | None:
    name = _text(found, keys.provider) if keys.provider else None
    return name.strip().lower() or None if name else None


def _usage(found: Mapping[str, Any], keys: CallKeys) -> Usage:
    return _new_usage(
        _count(found, keys.input_tokens) if keys.input_tokens else None,
        _count(found, keys.output_tokens) if keys.output_tokens else None,
        _count(found, keys.cached_input) if keys.cached_input else None,
        _count(found, keys.reasoning) if keys.reasoning else None,
    )


def _text(found: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """As ``attrs.text``: nearly always it is what the first of the keys holds, at a third of what spreading costs."""
    value = found.get(keys[0])
    return value if value and type(value) is str else attrs.text(found, *keys)


def _count(found: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    """As ``attrs.count``, likewise."""
    value = found.get(keys[0])
    return value if type(value) is int and 0 <= value <= attrs.MAX_COUNT else attrs.count(found, *keys)


def _ttft_ns(span: Span, found: Mapping[str, Any], keys: CallKeys) -> int | None:
    seconds = attrs.number(found, *keys.ttft_seconds)
    if seconds is not None and 0 <= seconds <= _MAX_TTFT_S:
        return round(seconds * 1_000_000_000)
    if not span.events:
        return None
    arrivals = [event.time_ns for event in span.events if event.name in FIRST_CHUNK_EVENTS]
    first = min(arrivals, default=0) - span.start_ns
    return first if first >= 0 and arrivals else None
