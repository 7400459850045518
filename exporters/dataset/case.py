"""A case: one regression test made of a production trace. Data and its public JSON shape; no I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any


class ExampleType(StrEnum):
    """What kind of example a case is."""

    TYPICAL = "typical"
    EDGE = "edge"
    ADVERSARIAL = "adversarial"
    HISTORICAL_FAILURE = "historical_failure"
    MISSING_DATA = "missing_data"


class CaseStatus(StrEnum):
    """Where a case stands. A label on ``/metrics``."""

    CANDIDATE = "candidate"
    """Made of a failing trace, seen by nobody yet."""
    PROMOTED = "promoted"
    """Taken into the dataset."""
    DISMISSED = "dismissed"
    """Set aside by a person."""
    WITHDRAWN = "withdrawn"
    """A candidate whose trace was judged again and no longer fails."""


class NewStatus(StrEnum):
    """Where an imported case may stand: before a reviewer, or in the dataset at once."""

    CANDIDATE = "candidate"
    PROMOTED = "promoted"


class OnConflict(StrEnum):
    """What becomes of a case that is there already and differs from the imported one."""

    REPLACE = "replace"
    KEEP = "keep"


class _AtOnce:
    """Pickled by all values at once: the usual way takes them, and puts them back, one by one in Python."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _values_of(type(self))(self)  # type: ignore[arg-type]  # every class can be hashed


@cache
def _values_of(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*[field.name for field in fields(kind)])


@dataclass(frozen=True, slots=True)
class Expectation(_AtOnce):
    """What must hold when the case is run again. ``checks`` maps a check's name to its version and options.

    ``answer`` is a reference answer in words, ``value`` the very JSON value that must come (``None``: no demand).
    ``relevant_documents`` name documents, one of which must be cited where ``checks`` has ``citations``.
    ``max_latency_ms`` is for the whole answer, in milliseconds. ``rubric`` is for a person or a judge model.
    """

    answer: str | None = None
    value: Any = None
    must_mention: tuple[str, ...] = ()
    must_not_mention: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    relevant_documents: tuple[str, ...] = ()
    max_latency_ms: int | None = None
    rubric: str | None = None
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    expected_tool_calls: tuple[Mapping[str, Any], ...] = ()
    forbidden_tool_calls: tuple[str, ...] = ()

    @property
    def must_cite(self) -> bool:
        """Whether one of the relevant documents must be cited: there are some, and the check ``citations`` failed."""
        asked = any(name == "citations" or how.get("use") == "citations" for name, how in self.checks.items())
        return asked and any(self.relevant_documents)


@dataclass(frozen=True, slots=True)
class Context(_AtOnce):
    """What the app knew when it answered: retrieved documents, earlier messages, system prompt, tool definitions."""

    documents: tuple[Mapping[str, Any], ...] = ()
    messages: tuple[Mapping[str, Any], ...] = ()
    system: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Source(_AtOnce):
    """The trace a case came from."""

    trace_id: str
    service: str
    model: str | None = None
    failed_checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case(_AtOnce):
    """One test case. ``id`` is stable for its trace, ``fingerprint`` the same for repetitions of one failure."""

    id: str
    fingerprint: str
    source: Source
    input: str | None
    context: Context
    observed_output: str | None
    expectation: Expectation
    kind: ExampleType = ExampleType.HISTORICAL_FAILURE
    tags: tuple[str, ...] = ()
    split: str | None = None
    """The part of the dataset that the case belongs to, as ``train`` or ``test``; ``None``: none was chosen."""
    reviewed_by: str | None = None
    redacted: tuple[str, ...] | None = ()
    """The kinds of data that were replaced, each once, sorted; ``None``: none was looked for, the texts are raw."""
