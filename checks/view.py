"""The view of an interaction: one flat, JSON-able dict, the same for every convention.

What the app did not record has no key. Printed by ``sidecheck check --json``, and made of a stored trace when somebody
looks at it.
"""

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from checks.interaction import Document, Failure, Interaction, ModelCall, ToolCall

_MAX_DEPTH = 64
_NANOSECONDS_PER_MS = 1_000_000
_MODEL, _RESPONSE_MODEL, _PROVIDER = attrgetter("model"), attrgetter("response_model"), attrgetter("provider")
_UNKNOWN_ERROR = "_OTHER"  # what OpenTelemetry's semantic conventions name an error of unknown type


def view(interaction: Interaction) -> dict[str, Any]:
    """The view of ``interaction``.

    Keys: ``input``, ``output``, ``system``, ``model`` (the one that answered, else the one asked for),
    ``model_response``, ``provider``, ``tool_calls``, ``tool_definitions`` (names), ``documents``, ``tokens`` (sums over
    all model calls), ``cost`` (where a model call has a price), ``finish_reasons``, ``error``, ``refusal`` (only where
    true), ``streaming``, ``ttft_ms`` (of the first model call that has one), ``session_id``, ``user_id``.
    """
    calls = interaction.model_calls
    found = {
        "input": interaction.user_input,
        "output": interaction.final_output,
        "system": interaction.system,
        "model": model_of(calls),
        "model_response": _last(calls, _RESPONSE_MODEL),
        "provider": _last(calls, _PROVIDER),
        "tool_calls": list(map(_tool_call, interaction.tool_calls)) or None,
        "tool_definitions": _tool_names(calls),
        "documents": list(map(_document, interaction.documents)) or None,
        "tokens": tokens_of(calls),
        "cost": _cost(calls),
        "finish_reasons": _finish_reasons(calls),
        "error": _error(interaction.error),
        "refusal": interaction.refusal or None,
        "streaming": _streaming(calls),
        "ttft_ms": _first_token_ms(calls),
        "session_id": interaction.session_id,
        "user_id": interaction.user_id,
    }
    return _recorded(found)


def model_of(calls: Sequence[ModelCall]) -> str | None:
    """``model`` of the view: the last that answered, else the last that was asked for."""
    return _last(calls, _RESPONSE_MODEL) or _last(calls, _MODEL)


def tokens_of(calls: Iterable[ModelCall]) -> dict[str, int] | None:
    """``tokens`` of the view: the sums of what was recorded; a kind of token that no call recorded is left out.

    The kinds come in the order in which they were first recorded.
    """
    totals: dict[str, int] = {}
    for call in calls:
        usage = call.usage
        if usage.input is not None:
            totals["input"] = totals.get("input", 0) + usage.input
        if usage.output is not None:
            totals["output"] = totals.get("output", 0) + usage.output
        if usage.cached_input is not None:
            totals["cached_input"] = totals.get("cached_input", 0) + usage.cached_input
    return totals or None


def _recorded(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}


def _last(calls: Sequence[ModelCall], part: Callable[[ModelCall], str | None]) -> str | None:
    for call in reversed(calls):
        if (value := part(call)) is not None:
            return value
    return None


def _tool_names(calls: Iterable[ModelCall]) -> list[str] | None:
    names: dict[str, None] = {}
    for call in calls:
        for tool in call.tools or ():
            names[tool.name] = None
    return list(names) or None


def _finish_reasons(calls: Iterable[ModelCall]) -> list[str] | None:
    reasons: dict[str, None] = {}
    for call in calls:
        reasons.update(dict.fromkeys(call.finish_reasons))
    return list(reasons) or None


def _tool_call(call: ToolCall) -> dict[str, Any]:
    found = {
        "id": call.id,
        "name": call.name,
        "arguments": _plain(call.arguments),
        "result": _plain(call.result),
        "error": (call.error.message or call.error.type or _UNKNOWN_ERROR) if call.error else None,
    }
    return _recorded(found)


def _document(document: Document) -> dict[str, Any]:
    found = {
        "id": document.id,
        "content": document.content,
        "source": document.source,
        "title": document.title,
        "score": document.score,
    }
    return _recorded(found)


def _cost(calls: Sequence[ModelCall]) -> dict[str, Any] | None:
    """Dollars of the calls that have a price, and of each call; one without a price has none, which is not 0."""
    dollars, unpriced, each = None, 0, []
    for call in calls:
        told: dict[str, Any] = {"span_id": call.span_id}
        if model := call.response_model or call.model:
            told["model"] = model
        if call.cost is not None:
            told["dollars"] = call.cost
            dollars = call.cost + (dollars or 0.0)
        elif call.is_unpriced:
            unpriced += 1
        each.append(told)
    if dollars is None:
        return None
    found: dict[str, Any] = {"dollars": dollars, "calls": each}
    return {**found, "unpriced_calls": unpriced} if unpriced else found


def _error(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return _recorded({"type": failure.type, "message": failure.message}) or {"type": _UNKNOWN_ERROR}


def _streaming(calls: Iterable[ModelCall]) -> bool | None:
    """Whether some call was streamed; ``None`` where none says so."""
    streaming = None
    for call in calls:
        if call.streaming is not None:
            streaming = streaming or call.streaming
    return streaming


def _first_token_ms(calls: Iterable[ModelCall]) -> float | None:
    for call in calls:
        if call.ttft_ns is not None:
            return call.ttft_ns / _NANOSECONDS_PER_MS
    return None


def _plain(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """``value`` as JSON can hold it: bytes as base64; ``None`` for NaN, infinities and what lies too deep."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (dict, list, tuple, Mapping)):
        if depth == 0:
            return None
        if isinstance(value, (list, tuple)):
            return [_plain(item, depth - 1) for item in value]
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    return str(value)
