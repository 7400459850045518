"""Which text of an interaction has to be JSON, and what stands inside the code block around it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checks.cut import ends_in_cut
from checks.finding import Evidence
from checks.interaction import Interaction, ModelCall

_OPENING = re.compile(r"(`{3,}|~{3,})")
_INFO = re.compile(r"[^\S\n]*+[\w.+-]*+[^\S\n]*+(?=\n)|[\w.+-]++[^\S\n]++|[^\S\n]*+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A text that has to be JSON.

    ``schema`` is the one that the app sent along, ``cut`` whether the provider stopped it at the token limit. ``path``
    is ``output`` where this is the final answer, ``None`` where it is a model's answer that the app then worked on.
    """

    text: str
    schema: Mapping[str, Any] | None = None
    cut: bool = False
    span_id: str | None = None
    path: str | None = None

    def place(self, start: int, end: int) -> Evidence:
        """Point at code points of the text; at the span alone where no path leads to it."""
        if self.path is None:
            return Evidence(self.span_id)
        return Evidence(self.span_id, self.path, start, end)


@dataclass(frozen=True, slots=True)
class Fence:
    """A code block around a whole text: the range of its content."""

    start: int
    end: int


def find_answer(interaction: Interaction, *, always: bool) -> Answer | None:
    """Return the text that has to be JSON, ``None`` where none has to be.

    It is the last answer of a model that was asked for JSON. Where the app made something else of it (rendered it, put
    it into an envelope), the model's own text is taken; with ``always``, it is the final answer whatever was asked.
    An answer that was cut on its way here cannot be judged.
    """
    answer = _recorded_answer(interaction, always=always)
    trace = interaction.trace
    if answer is None or (trace.truncated and ends_in_cut(answer.text, trace.spans, trace.logs)):
        return None
    return answer


def _recorded_answer(interaction: Interaction, *, always: bool) -> Answer | None:
    final = interaction.final_output
    if not always and not any(map(_asks_for_json, interaction.model_calls)):
        return None
    if final is None or interaction.refusal or _is_tool_request(interaction, final):
        return None
    call = _answering_call(interaction, final)
    texts = _texts(call) if call else ()
    is_final = not texts or final.strip() in map(str.strip, texts)
    form = call.response_format if call else None
    asked = call is not None and _asks_for_json(call)
    if not (asked or always):
        return None
    cut = call is not None and "length" in call.finish_reasons
    schema = form.schema if asked and form else None
    if is_final:
        return Answer(final, schema, cut, interaction.output_span, "output")
    if always:
        return Answer(final, span_id=interaction.output_span, path="output")
    return Answer(texts[0], schema, cut, call.span_id if call else None)


def fence_around(text: str) -> Fence | None:
    """Find the code block (CommonMark section 4.5, or the same on one line) that is all there is in ``text``.

    A block that is never closed runs to the end, as in CommonMark.
    """
    end = len(text.rstrip())
    start = len(text) - len(text.lstrip())
    opening = _OPENING.match(text, start)
    if opening is None:
        return None
    marker = opening.group()
    info = _INFO.match(text, opening.end())
    inside = min(end, info.end() if info else opening.end())
    length = end - inside - len(text[inside:end].rstrip(marker[0]))
    return Fence(inside, end - length if length >= len(marker) else end)


def _asks_for_json(call: ModelCall) -> bool:
    return call.response_format is not None and call.response_format.kind == "json"


def _texts(call: ModelCall) -> tuple[str, ...]:
    """Return what the model said; nothing where it only called tools (some servers then send an empty text)."""
    messages = call.output or ()
    return tuple(m.content for m in messages if m.content is not None and (m.content.strip() or not m.tool_requests))


def _answering_call(interaction: Interaction, final: str) -> ModelCall | None:
    """Return the call that gave the final answer, else the last that answered, else (no contents) that worked."""
    calls = interaction.model_calls[::-1]
    answers = [(call, _texts(call)) for call in calls]
    same = (call for call, texts in answers if final.strip() in map(str.strip, texts))
    answered = (call for call, texts in answers if texts)
    worked = (call for call in calls if call.error is None and call.output is None)
    return next(same, None) or next(answered, None) or next(worked, None)


def _is_tool_request(interaction: Interaction, final: str) -> bool:
    last = interaction.model_calls[-1:]
    return not final.strip() and any(m.tool_requests for call in last for m in call.output or ())
