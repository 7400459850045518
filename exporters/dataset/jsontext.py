"""Rewriting the values inside a JSON text without touching anything else of it: spacing, key order, doubled keys stay.

A tool's arguments and a JSON answer are texts whose very form may be what a case is about, so they are never parsed
and printed again: the tokens that change are changed where they stand. Knows nothing of what is replaced, or why.
"""

import json
import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"\s*```[\w+-]*[ \t]*\n?")
_LITERAL = re.compile(r'"(?:[^"\\]++|\\.)*+"|-?\d[\d.eE+-]*+', re.DOTALL)

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")

_BEGINNINGS = ("{", "[", "`")


def is_json(text: str) -> bool:
    """Whether ``text`` is a JSON object or array, bare or alone in a Markdown code block."""
    if text.lstrip()[:1] not in _BEGINNINGS:
        return False
    opening = _FENCE.match(text)
    inner = text[opening.end() :].rstrip().removesuffix("```") if opening else text
    if not inner.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(inner)
    except (ValueError, RecursionError):
        return False
    return True


def rewrite(text: str, change: Callable[[str], str]) -> str:
    """``text``, which ``is_json``, with ``change`` applied to every string (keys too) and every number in it.

    ``change`` sees strings decoded and numbers as they are written. A number that changes stays one where it can,
    else it becomes a string.
    """
    return _LITERAL.sub(lambda literal: _rewritten(literal[0], change), text)


def escaped_strings(text: str) -> Iterator[str]:
    """The strings of ``text``, which ``is_json``, that read otherwise than they are written; decoded."""
    return (json.loads(s[0]) for s in _LITERAL.finditer(text) if "\\" in s[0])


def without_escapes(text: str) -> str:
    """``text``, which ``is_json``, with every string blanked that holds an escape: its letter is no text."""
    return _LITERAL.sub(lambda s: " " * len(s[0]) if "\\" in s[0] else s[0], text)


def _rewritten(literal: str, change: Callable[[str], str]) -> str:
    value = json.loads(literal) if literal.startswith('"') else literal
    changed = change(value)
    if changed == value or (value is literal and is_whole_number(changed)):
        return changed if value is literal else literal
    # Where it was escaped it stays so: half a surrogate pair has no other way to be written.
    return json.dumps(changed, ensure_ascii="\\u" in literal)


def is_whole_number(text: str) -> bool:
    """Whether ``text`` is a whole number as JSON writes it (RFC 8259, section 6): no leading zero."""
    return _WHOLE.fullmatch(text) is not None
