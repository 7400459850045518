"""What differs between two sets of cases, and within a case, as text that a person reads. Pure.

Texts are compared line by line, everything else as indented JSON. What is too long to be compared within reasonable
time is told by its length.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_LINES = 2_000
"""Lines of a field on either side; ``difflib`` takes seconds for ten times as many that differ."""
MOST_CHARACTERS = 200_000
CONTEXT = 2
"""Lines around a change."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The ids of the cases that only the second set has, that only the first one has, and that differ. Each sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a case that changed: its path in the public shape, and the lines of a unified diff, without a head."""

    path: str
    diff: tuple[str, ...]


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    """Compare two sets of cases, each the hash of its line by its id."""
    both = before.keys() & after.keys()
    return Difference(
        added=tuple(sorted(after.keys() - both)),
        removed=tuple(sorted(before.keys() - both)),
        changed=tuple(sorted(case_id for case_id in both if before[case_id] != after[case_id])),
    )


def changes(before: bytes, after: bytes) -> tuple[FieldChange, ...]:
    """What differs between two lines of ``cases.jsonl``, field by field, in their order."""
    old, new = dict(_fields(json.loads(before))), dict(_fields(json.loads(after)))
    paths = [*old, *(path for path in new if path not in old)]
    return tuple(
        FieldChange(path, _unified(old.get(path), new.get(path))) for path in paths if old.get(path) != new.get(path)
    )


def _fields(case: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of the public shape; those of its sections each for itself."""
    for name, value in case.items():
        if name in ("context", "expected", "metadata") and isinstance(value, dict):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _unified(before: Any, after: Any) -> tuple[str, ...]:
    old, new = _text(before), _text(after)
    if max(len(old), len(new)) > MOST_CHARACTERS or max(old.count("\n"), new.count("\n")) > MOST_LINES:
        return (f"-({len(old)} characters)", f"+({len(new)} characters)")
    found = difflib.unified_diff(_lines(old), _lines(new), n=CONTEXT, lineterm="")
    return tuple(found)[2:]  # without the names of files


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []
