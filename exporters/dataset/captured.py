"""The parts of a case that hold captured text: which they are, how to go through them, and how to rewrite them.

Works on the case's public JSON shape, so that what is scanned is what is written. Knows nothing of what is looked for.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporters.dataset import jsontext

MAX_NESTING = 8
"""JSON texts within strings of JSON texts: levels that are opened."""

CAPTURED = {
    "": ("input", "context", "expectedToolCalls", "forbiddenToolCalls", "actualOutput"),
    "expected": ("answer", "value", "mustMention", "mustNotMention", "jsonSchema", "relevantDocuments", "rubric"),
    "metadata": ("service", "model", "tags", "split"),
}
"""The parts of a case's JSON shape that hold captured text or what a person wrote."""

OWN = {
    "": ("id", "expected", "metadata"),
    "expected": ("maxLatencyMs", "checks"),
    "metadata": ("traceId", "failedChecks", "exampleType", "reviewedBy", "fingerprint", "redacted"),
}
"""The others: sidecheck's own ids and names, the configuration's options of checks, and who took the case."""

OWN_KEYS = frozenset(
    [
        *("documents", "id", "content", "text", "source", "title", "score", "system", "messages", "role", "name"),
        *("media", "toolCalls", "toolCallId", "arguments", "refusal", "tools", "description", "parameters"),
    ]
)
"""Keys of the captured parts of a case's JSON shape: always the same, and so no data."""

_SAFE_KEYS = OWN_KEYS.union(CAPTURED, *CAPTURED.values(), *OWN.values())

_CONTROL = re.compile("[\x00-\x1f]")
"""What JSON would escape, with quotes and backslashes: an escape's letter would join the word behind it."""

Path = tuple[str | int, ...]
"""A place in a case's JSON shape: keys of objects and numbers of list items, from the outside in."""


class Text(NamedTuple):
    """One text of a case and its place. A text that is a key is at the place of the value that it names."""

    path: Path
    text: str
    is_key: bool = False


def captured(shape: Mapping[str, Any]) -> list[Any]:
    """The captured parts of ``shape``, in the order of ``CAPTURED``."""
    return [_under(shape, name)[key] for name, key in _places()]


def with_captured(shape: Mapping[str, Any], parts: Iterable[Any]) -> dict[str, Any]:
    """``shape`` with its captured parts exchanged for ``parts``, in the order of ``captured``."""
    written = {**shape, "expected": {**shape["expected"]}, "metadata": {**shape["metadata"]}}
    for (name, key), value in zip(_places(), parts, strict=True):
        _under(written, name)[key] = value
    return written


def placed(shape: Mapping[str, Any]) -> Iterator[Text]:
    """Every text of the captured parts with its place, in reading order."""
    for name, key in _places():
        yield from placed_in(_under(shape, name)[key], (name, key) if name else (key,))


def placed_in(value: Any, path: Path) -> Iterator[Text]:
    """Every text of ``value``, which stands at ``path``, keys and whole numbers too."""
    if isinstance(value, str):
        yield Text(path, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield Text((*path, key), key, is_key=True)
            yield from placed_in(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from placed_in(item, (*path, number))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield Text(path, str(value))


def written_path(path: Path) -> str:
    """A path as people write it: ``context.messages[2].content``. Names keys, which may be captured text."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def safe_path(path: Path) -> str:
    """A path as errors may name it: a key that is not sidecheck's own is ``*``."""
    return written_path(tuple(step if isinstance(step, int) or step in _SAFE_KEYS else "*" for step in path))


def _places() -> Iterator[tuple[str, str]]:
    return ((name, key) for name, keys in CAPTURED.items() for key in keys)


def _under(shape: Any, name: str) -> Any:
    return shape[name] if name else shape


def views(text: str, level: int = MAX_NESTING) -> Sequence[str]:
    """What a reader of ``text`` sees: itself, and the decoded strings where it is a JSON text."""
    # Without an escape a JSON text reads as it is written.
    if "\\" not in text or level == 0 or not jsontext.is_json(text):
        return (text,)
    inside = (view for string in jsontext.escaped_strings(text) for view in views(string, level - 1))
    return (jsontext.without_escapes(text), *inside)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with ``change`` applied to all text in it, keys too, and within JSON texts to their decoded strings.

    A whole number that changes stays a number where it can, else it becomes a string.
    """
    if isinstance(value, str):
        return _rewritten(value, change)
    if isinstance(value, dict):
        return {_rewritten(key, change): mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        changed = change(str(value))
        return int(changed) if jsontext.is_whole_number(changed) else changed
    return value


def _rewritten(text: str, change: Callable[[str], str], level: int = MAX_NESTING) -> str:
    changed = change(text)
    if changed == text and "\\" not in text:
        return text
    if level == 0 or not jsontext.is_json(text):
        return changed
    return jsontext.rewrite(text, lambda value: _rewritten(value, change, level - 1))


def texts(value: Any) -> list[str]:
    """Every text that ``mapped`` would change, in reading order."""
    found: list[str] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[str]) -> None:
    kind = type(value)  # `plain` leaves hardly any but these
    if kind is str:
        found.append(value)
    elif kind is dict:
        for key, item in value.items():
            found.append(key)
            if type(item) is str:
                found.append(item)
            elif item is not None:
                _collect(item, found)
    elif kind is list:
        for item in value:
            _collect(item, found)
    elif isinstance(value, str):
        found.append(value)
    elif isinstance(value, int) and kind is not bool:
        found.append(str(value))


def line(value: Any) -> str:
    """``value`` as one line of JSON, for what only its neighbourhood gives away.

    What would have to be escaped is a space here. Scores are left out: digits and no data.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: Any, parts: list[str]) -> None:
    kind = type(value)
    if kind is dict:
        sign = "{"
        for key, item in value.items():
            if type(item) is str:
                parts.append(f'{sign}"{_readable(key)}": "{_readable(item)}"')
            else:
                parts.append(f'{sign}"{_readable(key)}": ')
                _write(item, parts)
            sign = ", "
        parts.append("}" if value else "{}")
    elif kind is list:
        sign = "["
        for item in value:
            parts.append(sign)
            _write(item, parts)
            sign = ", "
        parts.append("]" if value else "[]")
    elif isinstance(value, str):
        parts.append(f'"{_readable(value)}"')
    else:
        parts.append("null" if value is None or isinstance(value, float) else json.dumps(value))


def _readable(text: str) -> str:
    if '"' in text or "\\" in text:
        text = text.replace('"', " ").replace("\\", " ")
    return text if text.isprintable() else _CONTROL.sub(" ", text)
