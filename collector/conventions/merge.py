"""Two records of one thing made one: what the first did not record is taken from the second."""

import dataclasses
from typing import Any, TypeVar

from checks.interaction import Usage

Recorded = TypeVar("Recorded")


def fill(base: Recorded, other: Recorded) -> Recorded:
    """``base`` with every field that it did not record taken from ``other``.

    Both are dataclasses of the same type. Token counts are filled one by one.
    """
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(base):  # type: ignore[arg-type]  # Recorded is a dataclass by contract
        mine, theirs = getattr(base, field.name), getattr(other, field.name)
        if isinstance(mine, Usage):
            changes[field.name] = fill(mine, theirs)
        elif _is_unrecorded(mine, field) and not _is_unrecorded(theirs, field):
            changes[field.name] = theirs
    return dataclasses.replace(base, **changes) if changes else base  # type: ignore[type-var]  # as above


def recorded(thing: Any) -> int:
    """How many fields of a dataclass were recorded: which of two records tells more."""
    pairs = ((getattr(thing, field.name), field) for field in dataclasses.fields(thing))
    return sum(
        recorded(value) if isinstance(value, Usage) else not _is_unrecorded(value, field) for value, field in pairs
    )


def _is_unrecorded(value: Any, field: dataclasses.Field[Any]) -> bool:
    """Whether a field holds what stands for "not recorded": ``None``, or an empty collection that is its default."""
    if value is None:
        return True
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return isinstance(default, (tuple, dict)) and value == default
