"""Chat messages, in every shape that libraries record them in, as ``Message``.

Owns the shapes of a message: role and content or parts, ``tool_calls`` (OpenAI), items of the OpenAI responses API.
What a part amounts to is the work of ``parts``. Does not know where on a span messages are found.
"""

from collections.abc import Mapping
from typing import Any

from checks.constructor import constructor_of
from checks.interaction import Message, ToolRequest
from collector.conventions import attributes as attrs
from collector.conventions import parts
from collector.conventions.parts import Content
from collector.conventions.repetition import NEW, LastRead

_OTHER_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool", "developer": "system"}
_ROLES = {**_OTHER_ROLES, **{role: role for role in ("system", "user", "assistant", "tool")}}
_MESSAGE_KEYS = frozenset({"role", "parts", "tool_calls", "message", "refusal"})
_PLAIN_MESSAGES = {
    ("role", "parts"): "parts",
    ("role", "parts", "finish_reason"): "parts",
    ("role", "content"): "content",
    ("content", "role"): "content",
}
"""The keys of a plain message, and which of them holds what it says."""

_last = LastRead()
_new_message = constructor_of(Message)


def read(value: Any, role: str) -> tuple[Message, ...] | None:
    """The messages in ``value``: a list (or its JSON), one message, or plain text.

    Args:
        value: What was recorded; ``None`` gives ``None``.
        role: The role of a message that names none, and of plain text.
    """
    if value is None:
        return None
    said: tuple[Message, ...] | None = _last.made_of(value, role)
    if said is NEW:
        said = _messages(value, attrs.parsed(value), role)
        _last.keep(value, said, role)
    return said


def finish_reasons(value: Any) -> tuple[str, ...]:
    """The finish reasons that messages (in any shape that ``read`` takes) name, as recorded."""
    listed = [found] if isinstance(found := attrs.parsed(value), dict) else attrs.items(found)
    said = [attrs.text(item, "finish_reason", "stop_reason") for item in listed if isinstance(item, dict)]
    return tuple(filter(None, said))


def read_answer(value: Any) -> tuple[tuple[Message, ...] | None, Any]:
    """A model's answer: its messages, and ``value`` with its JSON parsed, to be asked for ``finish_reasons``."""
    found = attrs.parsed(value)
    return None if value is None else _messages(value, found, "assistant"), found


def arguments(value: Any) -> Any:
    """A tool call's arguments: parsed where they parse to an object or list, else as recorded."""
    return attrs.parsed(value)


def _messages(value: Any, found: Any, role: str) -> tuple[Message, ...] | None:
    """The messages in ``found``, which is ``value`` with its JSON parsed."""
    said: list[Message] = []
    if isinstance(found, list):
        said = _leading_plain(found, role)
        if len(said) == len(found):
            return tuple(said)
    if isinstance(value, str) and not _is_messages(found) and not (role != "assistant" and parts.are_parts(found)):
        return (Message(role, value),)  # plain text, or an answer that happens to be JSON
    if isinstance(found, dict):
        return _message(found, role)
    if not isinstance(found, (list, tuple)):
        return None
    if found and parts.is_text(found[0]) and all(map(parts.is_text, found)):
        return _message({"parts": found}, role)
    for item in found[len(said) :]:
        said += _item(item, role)
    return tuple(said)


def _leading_plain(found: list[Any], role: str) -> list[Message]:
    """The messages of a list up to the first that is not plain: in most lists all, at a third of what others cost."""
    said: list[Message] = []
    for item in found:
        message = _plain(item, role)
        if message is None:
            break
        said.append(message)
    return said


def _plain(item: Any, role: str) -> Message | None:
    """The message of one text, one request or one answer (and of a role); ``None`` for any other message."""
    key = _PLAIN_MESSAGES.get(tuple(item)) if isinstance(item, dict) else None
    if key is None:
        return None
    content, said_by = item[key], item["role"]
    role = (isinstance(said_by, str) and _ROLES.get(said_by)) or _role(item, role)
    if key == "content":  # one that begins a list may be a list of parts
        is_plain = isinstance(content, str) and content.lstrip()[:1] != "["
        return _new_message(role, content) if is_plain else None
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return None
    part = content[0]
    if part.get("type") != "text":
        return _of_part(part, role)
    text = part.get("content", part.get("text")) if len(part) == 2 else None
    return _new_message(role, text) if isinstance(text, str) else None


def _of_part(part: Mapping[str, Any], role: str) -> Message | None:
    """The message of this one part that is no text, ``None`` where that is not plain."""
    kind = part.get("type")
    if not isinstance(kind, str) or len(part) == 1:
        return None
    if kind in parts.REQUESTS:
        return _new_message(role, None, None, (parts.request(part),))
    return parts.result(part) if kind in parts.RESULTS else None


def _is_messages(found: Any) -> bool:
    return all(map(_is_message, found)) if isinstance(found, list) else _is_message(found)


def _is_message(found: Any) -> bool:
    return isinstance(found, dict) and not _MESSAGE_KEYS.isdisjoint(found)


def _item(item: Any, role: str) -> tuple[Message, ...]:
    if isinstance(item, dict):
        message = _plain(item, role)
        return _message(item, role) if message is None else (message,)
    return (Message(role, item),) if isinstance(item, str) else ()


def _message(raw: Mapping[str, Any], role: str) -> tuple[Message, ...]:
    """One recorded message; two where it also holds answers of tools, which other libraries record apart."""
    if len(raw) == 1:
        raw = parts.unwrapped(raw)
    kind = parts.kind_of(raw)
    if kind in parts.REQUESTS:
        return (_new_message("assistant", tool_requests=(parts.request(raw),)),)
    if kind in parts.RESULTS:
        return (parts.result(raw),)
    if kind in parts.THOUGHTS:
        return ()
    content = Content()
    role = _role(raw, role)
    if "content" in raw:
        content.add(raw["content"], may_be_json=role != "assistant")
    for key in ("parts", "contents"):
        if key in raw:
            for part in attrs.items(raw[key]):
                content.add_part(part)
    return (*content.results, *_own_message(raw, role, content))


def _own_message(raw: Mapping[str, Any], role: str, content: Content) -> tuple[Message, ...]:
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
    return tuple(map(parts.request, [*calls, legacy] if legacy else calls))
