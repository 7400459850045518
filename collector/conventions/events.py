"""GenAI content that is recorded in events: log records that name a span, and the span's own events.

Two generations: one event a message (``gen_ai.user.message`` ..., ``gen_ai.choice``), and one event a model call
(``gen_ai.client.inference.operation.details``) that repeats the span's attributes and adds the messages to them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.interaction import Message
from checks.span import LogRecord, Span
from collector.conventions import attributes as attrs
from collector.conventions import messages

DETAILS = "gen_ai.client.inference.operation.details"
CHOICE = "gen_ai.choice"
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_LEGACY_CONTENT = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}


@dataclass(frozen=True, slots=True)
class Said:
    """The conversation that the events of one span hold."""

    input: tuple[Message, ...] | None = None
    output: tuple[Message, ...] | None = None
    finish_reasons: tuple[str, ...] = ()


NOTHING_SAID = Said()


def attributes_of(span: Span, records: Sequence[LogRecord]) -> Mapping[str, Any]:
    """The span's attributes, and what the details events add to them; the span's own stand."""
    if not records and not span.events:
        return span.attributes
    added: dict[str, Any] = {}
    for name, body, attributes in _events(span, records):
        if name == DETAILS:
            added = {**body, **attributes, **added}
    return {**added, **span.attributes} if added else span.attributes


def said(span: Span, records: Sequence[LogRecord]) -> Said:
    """What the events with one message each say, in order of time."""
    if not records and not span.events:
        return NOTHING_SAID
    asked: list[Message] = []
    answered: list[Message] = []
    reasons: list[str] = []
    for name, body, attributes in _events(span, records):
        if name in _ROLES:
            asked += messages.read({**attributes, **body}, _ROLES[name]) or ()
        elif name == CHOICE:
            choice = {**attributes, **body}
            answered += messages.read(choice.get("message", choice), "assistant") or ()
            reasons += messages.finish_reasons(choice)
        elif name in _LEGACY_CONTENT:
            given = attributes.get(_LEGACY_CONTENT[name])
            is_prompt = name == "gen_ai.content.prompt"
            (asked if is_prompt else answered).extend(messages.read(given, "user" if is_prompt else "assistant") or ())
    return Said(tuple(asked) or None, tuple(answered) or None, tuple(reasons))


def _events(span: Span, records: Sequence[LogRecord]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Name, body and attributes of the log records and the span events; a span event's body is in its attributes."""
    for record in records:
        if record.event_name:
            yield record.event_name, attrs.mapping(record.body), record.attributes
    for event in span.events:
        yield event.name, attrs.mapping(event.attributes.get("gen_ai.event.content")), event.attributes
