"""A trace as a conversation: who said what, which documents were retrieved, which tools ran. Knows no HTML.

Made of the interaction as the conventions read it; where that is not at hand, of the trace's view. Every text that a
finding may point at (``Interaction.texts``) has its place here, whatever was recorded.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from checks.interaction import Interaction, Message, ModelCall, ToolRequest
from exporters.dataset.plain import plain


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. ``path`` is the name under which findings point at its text; ``model`` on what a model answered."""

    role: str
    text: str | None
    path: str | None = None
    name: str | None = None
    model: str | None = None
    requests: tuple[tuple[str, str], ...] = ()
    media: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One retrieved document. ``path`` as in ``Turn``."""

    path: str
    content: str | None
    id: str | None = None
    title: str | None = None
    source: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool that ran or was asked for; arguments and result as text. ``path`` is that of both, without the part."""

    path: str
    name: str | None
    arguments: str | None
    result: str | None
    error: str | None = None
    duration_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The whole of it. ``texts`` are the texts of all paths."""

    turns: tuple[Turn, ...]
    documents: tuple[Document, ...]
    tools: tuple[Tool, ...]
    texts: Mapping[str, str]


def of_interaction(interaction: Interaction) -> Conversation:
    """The conversation of all model calls, each message once."""
    turns = _with_ends(
        list(_said(interaction.model_calls)),
        interaction.system,
        interaction.user_input,
        interaction.final_output,
    )
    documents = tuple(
        Document(f"documents[{n}].content", d.content, d.id, d.title, d.source, d.score)
        for n, d in enumerate(interaction.documents)
    )
    tools = tuple(
        Tool(
            f"tool_calls[{n}]",
            call.name,
            as_text(call.arguments),
            as_text(call.result),
            (call.error.message or call.error.type or "failed") if call.error else None,
            call.duration_ns,
        )
        for n, call in enumerate(interaction.tool_calls)
    )
    return _conversation(turns, documents, tools)


def of_view(view: Mapping[str, Any]) -> Conversation:
    """The conversation as the view has it: what was asked and what was answered."""
    turns = _with_ends([], *(_text(view, key) for key in ("system", "input", "output")))
    documents = tuple(
        Document(
            f"documents[{n}].content",
            _text(item, "content"),
            _text(item, "id"),
            _text(item, "title"),
            _text(item, "source"),
            item.get("score"),
        )
        for n, item in enumerate(view.get("documents") or ())
    )
    tools = tuple(
        Tool(
            f"tool_calls[{n}]",
            _text(item, "name"),
            as_text(item.get("arguments")),
            as_text(item.get("result")),
            _text(item, "error"),
        )
        for n, item in enumerate(view.get("tool_calls") or ())
    )
    return _conversation(turns, documents, tools)


def as_text(value: Any) -> str | None:
    """A value as text: a string as it is, else JSON in lines; ``None`` where there is none."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False, indent=2)


def _text(item: Mapping[str, Any], key: str) -> str | None:
    value = item.get(key)
    return None if value is None else str(value)


def _conversation(turns: Sequence[Turn], documents: Sequence[Document], tools: Sequence[Tool]) -> Conversation:
    texts = {turn.path: turn.text for turn in turns if turn.path and turn.text is not None}
    texts |= {d.path: d.content for d in documents if d.content is not None}
    for tool in tools:
        parts = {"arguments": tool.arguments, "result": tool.result}
        texts |= {f"{tool.path}.{part}": text for part, text in parts.items() if text is not None}
    return Conversation(tuple(turns), tuple(documents), tuple(tools), texts)


def _said(calls: Sequence[ModelCall]) -> Iterator[Turn]:
    """The messages of the calls in order. Each call repeats what was said before it: that is passed over."""
    told: list[Message] = []
    for call in calls:
        messages = call.input or ()
        same = 0
        while same < min(len(told), len(messages)) and told[same] == messages[same]:
            same += 1
        new, answers = messages[same:], call.output or ()
        told = [*messages, *answers]
        yield from (_turn(message) for message in new)
        yield from (_turn(message, call.response_model or call.model) for message in answers)


def _turn(message: Message, model: str | None = None) -> Turn:
    requests = tuple(map(_request, message.tool_requests))
    return Turn(message.role, message.content, None, message.name, model, requests, message.media, message.refusal)


def _request(request: ToolRequest) -> tuple[str, str]:
    return request.name or "a tool without a name", as_text(request.arguments) or ""


def _with_ends(turns: list[Turn], system: str | None, asked: str | None, answered: str | None) -> list[Turn]:
    """The turns, those named whose texts findings point at; such a text that no message has is a turn of its own."""
    backwards = range(len(turns) - 1, -1, -1)  # the last that says it: as it was read
    _name(turns, "output", answered, backwards, Turn("assistant", answered, "output"), len(turns))
    first = next((n for n, turn in enumerate(turns) if turn.role != "system"), len(turns))
    _name(turns, "input", asked, range(len(turns) - 1, -1, -1), Turn("user", asked, "input"), first)
    _name(turns, "system", system, range(len(turns)), Turn("system", system, "system"), 0)
    return turns


def _name(turns: list[Turn], path: str, text: str | None, order: Sequence[int], missing: Turn, place: int) -> None:
    if text is None:
        return
    for n in order:
        if turns[n].text == text and turns[n].path is None and _fits(turns[n].role, path):
            turns[n] = replace(turns[n], path=path)
            return
    turns.insert(place, missing)


def _fits(role: str, path: str) -> bool:
    """Whether a message of this role can be that text: a user may say what the assistant answers."""
    is_model = role in ("assistant", "model", "ai", "tool")
    return is_model if path == "output" else not is_model
