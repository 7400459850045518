"""What the user said and what the user was told, out of everything that a trace recorded.

The app's own spans (workflow, chain, agent) come before the model's messages: there stands what the app was given and
what it gave back, without the prompt around it. Where they hold no text, the messages of the last model call count.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from checks.interaction import ModelCall
from checks.span import Span
from checks.trace import Trace
from collector.conventions import attributes as attrs
from collector.conventions import prompts
from collector.conventions.reading import Reading

_MAX_LEAVES = 200

_refusal = attrgetter("refusal")


class Dialogue(NamedTuple):
    """The two ends of an interaction, each with the span that it was read from."""

    user_input: str | None = None
    input_span: str | None = None
    final_output: str | None = None
    output_span: str | None = None
    system: str | None = None
    refusal: bool = False


def read(trace: Trace, entries: Mapping[str, Reading], calls: Sequence[ModelCall]) -> Dialogue:
    """The dialogue of a trace.

    Args:
        trace: The trace.
        entries: The readings that stand for the app's work as a whole, by span id.
        calls: The model calls in order of time. The last one gave the final answer.
    """
    last = calls[-1] if calls else None
    around: Entries = ()
    if entries:
        around = [(span, entries[span.span_id]) for span in _around(trace, last) if span.span_id in entries]
    refusal = last is not None and _is_refused(last)
    return Dialogue(*_user_input(around, last), *_final_output(around, last), _first_system(calls), refusal)


def _around(trace: Trace, call: ModelCall | None) -> Sequence[Span]:
    """The spans around a model call, the outermost first; all spans where there is no call."""
    if call is None:
        return trace.spans
    found: list[Span] = []
    walked: set[str] = set()
    current = trace.by_id.get(call.span_id)
    while current is not None and current.span_id not in walked:
        found.append(current)
        walked.add(current.span_id)
        current = trace.by_id.get(current.parent_id or "")
    return found[::-1]


Entries = Sequence[tuple[Span, Reading]]


def _user_input(around: Entries, call: ModelCall | None) -> tuple[str | None, str | None]:
    said = _last_said(call)
    for span, entry in around:
        if text := _text_in(entry.input, (said, prompts.question(said) if said else None)):
            return text, span.span_id
    if call is None or said is None:
        return None, None
    return prompts.question(said), call.span_id


def _last_said(call: ModelCall | None) -> str | None:
    """The text of the last user message. None of an earlier one, if the last one's was not recorded."""
    for message in reversed(call.input or ()) if call is not None else ():
        if message.role == "user":
            return message.content
    return None


def _final_output(around: Entries, call: ModelCall | None) -> tuple[str | None, str | None]:
    answer = _answer(call)
    recorded: list[tuple[str, str]] = []
    for span, entry in around:
        if (text := _text_in(entry.output, (answer,))) is not None:
            recorded.append((text, span.span_id))
    if call is not None and answer is not None:
        recorded.append((answer, call.span_id))
    # An app that got no answer gives back "": what the model said, if anything, tells more.
    for found in recorded:
        if found[0]:
            return found
    return recorded[0] if recorded else (None, None)


def _answer(call: ModelCall | None) -> str | None:
    """The text that a model call answered with; of several choices the first that has text."""
    answer = None
    for message in (call.output or ()) if call is not None else ():
        text = message.content or message.refusal or message.content
        if text:
            return text
        answer = text if answer is None else answer
    return answer


def _first_system(calls: Sequence[ModelCall]) -> str | None:
    """The system prompt of the first model call that has one."""
    for call in calls:
        said = [m.content for m in call.input or () if m.role == "system" and m.content is not None]
        if said:
            return "\n".join(said)
    return None


def _is_refused(call: ModelCall) -> bool:
    return "content_filter" in call.finish_reasons or any(map(_refusal, call.output or ()))


def _text_in(value: Any, known: Sequence[str | None]) -> str | None:
    """The text that an entry's recorded value stands for.

    Plain text is itself. Of anything else (arguments, a state, a return value) the one string in it, or the one that is
    also known from the model's messages; ``None`` where that leaves a doubt.
    """
    if isinstance(value, str):
        return value
    found = list(_first(attrs.leaves(value), _MAX_LEAVES))
    if len(found) == 1:
        return found[0]
    alike = {text.strip() for text in known if text}
    return next((text for text in found if text.strip() in alike), None)


def _first(texts: Iterator[str], limit: int) -> Iterator[str]:
    for _, text in zip(range(limit), texts, strict=False):
        yield text
