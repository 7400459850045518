"""A JSON text as a value: parsed strictly, with repeated keys noticed and the places of its values found again.

A plain text is read by orjson. One that readers could disagree on is read by the standard library, made strict by
hooks, and ``grammar`` is asked only where something is wrong.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from checks.builtin.valid_json.grammar import MAX_DEPTH, Event, GrammarError, Kind, diagnose, events

_MAX_DIGITS = 1000
"""Longer integers are not converted: that takes quadratic time, and Python refuses it above a limit of its own."""
_HUGE: int = 10**_MAX_DIGITS
_LARGEST = 1.7976931348623157e308

Path = tuple[str | int, ...]
"""Where a value stands in a JSON document: the keys and indices that lead to it."""
Place = tuple[int, int]
"""A range of code points."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What came of reading a text: ``value``, or else the ``problem`` that makes it no JSON."""

    value: Any = None
    problem: GrammarError | None = None
    has_repeated_keys: bool = False


@dataclass(slots=True)
class _Hooks:
    """What ``json`` calls while it reads."""

    has_repeated_keys: bool = field(default=False)

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            self.has_repeated_keys = True
        return made

    @staticmethod
    def constant(_name: str) -> NoReturn:
        raise ValueError("NaN and Infinity are not JSON")

    @staticmethod
    def integer(digits: str) -> int:
        """Convert; what is too long becomes a number beyond every limit that a schema can mean."""
        if len(digits) <= _MAX_DIGITS:
            return int(digits)
        return -_HUGE if digits.startswith("-") else _HUGE

    @staticmethod
    def real(digits: str) -> float:
        """Convert; what overflows (``1e999`` is JSON) becomes the largest finite number: infinity is no JSON value."""
        return max(-_LARGEST, min(_LARGEST, float(digits)))


_ZEROS = bytes(ord("0") if chr(byte).isdigit() else byte for byte in range(128)) + bytes(range(128, 256))
_LONG_NUMBER = b"0" * 19
"""Digits from which on orjson may make a floating-point number of an integer."""
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def parse(text: str) -> Parsed:
    """Read a JSON text. What can't be read comes back as ``Parsed.problem``, it is not raised."""
    return _parse_plain(text) or _parse_strictly(text)


def _parse_plain(text: str) -> Parsed | None:
    """Read a text in which nothing is wrong, doubled, too deep or too long; ``None`` where that is not certain.

    What orjson reads is JSON. It drops all but the last of the values of one key: written again, the text would have
    fewer colons then (but for those that were written as an escape).
    """
    try:
        if "\\u" in text or _LONG_NUMBER in text.encode().translate(_ZEROS):
            return None
        value = orjson.loads(text)
        again = orjson.dumps(value)
    except (ValueError, TypeError, RecursionError):
        return None
    return Parsed(value) if again.count(b":") == text.count(":") and _is_shallow(again) else None


def _is_shallow(text: bytes) -> bool:
    """Whether a JSON text is nested at most ``MAX_DEPTH`` deep; false also where brackets in strings hide it."""
    brackets = text.translate(None, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH // 2):  # each time the innermost level goes, at most two
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets


def _parse_strictly(text: str) -> Parsed:
    hooks = _Hooks()
    try:
        value = json.loads(
            text,
            object_pairs_hook=hooks.object,
            parse_constant=hooks.constant,
            parse_int=hooks.integer,
            parse_float=hooks.real,
        )
    except (ValueError, RecursionError):
        problem = diagnose(text)
        if problem is None:  # the fault of the reader (say, no stack left), not of the text
            raise
        return Parsed(problem=problem)
    # Where a key is repeated, a value that is too deep may hide behind a later one.
    problem = diagnose(text) if hooks.has_repeated_keys or _is_too_deep(value) else None
    return Parsed(value, problem, hooks.has_repeated_keys)


def repeated_keys(text: str) -> list[Place]:
    """Find the keys of a JSON text that stood in their object before, however they were escaped."""
    found: list[Place] = []
    seen: list[set[str]] = []
    for event in events(text):
        if event.kind in (Kind.OBJECT, Kind.ARRAY):
            seen.append(set())
        elif event.kind is Kind.END:
            seen.pop()
        elif event.kind is Kind.KEY:
            key = _key(text, event)
            if key in seen[-1]:
                found.append((event.start, event.end))
            seen[-1].add(key)
    return found


def locate(text: str, paths: Collection[Path]) -> dict[Path, Place]:
    """Find where the values at ``paths`` stand in a JSON text. Of values under a repeated key the last is found."""
    walk = _Walk(text, frozenset(paths), frozenset(map(len, paths)))
    for event in events(text):
        walk.take(event)
    return walk.found


@dataclass(slots=True)
class _Walk:
    """The way through a document: the key or index that is current at each level, and the starts of open containers."""

    text: str
    wanted: frozenset[Path]
    lengths: frozenset[int]
    found: dict[Path, Place] = field(default_factory=dict)
    at: list[str | int] = field(default_factory=list)
    opened: list[tuple[Kind, int]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if event.kind is Kind.KEY:
            self.at[-1] = _key(self.text, event)
        elif event.kind is Kind.END:
            self.at.pop()
            self._note(self.opened.pop()[1], event.end)
        else:
            self._begin_value(event)

    def _begin_value(self, event: Event) -> None:
        if self.opened and self.opened[-1][0] is Kind.ARRAY:
            self.at[-1] = int(self.at[-1]) + 1
        if event.kind is Kind.SCALAR:
            self._note(event.start, event.end)
        else:
            self.opened.append((event.kind, event.start))
            self.at.append(-1)

    def _note(self, start: int, end: int) -> None:
        if len(self.at) in self.lengths and (path := tuple(self.at)) in self.wanted:
            self.found[path] = (start, end)


def _key(text: str, event: Event) -> str:
    return str(json.loads(text[event.start : event.end]))


def _is_too_deep(value: Any) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        inside = (parent.values() if isinstance(parent, dict) else parent for parent in level)
        level = [child for children in inside for child in children if isinstance(child, (dict, list))]
        if not level:
            return False
    return True
