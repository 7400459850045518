"""The form by which a case is edited: a case as the texts of its fields, and back, with what is wrong beside the field.

Knows no HTML. A field that was not changed changes nothing, whatever a browser does to line breaks and to characters
that a page cannot hold. What cannot be read stays as it was typed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from exporters.dataset.case import Case
from exporters.dataset.shape import to_json
from exporters.review.fields import FIELDS, Field, FieldError, read_json, write_json
from exporters.review.html import visible

CALL_NAME, CALL_ARGUMENTS = "toolName", "toolArguments"
"""The two fields of an expected tool call; a form has several of each, in the same order."""
BLANK_CALLS = 1
"""Empty ones at the end of a form, to be filled in."""
MAX_CALLS = 100

Typed = Mapping[str, Sequence[str]]
"""A form as it was sent: the values of each name, in order."""


@dataclass(frozen=True, slots=True)
class Call:
    """An expected tool call as typed, and what is wrong with it."""

    name: str = ""
    arguments: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A filled-in form: the text of each field, tool calls apart; what is wrong, by field; what it changes.

    ``parts`` are parts of the case's public shape, only those that differ. ``changed`` names the fields that were typed
    in, those that cannot be read too; ``CALL_NAME`` stands for the tool calls.
    """

    texts: Mapping[str, str]
    calls: tuple[Call, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()

    @property
    def is_valid(self) -> bool:
        """Whether everything could be read."""
        return not self.errors and not any(call.error for call in self.calls)


def filled(case: Case) -> Form:
    """The form as it is first shown."""
    shape = to_json(case)
    texts = {name: _shown(one.write(one.of(shape))) for name, one in FIELDS.items()}
    return Form(texts, (*map(_row, shape["expectedToolCalls"]), *[Call()] * BLANK_CALLS))


def read(case: Case, typed: Typed) -> Form:
    """The form as it was sent, of a case as it was when the form was shown. A field that is missing is unchanged."""
    before, shape = filled(case), to_json(case)
    texts = {name: _sent(typed, name, text) for name, text in before.texts.items()}
    changed = {name for name in FIELDS if texts[name] != before.texts[name]}
    parts, errors = _read_fields(shape, {name: texts[name] for name in FIELDS if name in changed})
    kept = {_row(call): call for call in shape["expectedToolCalls"]}
    rows = [*map(_row, shape["expectedToolCalls"])]
    calls = _read_calls(typed, kept) if CALL_NAME in typed else rows
    if calls != rows:
        changed.add(CALL_NAME)
        if not any(call.error for call in calls):
            parts["expectedToolCalls"] = [kept.get(call) or _call(call) for call in calls]
    return Form(texts, (*calls, *[Call()] * BLANK_CALLS), errors, parts, frozenset(changed))


def on_top(mine: Form, case: Case) -> Form:
    """The form of ``case``, which someone else changed meanwhile, with what was typed in mine."""
    theirs = filled(case)
    texts = {name: mine.texts[name] if name in mine.changed else text for name, text in theirs.texts.items()}
    return replace(mine, texts=texts, calls=mine.calls if CALL_NAME in mine.changed else theirs.calls)


def _read_fields(shape: Mapping[str, Any], texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    parts: dict[str, Any] = {}
    errors = {}
    for name, text in texts.items():
        try:
            _put(parts, FIELDS[name], FIELDS[name].read(text), shape)
        except FieldError as error:
            errors[name] = str(error)
    return parts, errors


def _sent(typed: Typed, name: str, unchanged: str) -> str:
    values = typed.get(name)
    return _even(values[0]) if values else unchanged


def _even(text: str) -> str:
    """Line breaks as they are everywhere but in what a browser sends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _shown(text: str) -> str:
    """What a browser sends back of ``text``, line breaks evened: so a field that nobody touched is known."""
    return visible(_even(text))


def _put(parts: dict[str, Any], one: Field, value: Any, shape: Mapping[str, Any]) -> None:
    if one.of(shape) == value:
        return
    *groups, last = one.path
    for group in groups:
        parts = parts.setdefault(group, {})
    parts[last] = value


def _row(call: Mapping[str, Any]) -> Call:
    return Call(_shown(str(call.get("name") or "")), _arguments(call))


def _arguments(call: Mapping[str, Any]) -> str:
    return _shown(write_json(call.get("arguments")))


def _read_calls(typed: Typed, kept: Mapping[Call, Any]) -> list[Call]:
    """The calls that were typed, each with what is wrong with it; a row that is empty is none."""
    names = [_even(name) for name in typed[CALL_NAME]][:MAX_CALLS]
    texts = [_even(text) for text in typed.get(CALL_ARGUMENTS, ())]
    rows = [Call(*row) for row in zip(names, [*texts, *[""] * len(names)], strict=False)]
    return [row if row in kept else _checked(row) for row in rows if (row.name + row.arguments).strip()]


def _checked(row: Call) -> Call:
    try:
        _call(row)
    except FieldError as error:
        return replace(row, error=str(error))
    return row


def _call(call: Call) -> dict[str, Any]:
    if not call.name.strip():
        raise FieldError("name the tool, or empty its arguments as well")
    arguments = read_json(call.arguments)
    if arguments is not None and not isinstance(arguments, dict):
        raise FieldError('arguments are a JSON object: {"orderId": "123"}; leave them empty for any')
    return {"name": call.name.strip(), **({} if arguments is None else {"arguments": arguments})}
