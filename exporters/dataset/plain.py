"""Captured values made fit for JSON: what telemetry can hold and a JSON document or a UTF-8 file cannot.

Owns the rules for such values (below), not where they are applied.
"""

import math
import re
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from typing import Any

MAX_DEPTH = 64
"""Levels of nesting that are kept. Parsers of other tools stop at about 100 (promptfoo, PostgreSQL go further)."""

_USUAL = frozenset([dict, list, tuple])
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INT_BITS = 10_000
"""Python refuses to print integers of more than 4,300 digits (about 14,000 bits)."""


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A copy of ``value`` that any JSON parser reads back, whatever an app put into its attributes.

    NaN and infinities become ``None``, bytes ``"<N bytes>"``, lone surrogates U+FFFD, integers too long to print
    hexadecimal, what is nested deeper than ``depth`` a note, other types their class's name in angle brackets.
    Mappings become dicts with string keys, sequences and sets lists. Never raises.
    """
    kind = type(value)  # most are of these: to ask for abstract types takes longer than all the rest
    if kind is str:
        return plain_text(value)
    if value is None or kind is bool:
        return value
    if kind in _USUAL:
        return _container(value, depth)
    if isinstance(value, Mapping | Sequence | Set) and not isinstance(value, str | bytes | bytearray):
        return _container(value, depth)
    return _scalar(value)


def plain_text(value: str) -> str:
    """``value`` without lone surrogates: UTF-8 cannot hold them, while JSON escapes can bring them in."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", value)
    return value


def _container(value: Mapping[Any, Any] | Sequence[Any] | Set[Any], depth: int) -> Any:
    if depth <= 0:
        return "<nested too deeply>"
    # Nearly all keys and most values are such strings: to look at them here takes a third of the time of a call.
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 -- the first is asked for much faster
        return {
            key if type(key) is str and key.isascii() else _key(key): item
            if type(item) is str and item.isascii()
            else plain(item, depth - 1)
            for key, item in value.items()
        }
    return [item if type(item) is str and item.isascii() else plain(item, depth - 1) for item in value]


def _key(key: Any) -> str:
    return plain_text(key) if isinstance(key, str) else str(_scalar(key))


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_INT_BITS else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    return f"<{type(value).__name__}>"
