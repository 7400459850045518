"""The parts of a chat message, in every shape that libraries record them in: text, tool calls and answers, media.

Owns the types that parts name (GenAI, Anthropic, Gemini, the OpenAI responses API) and what each amounts to. What a
message makes of its parts is the work of ``messages``.
"""

from collections.abc import Mapping
from typing import Any

from checks.constructor import constructor_of
from checks.interaction import Message, ToolRequest
from collector.conventions import attributes as attrs

_TEXTS = frozenset({"text", "input_text", "output_text"})
REQUESTS = frozenset({"tool_call", "tool_use", "function_call"})
RESULTS = frozenset({"tool_call_response", "tool_result", "function_call_output"})
THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
"""Types that parts name, and items of a conversation too."""

_MEDIA = {
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
_KNOWN = _TEXTS | REQUESTS | RESULTS | THOUGHTS | _MEDIA.keys() | {"refusal"}
_WRAPPERS = frozenset({"message", "message_content", "tool_call"})
_ARGUMENTS = frozenset({"arguments", "input", "args"})

_new_message = constructor_of(Message)
_new_request = constructor_of(ToolRequest)


class Content:
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
        """The texts, joined by newlines; ``None`` where there is none."""
        return "\n".join(self.texts) if self.texts else None

    def add(self, value: Any, *, may_be_json: bool) -> None:
        """Add a message's ``content``: text (which may be a list of parts as JSON), a list of parts, or one part."""
        if isinstance(value, str):
            found = attrs.parsed(value) if may_be_json else value
            if are_parts(found):
                value = found  # a list of parts that the library turned into JSON
            else:
                self.texts.append(value)
        if isinstance(value, (list, tuple)):
            for part in value:
                self.add_part(part)
        elif isinstance(value, dict):
            self.add_part(value)

    def add_part(self, part: Any) -> None:
        """Add one part: text, or a mapping that mostly names its type."""
        if not isinstance(part, dict):
            if isinstance(part, str):
                self.texts.append(part)
            return
        if len(part) == 1:
            part = unwrapped(part)
        kind = kind_of(part)
        if kind in _TEXTS:
            self._add_text(part)
        elif kind in REQUESTS:
            self.requests.append(request(part))
        elif kind in RESULTS:
            self.results.append(result(part))
        elif kind == "refusal":
            self.refusal = attrs.text(part, "refusal", "content", "text")
        elif kind in _MEDIA:
            self.media.append(attrs.text(part, "modality") or _MEDIA[kind])
        elif kind not in THOUGHTS:
            self._add_text(part)

    def _add_text(self, part: Mapping[str, Any]) -> None:
        for key in ("text", "content"):
            if isinstance(text := part.get(key), str):
                self.texts.append(text)
                return


def kind_of(raw: Mapping[str, Any]) -> str:
    """The type that a part or a message names; "" where it names none."""
    kind = raw.get("type")
    return kind if isinstance(kind, str) else ""


def is_text(item: Any) -> bool:
    """Whether this is a part that holds text."""
    return isinstance(item, dict) and "role" not in item and kind_of(item) in _TEXTS


def are_parts(found: Any) -> bool:
    """Whether this is a list of parts and nothing else, by the types that they name."""
    if not isinstance(found, list) or not found:
        return False
    return all(isinstance(part, dict) and kind_of(part) in _KNOWN for part in found)


def request(raw: Mapping[str, Any]) -> ToolRequest:
    """A call that the model asks for: a part, one of a message's ``tool_calls``, or an item of its own."""
    if len(raw) == 1:
        raw = unwrapped(raw)
    function = attrs.mapping(raw.get("function")) or raw
    return _new_request(
        attrs.text(function, "name") or attrs.text(raw, "name"),
        attrs.identifier(raw, "call_id", "id"),
        attrs.parsed(_given(raw if _ARGUMENTS.isdisjoint(function) else function)),
    )


def _given(raw: Mapping[str, Any]) -> Any:
    """The arguments of a request, whatever their name."""
    for key in ("arguments", "input", "args"):
        if key in raw:
            return raw[key]
    return None


def result(raw: Mapping[str, Any]) -> Message:
    """A tool's answer, as the message that it is in other libraries: a part, or an item of its own."""
    given = next((raw[key] for key in ("response", "result", "output", "content") if raw.get(key) is not None), None)
    return _new_message(
        "tool",
        _result_text(given),
        attrs.text(raw, "name"),
        tool_call_id=attrs.identifier(raw, "call_id", "tool_call_id", "tool_use_id", "id"),
    )


def _result_text(given: Any) -> str | None:
    """A tool's answer as text; of a list of text parts (Anthropic) the texts."""
    if isinstance(given, list) and given and all(map(is_text, given)):
        return "\n".join(attrs.text(part, "text", "content") or "" for part in given)
    return attrs.compact(given)


def unwrapped(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is inside of the one-key wrapper that OpenInference puts around a message, a part or a call.

    ``raw`` has one key; it is returned where that is none of a wrapper.
    """
    (inner,) = raw.values()
    return inner if isinstance(inner, dict) and not _WRAPPERS.isdisjoint(raw) else raw
