"""How large a case may be. Owns what is cut of one that is larger: texts first, the longest most, then whole parts.

What a case demands is never shortened, since half a demand is another one: it is kept whole or left out.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import orjson

from exporters.dataset.case import Case, Context, Expectation

MAX_CHARACTERS = 512 * 1024
"""In all texts of a case together; a context of 128,000 tokens is about as long. A trace may be 16 MiB."""
SHORTENED = "shortened"
"""The tag of a case that was too large."""
CUT = " [cut]"
_LONGEST = (64 * 1024, 8 * 1024, 1024)
_MOST = 100


def shortened(case: Case, most: int = MAX_CHARACTERS) -> Case:
    """``case``, or as much of it as is at most ``most`` characters and says what it is about."""
    if _is_small(case, most) or _size(case) <= most:
        return case
    case = replace(case, tags=(*case.tags, SHORTENED))
    for longest in _LONGEST:
        case = replace(
            case,
            input=_cut(case.input, longest),
            observed_output=_cut(case.observed_output, longest),
            context=_cut_context(case.context, longest),
        )
        if _size(case) <= most:
            return case
    case = replace(case, context=_cut_lists(case.context))
    if _size(case) <= most:
        return case
    case = replace(case, context=Context(system=case.context.system))
    return case if _size(case) <= most else replace(case, expectation=Expectation(checks=case.expectation.checks))


def _cut_context(context: Context, longest: int) -> Context:
    return replace(context, **{field.name: _cut(getattr(context, field.name), longest) for field in fields(context)})


def _cut_lists(context: Context) -> Context:
    """The first documents and tools, and the last messages."""
    return replace(
        context,
        documents=context.documents[:_MOST],
        messages=context.messages[-_MOST:],
        tools=context.tools[:_MOST],
    )


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[: longest - len(CUT)] + CUT
    if isinstance(value, Mapping):
        return {key: _cut(item, longest) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cut(item, longest) for item in value)
    return value


def _is_small(case: Case, most: int) -> bool:
    """Whether it surely fits: as JSON nothing is shorter, and to write that takes a quarter of the time."""
    try:
        return len(orjson.dumps(case)) <= most
    except TypeError:  # not all of it is JSON
        return False


def _size(value: Any) -> int:
    """Characters of all texts, and one for anything else."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_size, value)) + len(value)
    if is_dataclass(value):
        return sum(_size(getattr(value, field.name)) for field in fields(value))
    return 1
