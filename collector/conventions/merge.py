"""Two records of one thing made one: what the first did not record is taken from the second."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from checks.constructor import constructor_of
from checks.interaction import Usage

Recorded = TypeVar("Recorded")

_NO_DEFAULT = object()
"""Stands for the default of a field that has no empty collection as its default. Equal to nothing."""


def fill(base: Recorded, other: Recorded) -> Recorded:
    """``base`` with every field that it did not record taken from ``other``.

    Both are dataclasses of the same type. Token counts are filled one by one.
    """
    if base is other:
        return base
    shape = _shape(base)
    values: list[Any] = []
    is_changed = False
    for name, empty in shape.fields:
        mine = getattr(base, name)
        value = mine
        if mine is None or mine == empty:
            theirs = getattr(other, name)
            value = mine if theirs is None or theirs == empty else theirs
        elif type(mine) is Usage:
            value = fill(mine, getattr(other, name))
        is_changed = is_changed or value is not mine
        values.append(value)
    return shape.make(*values) if is_changed else base


def recorded(thing: Any) -> int:
    """How many fields of a dataclass were recorded: which of two records tells more."""
    pairs = ((getattr(thing, name), empty) for name, empty in _shape(thing).fields)
    return sum(
        recorded(value) if isinstance(value, Usage) else not (value is None or value == empty) for value, empty in pairs
    )


class _Shape(NamedTuple):
    """What is to be known of a dataclass to fill it.

    ``fields`` gives each field's name and the empty collection that is its default: that, as ``None`` does, stands for
    "not recorded".
    """

    fields: tuple[tuple[str, Any], ...]
    make: Callable[..., Any]


_shapes: dict[type, _Shape] = {}
"""Found once for each of the few dataclasses there are."""


def _shape(thing: Any) -> _Shape:
    kind = type(thing)
    if kind not in _shapes:
        fields = tuple((field.name, _empty(field)) for field in dataclasses.fields(kind))
        _shapes[kind] = _Shape(fields, constructor_of(kind))
    return _shapes[kind]


def _empty(field: dataclasses.Field[Any]) -> Any:
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return default if isinstance(default, (tuple, dict)) else _NO_DEFAULT
