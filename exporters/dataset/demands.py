"""What a check itself says must hold next time (its method ``expects``), taken into a case's expectation."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from checks.finding import Finding
from checks.interaction import Interaction
from exporters.dataset.case import Expectation
from exporters.dataset.plain import plain
from exporters.dataset.shape import ShapeError, expectation_from_json

TOOLS = ("expectedToolCalls", "forbiddenToolCalls")
KEYS = (
    *("answer", "value", "mustMention", "mustNotMention", "jsonSchema", "relevantDocuments", "maxLatencyMs", "rubric"),
    *TOOLS,
)
"""What a check may name: keys of the public shape of a case."""

NONE = Expectation()


class BrokenDemand(Exception):
    """A check's ``expects`` raised, or gave what is no demand. The text holds nothing that was captured."""


def demands_of(check: object, interaction: Interaction, findings: tuple[Finding, ...]) -> Expectation:
    """What the check demands (``checks.check.Expecting``); nothing where it has no ``expects``.

    Raises:
        BrokenDemand: see there.
    """
    expects = getattr(check, "expects", None)
    if not callable(expects):
        return NONE
    try:
        return _read(plain(expects(interaction, findings)))
    except ShapeError as error:
        raise BrokenDemand(str(error)) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a user's code; a deadline is neither and passes
        raise BrokenDemand(type(error).__name__) from None


def joined(one: Expectation, other: Expectation) -> Expectation:
    """Both demands as one: lists and rubrics are joined, the shorter time counts, else ``other``'s where it has one."""
    if other is NONE:
        return one
    return replace(one, **{field.name: _joined(field.name, one, other) for field in fields(one)})


def _joined(name: str, one: Expectation, other: Expectation) -> Any:
    first, second = getattr(one, name), getattr(other, name)
    if name == "checks":
        return {**first, **second}
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, tuple):
        return (*first, *(item for item in second if item not in first))
    if name == "rubric":
        return first if first == second else f"{first}\n{second}"
    return min(first, second) if name == "max_latency_ms" else second


def _read(demanded: Any) -> Expectation:
    if not isinstance(demanded, Mapping):
        raise ShapeError("expects", "must give a mapping")
    unknown = sorted(set(demanded) - set(KEYS))
    if unknown:
        raise ShapeError("expects", f"knows {', '.join(KEYS)} and nothing else")
    tools = {key: demanded[key] for key in TOOLS if key in demanded}
    expected = {key: value for key, value in demanded.items() if key not in TOOLS}
    return expectation_from_json({"expected": expected, **tools})
