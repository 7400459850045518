"""Typed look-ups in captured attributes. Whatever type a library really wrote, nothing here raises.

Owns the rule that a value of the wrong type counts as "not recorded". Knows no convention's keys. Captured values are
plain Python (see ``checks.span``), so that a mapping is a ``dict``: asking for an abstract ``Mapping`` costs ten times
as much.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

MAX_DEPTH = 64
"""How deep captured JSON is followed. Real messages are less than ten levels deep."""

_MAX_KEY_PARTS = 16
_MAX_INDEX_DIGITS = 9
MAX_COUNT = 10**15
"""A count above this is no count; what is below is exact as a float and fits any database."""
_MAX_COUNT_DIGITS = len(str(MAX_COUNT))


def text(attributes: Mapping[str, Any], *keys: str) -> str | None:
    """The first of ``keys`` that holds a non-empty string."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def identifier(attributes: Mapping[str, Any], *keys: str) -> str | None:
    """The first of ``keys`` that holds a string or an integer, as a string: ids are numbers in some apps."""
    for key in keys:
        value = attributes.get(key)
        if value is None:
            continue
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def count(attributes: Mapping[str, Any], *keys: str) -> int | None:
    """The first of ``keys`` that holds a whole number of at least 0, however it is typed."""
    for key in keys:
        value = attributes.get(key)
        if value is None:
            continue
        if type(value) is int and 0 <= value <= MAX_COUNT:
            return value
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _MAX_COUNT_DIGITS:
            return int(value)
        figure = number(attributes, key)
        if figure is not None and 0 <= figure <= MAX_COUNT and figure == int(figure):
            return int(figure)
    return None


def number(attributes: Mapping[str, Any], *keys: str) -> float | None:
    """The first of ``keys`` that holds a finite number."""
    for key in keys:
        value = attributes.get(key)
        if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        try:
            figure = float(value)
        except OverflowError:
            continue
        if math.isfinite(figure):
            return figure
    return None


def flag(attributes: Mapping[str, Any], *keys: str) -> bool | None:
    """The first of ``keys`` that holds a boolean, or the word for one."""
    for key in keys:
        value = attributes.get(key)
        if value is None:
            continue
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    return None


def parsed(value: Any) -> Any:
    """``value`` with a string that holds a JSON object or array parsed; anything else as it is."""
    if isinstance(value, str):
        is_json = value.lstrip()[:1] in ("{", "[")
    else:
        is_json = isinstance(value, bytes) and value.lstrip()[:1] in (b"{", b"[")
    if not is_json:
        return value
    try:  # the same as `_loaded`, without the call: it is asked of every message
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def json_text(value: Any) -> Any:
    """``value`` with a string that holds any JSON parsed: for attributes that a library always JSON-encodes."""
    return _loaded(value) if isinstance(value, str) else value


def _loaded(recorded: str | bytes) -> Any:
    try:
        return orjson.loads(recorded)
    except orjson.JSONDecodeError:
        return recorded


def mapping(value: Any) -> Mapping[str, Any]:
    """``value``, or what its JSON holds, as a mapping; an empty one if it is anything else."""
    if value is None or isinstance(value, dict):
        return value or {}
    found = parsed(value)
    return found if isinstance(found, dict) else {}


def items(value: Any) -> Sequence[Any]:
    """``value``, or what its JSON holds, as a list; an empty one if it is anything else."""
    if value is None or isinstance(value, list):
        return value or ()
    found = parsed(value)
    return found if isinstance(found, (list, tuple)) else ()


def strings(value: Any) -> tuple[str, ...]:
    """The strings in ``value``: a list, a JSON list, or one bare string."""
    found = value if isinstance(value, list) else parsed(value)
    if type(found) is list and len(found) == 1 and found[0] and type(found[0]) is str:
        return (found[0],)  # nearly always
    if isinstance(found, str):
        return (found,) if found else ()
    listed = found if isinstance(found, (list, tuple)) else ()
    return tuple([item for item in listed if isinstance(item, str) and item])


def compact(value: Any) -> str | None:
    """``value`` as text: a string as it is, anything else as JSON; ``None`` where it can't be written."""
    if value is None or isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        return None


def leaves(value: Any, depth: int = MAX_DEPTH) -> Iterator[str]:
    """Every non-empty string inside nested lists and mappings, in order; keys are not among them."""
    if isinstance(value, str):
        if value:
            yield value
    elif depth > 0 and isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item, depth - 1)


def indexed(attributes: Mapping[str, Any], *roots: str) -> dict[str, list[Any]]:
    """The lists that are spread over indexed keys, such as ``root.0.message.role``, by root; in one pass.

    An item is a nested dict of the key's later parts, or the value itself for ``root.0``. Numbered parts inside an item
    become lists too. Gaps between indexes close up; a root without keys is left out.
    """
    prefixes = tuple([f"{root}." for root in roots])
    trees: dict[str, _Node] = {}
    for key, value in attributes.items():
        if key.startswith(prefixes):
            prefix = next(filter(key.startswith, prefixes))
            path = key[len(prefix) :].split(".", _MAX_KEY_PARTS)
            if _is_index(path[0]):
                _put(trees.setdefault(prefix[:-1], _Node()), path, value)
    return {root: _lists(tree) for root, tree in trees.items()}


class _Node(dict[str, Any]):
    """A part of a key that has parts below it; told from a captured mapping, which must not be written to."""


def _put(tree: _Node, path: list[str], value: Any) -> None:
    last = path.pop()
    for part in path:
        below = tree.get(part)
        if below is None and part not in tree:
            below = tree[part] = _Node()
        if not isinstance(below, _Node):  # `a.0` and `a.0.b` cannot both be: the first one stands
            return
        tree = below
    tree.setdefault(last, value)


def _lists(tree: Any) -> Any:
    """``tree`` with every node whose keys are all numbers made a list; as deep as ``_MAX_KEY_PARTS`` at most."""
    if not isinstance(tree, _Node):
        return tree
    if all(map(_is_index, tree)):
        return [_lists(tree[key]) for key in sorted(tree, key=int)]
    return {key: _lists(value) for key, value in tree.items()}


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= _MAX_INDEX_DIGITS
