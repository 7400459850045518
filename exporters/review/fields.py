"""The fields of the form by which a case is edited: how each is written as a text, and read from what was typed.

Whatever a text field of a browser changes or cannot hold (line breaks, invisible characters) is written so that it
comes back as it was.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from exporters.dataset.case import ExampleType
from exporters.dataset.vetting import schema_fault
from exporters.review.html import visible

MAX_MS = 2**53
"""The largest number that every JSON reader keeps exactly."""


class FieldError(ValueError):
    """What was typed cannot be read; the text says what to write."""


def _write_text(value: str | None) -> str:
    return value or ""


def _read_text(text: str) -> str | None:
    return text if text.strip() else None


def _write_lines(items: Sequence[str]) -> str:
    return "\n".join(map(_line, items))


def _line(item: str) -> str:
    """An item on one line; as a JSON string where it would not be read back otherwise."""
    is_plain = item == item.strip() and item and "\n" not in item and not item.startswith('"')
    return item if is_plain and visible(item) == item else _json_text(item, indent=None)


def _read_lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.split("\n"))
    return list(dict.fromkeys(_item(line) for line in lines if line))


def _item(line: str) -> str:
    if not line.startswith('"') or len(line) == 1:
        return line
    try:
        item = json.loads(line)
    except ValueError:
        return line
    return item if isinstance(item, str) else line


def write_json(value: Any) -> str:
    """A JSON value for a text field; ``None`` is an empty one."""
    return "" if value is None else _json_text(value, indent=2)


def _json_text(value: Any, indent: int | None) -> str:
    """JSON in which what a page cannot show is escaped, and so comes back."""
    written = json.dumps(value, ensure_ascii=False, indent=indent)
    if visible(written) == written:
        return written
    return "".join(c if visible(c) == c else f"\\u{ord(c):04x}" for c in written)


def read_json(text: str) -> Any:
    """The JSON value that was typed; ``None`` for an empty field. Raises ``FieldError``."""
    if not text.strip():
        return None
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise FieldError(f"line {error.lineno}, column {error.colno}: {error.msg}; write JSON") from None
    except (ValueError, RecursionError):
        raise FieldError("this is no JSON that others can read: a number too long, NaN, or nested too deep") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


def _read_schema(text: str) -> Any:
    schema = read_json(text)
    if schema is None:
        return None
    if not isinstance(schema, dict):
        raise FieldError('a JSON Schema is an object: {"type": "object", ...}; leave it empty for none')
    if (fault := schema_fault(schema)) is not None:
        raise FieldError(fault)
    return schema


def _write_number(value: int | None) -> str:
    return "" if value is None else str(value)


def _read_ms(text: str) -> int | None:
    digits = text.strip()
    if not digits:
        return None
    if not re.fullmatch("[0-9]{1,16}", digits) or not 1 <= int(digits) <= MAX_MS:
        raise FieldError("write whole milliseconds above 0, as 2500; leave it empty for no limit")
    return int(digits)


def _read_kind(text: str) -> str:
    try:
        return ExampleType(text).value
    except ValueError:
        raise FieldError(f"choose one of {', '.join(ExampleType)}") from None


def _read_split(text: str) -> str | None:
    return text.strip() or None


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field stands in the public shape, and how it is written and read."""

    path: tuple[str, ...]
    write: Callable[[Any], str]
    read: Callable[[str], Any]

    def of(self, shape: Mapping[str, Any]) -> Any:
        """The field's value in the public shape of a case."""
        value: Any = shape
        for key in self.path:
            value = value[key]
        return value


_LINES = (_write_lines, _read_lines)
FIELDS: Mapping[str, Field] = {
    "mustMention": Field(("expected", "mustMention"), *_LINES),
    "mustNotMention": Field(("expected", "mustNotMention"), *_LINES),
    "answer": Field(("expected", "answer"), _write_text, _read_text),
    "value": Field(("expected", "value"), write_json, read_json),
    "jsonSchema": Field(("expected", "jsonSchema"), write_json, _read_schema),
    "relevantDocuments": Field(("expected", "relevantDocuments"), *_LINES),
    "maxLatencyMs": Field(("expected", "maxLatencyMs"), _write_number, _read_ms),
    "rubric": Field(("expected", "rubric"), _write_text, _read_text),
    "forbiddenToolCalls": Field(("forbiddenToolCalls",), *_LINES),
    "exampleType": Field(("metadata", "exampleType"), str, _read_kind),
    "tags": Field(("metadata", "tags"), *_LINES),
    "split": Field(("metadata", "split"), _write_text, _read_split),
}
