"""Chat messages, in every shape that libraries record them in, as ``Message``.

Owns the shapes of a message: role and content, parts (GenAI, Anthropic, Gemini), ``tool_calls`` (OpenAI), items of the
OpenAI responses API, and the nested wrappers of OpenInference. Does not know where on a span they are found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.interaction import Message, ToolRequest
from collector.conventions import attributes as attrs

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool", "developer": "system"}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_REQUEST_PARTS = frozenset({"tool_call", "tool_use", "function_call"})
_RESULT_PARTS = frozenset({"tool_call_response", "tool_result", "function_call_output"})
_THOUGHT_PARTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_MEDIA_PARTS = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "video": "video",
    "input_file": "file",
    "file": "file",
    "document": "file",
    "blob": "blob",
    "uri": "uri",
}
_KNOWN_PARTS = _TEXT_PARTS | _REQUEST_PARTS | _RESULT_PARTS | _THOUGHT_PARTS | _MEDIA_PARTS.keys() | {"refusal"}
_MESSAGE_KEYS = frozenset({"role", "parts", "tool_calls", "message", "refusal"})
_WRAPPERS = ("message", "message_content", "tool_call")


def read(value: Any, role: str) -> tuple[Message, ...] | None:
    """The messages in ``value``: a list (or its JSON), one message, or plain text.

    Args:
        value: What was recorded; ``None`` gives ``None``.
        role: The role of a message that names none, and of plain text.
    """
    if value is None:
        return None
    found = attrs.parsed(value)
    if isinstance(value, str) and not _is_messages(found) and not (role != "assistant" and _is_parts(found)):
        return (Message(role, value),)  # plain text, or an answer that happens to be JSON
    if isinstance(found, Mapping):
        return _message(found, role)
    if not isinstance(found, (list, tuple)):
        return None
    if found and all(_is_part(item) for item in found):
        return _message({"parts": found}, role)
    return tuple(message for item in found for message in _item(item, role))


def finish_reasons(value: Any) -> tuple[str, ...]:
    """The finish reasons that messages (in any shape that ``read`` takes) name, as recorded."""
    found = attrs.parsed(value)
    listed = [found] if isinstance(found, Mapping) else attrs.items(found)
    reasons = (attrs.text(item, "finish_reason", "stop_reason") for item in listed if isinstance(item, Mapping))
    return tuple(reason for reason in reasons if reason)


def arguments(value: Any) -> Any:
    """A tool call's arguments: parsed where they parse to an object or list, else as recorded."""
    return attrs.parsed(value)


@dataclass(slots=True)
class _Content:
    """What the parts of one message amount to."""

    texts: list[str] = field(default_factory=list)
    requests: list[ToolRequest] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    refusal: str | None = None

    @property
    def text(self) -> str | None:
        return "\n".join(self.texts) if self.texts else None


def _is_messages(found: Any) -> bool:
    if isinstance(found, Mapping):
        return not _MESSAGE_KEYS.isdisjoint(found)
    return isinstance(found, list) and all(isinstance(item, Mapping) and _is_messages(item) for item in found)


def _is_part(item: Any) -> bool:
    return isinstance(item, Mapping) and "role" not in item and _kind(item) in _TEXT_PARTS


def _kind(raw: Mapping[str, Any]) -> str:
    return attrs.text(raw, "type") or ""


def _item(item: Any, role: str) -> tuple[Message, ...]:
    if isinstance(item, str):
        return (Message(role, item),)
    return _message(item, role) if isinstance(item, Mapping) else ()


def _message(raw: Mapping[str, Any], role: str) -> tuple[Message, ...]:
    """One recorded message; two where it also holds answers of tools, which other libraries record apart."""
    raw = _unwrapped(raw)
    kind = _kind(raw)
    if kind in _REQUEST_PARTS:
        return (Message("assistant", tool_requests=(_request(raw),)),)
    if kind in _RESULT_PARTS:
        return (_result(raw),)
    if kind in _THOUGHT_PARTS:
        return ()
    content = _Content()
    role = _role(raw, role)
    _add(content, raw.get("content"), may_be_json=role != "assistant")
    for key in ("parts", "contents"):
        for part in attrs.items(raw.get(key)):
            _add_part(content, part)
    return (*content.results, *_own_message(raw, role, content))


def _own_message(raw: Mapping[str, Any], role: str, content: _Content) -> tuple[Message, ...]:
    requests = (*content.requests, *(_request(call) for call in _tool_calls(raw)))
    if content.results and not (content.texts or requests or content.media):
        return ()  # a "user" message that only carried tool results
    return (
        Message(
            role=role,
            content=content.text,
            name=attrs.text(raw, "name"),
            tool_requests=requests,
            tool_call_id=attrs.identifier(raw, "tool_call_id", "id") if role == "tool" else None,
            refusal=attrs.text(raw, "refusal") or content.refusal,
            media=tuple(content.media),
        ),
    )


def _role(raw: Mapping[str, Any], fallback: str) -> str:
    role = (attrs.text(raw, "role") or fallback).lower()
    return _ROLES.get(role, role)


def _tool_calls(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    calls = [call for call in attrs.items(raw.get("tool_calls")) if isinstance(call, Mapping)]
    legacy = attrs.mapping(raw.get("function_call"))
    return [*calls, legacy] if legacy else calls


def _add(content: _Content, value: Any, *, may_be_json: bool) -> None:
    """Add a message's ``content``: text, a list of parts, or one part."""
    if isinstance(value, str):
        found = attrs.parsed(value) if may_be_json else value
        if _is_parts(found):
            value = found  # a list of parts that the library turned into JSON
        else:
            content.texts.append(value)
    if isinstance(value, (list, tuple)):
        for part in value:
            _add_part(content, part)
    elif isinstance(value, Mapping):
        _add_part(content, value)


def _is_parts(found: Any) -> bool:
    """Whether this is a list of parts and nothing else, by the types that they name."""
    if not isinstance(found, list) or not found:
        return False
    return all(isinstance(part, Mapping) and _kind(part) in _KNOWN_PARTS for part in found)


def _add_part(content: _Content, part: Any) -> None:
    if isinstance(part, str):
        content.texts.append(part)
    if not isinstance(part, Mapping):
        return
    part = _unwrapped(part)
    kind = _kind(part)
    if kind in _REQUEST_PARTS:
        content.requests.append(_request(part))
    elif kind in _RESULT_PARTS:
        content.results.append(_result(part))
    elif kind == "refusal":
        content.refusal = attrs.text(part, "refusal", "content", "text")
    elif kind in _MEDIA_PARTS:
        content.media.append(attrs.text(part, "modality") or _MEDIA_PARTS[kind])
    elif kind not in _THOUGHT_PARTS:
        _add_text(content, part)


def _add_text(content: _Content, part: Mapping[str, Any]) -> None:
    for key in ("text", "content"):
        if isinstance(part.get(key), str):
            content.texts.append(part[key])
            return


def _request(raw: Mapping[str, Any]) -> ToolRequest:
    raw = _unwrapped(raw)
    function = attrs.mapping(raw.get("function"))
    given = next((m[key] for m in (function, raw) for key in ("arguments", "input", "args") if key in m), None)
    return ToolRequest(
        name=attrs.text(function, "name") or attrs.text(raw, "name"),
        id=attrs.identifier(raw, "call_id", "id"),
        arguments=arguments(given),
    )


def _result(raw: Mapping[str, Any]) -> Message:
    given = next((raw[key] for key in ("response", "result", "output", "content") if raw.get(key) is not None), None)
    return Message(
        role="tool",
        content=_result_text(given),
        name=attrs.text(raw, "name"),
        tool_call_id=attrs.identifier(raw, "call_id", "tool_call_id", "tool_use_id", "id"),
    )


def _result_text(given: Any) -> str | None:
    """A tool's answer as text; of a list of text parts (Anthropic) the texts."""
    if isinstance(given, list) and given and all(_is_part(part) for part in given):
        return "\n".join(attrs.text(part, "text", "content") or "" for part in given)
    return attrs.compact(given)


def _unwrapped(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """``raw`` without the one-key wrapper that OpenInference puts around a message, a part or a call."""
    for key in _WRAPPERS:
        inner = raw.get(key)
        if len(raw) == 1 and isinstance(inner, Mapping):
            return inner
    return raw
