"""Chat messages, in every shape that libraries record them in, as ``Message``.

Owns the shapes of a message: role and content, parts (GenAI, Anthropic, Gemini), ``tool_calls`` (OpenAI), items of the
OpenAI responses API, and the nested wrappers of OpenInference. Does not know where on a span they are found.
"""

from collections.abc import Mapping
from typing import Any

from checks.constructor import constructor_of
from checks.interaction import Message, ToolRequest
from collector.conventions import attributes as attrs

_OTHER_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool", "developer": "system"}
_ROLES = {**_OTHER_ROLES, **{role: role for role in ("system", "user", "assistant", "tool")}}
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
_WRAPPERS = frozenset({"message", "message_content", "tool_call"})
_ARGUMENTS = frozenset({"arguments", "input", "args"})

_PLAIN_MESSAGES = {
    ("role", "parts"): "parts",
    ("role", "parts", "finish_reason"): "parts",
    ("role", "content"): "content",
    ("content", "role"): "content",
}
_PLAIN_PARTS = {("type", "content"): "content", ("content", "type"): "content", ("type", "text"): "text"}
"""The keys of a message and of a part that hold one text, and which of them holds it."""

_Read = tuple[str | None, str, tuple[Message, ...] | None]
_NOTHING_READ: _Read = (None, "", None)


class _Last:
    """The text that was read last, in which role, and its messages.

    The spans of a trace repeat themselves: an agent's span holds what its model calls hold, and a call that is made
    again holds the same conversation. Comparing two texts costs nothing beside parsing one, unlike looking them up in a
    dictionary, which would have to hash every text.
    """

    read: _Read = _NOTHING_READ


_last = _Last()

_new_message = constructor_of(Message)
_new_request = constructor_of(ToolRequest)


def read(value: Any, role: str) -> tuple[Message, ...] | None:
    """The messages in ``value``: a list (or its JSON), one message, or plain text.

    Args:
        value: What was recorded; ``None`` gives ``None``.
        role: The role of a message that names none, and of plain text.
    """
    if value is None:
        return None
    text, of_role, said = _last.read
    if value == text and role == of_role:
        return said
    said = _messages(value, attrs.parsed(value), role)
    if isinstance(value, str):
        _last.read = value, role, said
    return said


def forget() -> None:
    """Forget the text that was read last: what one trace holds is not kept for the next."""
    _last.read = _NOTHING_READ


def finish_reasons(value: Any) -> tuple[str, ...]:
    """The finish reasons that messages (in any shape that ``read`` takes) name, as recorded."""
    return _finish_reasons(attrs.parsed(value))


def read_answer(value: Any) -> tuple[tuple[Message, ...] | None, tuple[str, ...]]:
    """A model's answer: its messages and its finish reasons, out of one parse."""
    found = attrs.parsed(value)
    return None if value is None else _messages(value, found, "assistant"), _finish_reasons(found)


def arguments(value: Any) -> Any:
    """A tool call's arguments: parsed where they parse to an object or list, else as recorded."""
    return attrs.parsed(value)


class _Content:
    """What the parts of one message amount to."""

    __slots__ = ("media", "refusal", "requests", "results", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.requests: list[ToolRequest] = []
        self.results: list[Message] = []
        self.media: list[str] = []
        self.refusal: str | None = None

    @property
    def text(self) -> str | None:
        return "\n".join(self.texts) if self.texts else None


def _messages(value: Any, found: Any, role: str) -> tuple[Message, ...] | None:
    """The messages in ``found``, which is ``value`` with its JSON parsed."""
    said: list[Message] = []
    if isinstance(found, list):
        said = _leading_plain(found, role)
        if len(said) == len(found):
            return tuple(said)
    if isinstance(value, str) and not _is_messages(found) and not (role != "assistant" and _is_parts(found)):
        return (Message(role, value),)  # plain text, or an answer that happens to be JSON
    if isinstance(found, dict):
        return _message(found, role)
    if not isinstance(found, (list, tuple)):
        return None
    if found and _is_part(found[0]) and all(map(_is_part, found)):
        return _message({"parts": found}, role)
    for item in found[len(said) :]:
        said += _item(item, role)
    return tuple(said)


def _leading_plain(found: list[Any], role: str) -> list[Message]:
    """The messages of a list up to the first that is not plain: in most lists all, at a third of what others cost."""
    said: list[Message] = []
    for item in found:
        text = _sole_text(item)
        if text is None:
            break
        said.append(_new_message(_role(item, role), text))
    return said


def _sole_text(message: Any) -> str | None:
    """The text of a message that consists of it (and of a role); ``None`` for any other message."""
    key = _PLAIN_MESSAGES.get(tuple(message)) if isinstance(message, dict) else None
    if key is None:
        return None
    content = message[key]
    if isinstance(content, str):  # one that begins a list may be a list of parts
        return content if key == "content" and content.lstrip()[:1] != "[" else None
    if key != "parts" or not isinstance(content, list) or len(content) != 1:
        return None
    part = content[0]
    key = _PLAIN_PARTS.get(tuple(part)) if isinstance(part, dict) else None
    if key is None or part["type"] != "text":
        return None
    text = part[key]
    return text if isinstance(text, str) else None


def _finish_reasons(found: Any) -> tuple[str, ...]:
    listed = [found] if isinstance(found, dict) else attrs.items(found)
    said = [attrs.text(item, "finish_reason", "stop_reason") for item in listed if isinstance(item, dict)]
    return tuple(filter(None, said))


def _is_messages(found: Any) -> bool:
    return all(map(_is_message, found)) if isinstance(found, list) else _is_message(found)


def _is_message(found: Any) -> bool:
    return isinstance(found, dict) and not _MESSAGE_KEYS.isdisjoint(found)


def _is_part(item: Any) -> bool:
    return isinstance(item, dict) and "role" not in item and _kind(item) in _TEXT_PARTS


def _kind(raw: Mapping[str, Any]) -> str:
    kind = raw.get("type")
    return kind if isinstance(kind, str) else ""


def _item(item: Any, role: str) -> tuple[Message, ...]:
    if isinstance(item, dict):
        text = _sole_text(item)
        return _message(item, role) if text is None else (_new_message(_role(item, role), text),)
    return (Message(role, item),) if isinstance(item, str) else ()


def _message(raw: Mapping[str, Any], role: str) -> tuple[Message, ...]:
    """One recorded message; two where it also holds answers of tools, which other libraries record apart."""
    if len(raw) == 1:
        raw = _unwrapped(raw)
    kind = _kind(raw)
    if kind in _REQUEST_PARTS:
        return (_new_message("assistant", tool_requests=(_request(raw),)),)
    if kind in _RESULT_PARTS:
        return (_result(raw),)
    if kind in _THOUGHT_PARTS:
        return ()
    content = _Content()
    role = _role(raw, role)
    if "content" in raw:
        _add(content, raw["content"], may_be_json=role != "assistant")
    for key in ("parts", "contents"):
        if key in raw:
            for part in attrs.items(raw[key]):
                _add_part(content, part)
    return (*content.results, *_own_message(raw, role, content))


def _own_message(raw: Mapping[str, Any], role: str, content: _Content) -> tuple[Message, ...]:
    requests = (*content.requests, *_tool_calls(raw))
    if content.results and not (content.texts or requests or content.media):
        return ()  # a "user" message that only carried tool results
    return (
        _new_message(
            role,
            content.text,
            attrs.text(raw, "name"),
            requests,
            attrs.identifier(raw, "tool_call_id", "id") if role == "tool" else None,
            attrs.text(raw, "refusal") or content.refusal,
            tuple(content.media),
        ),
    )


def _role(raw: Mapping[str, Any], fallback: str) -> str:
    role = raw.get("role")
    if not isinstance(role, str) or not role:
        role = fallback
    return _ROLES.get(role) or _ROLES.get(role.lower(), role.lower())


def _tool_calls(raw: Mapping[str, Any]) -> tuple[ToolRequest, ...]:
    if "tool_calls" not in raw and "function_call" not in raw:
        return ()
    calls = [call for call in attrs.items(raw.get("tool_calls")) if isinstance(call, dict)]
    legacy = attrs.mapping(raw.get("function_call"))
    return tuple(map(_request, [*calls, legacy] if legacy else calls))


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
    elif isinstance(value, dict):
        _add_part(content, value)


def _is_parts(found: Any) -> bool:
    """Whether this is a list of parts and nothing else, by the types that they name."""
    if not isinstance(found, list) or not found:
        return False
    return all(isinstance(part, dict) and _kind(part) in _KNOWN_PARTS for part in found)


def _add_part(content: _Content, part: Any) -> None:
    if not isinstance(part, dict):
        if isinstance(part, str):
            content.texts.append(part)
        return
    if len(part) == 1:
        part = _unwrapped(part)
    kind = _kind(part)
    if kind in _TEXT_PARTS:
        _add_text(content, part)
    elif kind in _REQUEST_PARTS:
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
        if isinstance(text := part.get(key), str):
            content.texts.append(text)
            return


def _request(raw: Mapping[str, Any]) -> ToolRequest:
    if len(raw) == 1:
        raw = _unwrapped(raw)
    function = attrs.mapping(raw.get("function")) or raw
    return _new_request(
        attrs.text(function, "name") or attrs.text(raw, "name"),
        attrs.identifier(raw, "call_id", "id"),
        arguments(_given(raw if _ARGUMENTS.isdisjoint(function) else function)),
    )


def _given(raw: Mapping[str, Any]) -> Any:
    """The arguments of a request, whatever their name."""
    for key in ("arguments", "input", "args"):
        if key in raw:
            return raw[key]
    return None


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
    """What is inside of the one-key wrapper that OpenInference puts around a message, a part or a call.

    ``raw`` has one key; it is returned where that is none of a wrapper.
    """
    (inner,) = raw.values()
    return inner if isinstance(inner, dict) and not _WRAPPERS.isdisjoint(raw) else raw
