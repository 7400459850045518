"""An edit of a case: from parts of the public shape to the fields that the store changes."""

from collections.abc import Mapping
from typing import Any

from exporters.dataset.case import Case
from exporters.dataset.shape import ShapeError, from_json, to_json
from exporters.dataset.vetting import vet
from exporters.review.answers import ApiError

SECTIONS = ("context", "expected", "metadata")
"""Keys that group others: each key within is a part of its own."""

EDITABLE = ("input", "context", "expected", "expectedToolCalls", "forbiddenToolCalls", "actualOutput", "metadata")
EDITABLE_METADATA = ("exampleType", "tags", "split")

SHOWN_ONLY = frozenset({"createdAt", "updatedAt", "clusterSize", "history"})
"""What ``GET`` gives beside the case: a whole answer may be sent back with one part changed."""

FIELDS = ("input", "context", "observed_output", "expectation", "kind", "tags", "split")


def changes(case: Case, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``case`` that ``parts`` change, with their new values.

    Raises:
        ApiError: a part that does not exist, cannot be changed, has another form or demands what nobody can meet.
    """
    before = to_json(case)
    try:
        after = from_json(_merged(before, parts))
        vet(after.expectation, case.expectation)
    except ShapeError as error:
        raise ApiError(400, "invalid_request", str(error)) from None
    return {name: getattr(after, name) for name in FIELDS if getattr(after, name) != getattr(case, name)}


def _merged(before: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(before)
    for name, value in parts.items():
        if name in SHOWN_ONLY:
            continue
        merged[name] = _section(name, before[name], value) if name in SECTIONS else value
        _check_fixed(name, before, merged)
    return merged


def _section(name: str, before: Mapping[str, Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ApiError(400, "invalid_request", f"{name}: must be an object")
    unknown = next((key for key in value if key not in before), None)
    if unknown is not None:
        raise ApiError(400, "invalid_request", f"{name}: its keys are {', '.join(before)}")
    return {**before, **value}


def _check_fixed(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What ties a case to its trace stays; naming it unchanged is no mistake."""
    if name not in EDITABLE and before.get(name) != after[name]:
        raise ApiError(400, "invalid_request", f"only these can be changed: {', '.join(EDITABLE)}, status")
    fixed = [k for k in before["metadata"] if k not in EDITABLE_METADATA] if name == "metadata" else []
    if any(before["metadata"][key] != after["metadata"][key] for key in fixed):
        raise ApiError(400, "invalid_request", f"metadata: only {', '.join(EDITABLE_METADATA)} can be changed")
