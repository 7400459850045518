"""What a check found, and where. Points at the text by offsets and never copies it: a finding may leave the process."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is. Only ``ERROR`` fails the check; a ``WARNING`` is shown and counted."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in a captured text: ``path`` as in ``Interaction.texts``, ``start`` and ``end`` in code points.

    ``start`` and ``end`` are ``None`` where the whole of ``path``, or the span itself, is meant.
    """

    span_id: str | None = None
    path: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``code`` comes from the check's closed set, ``message`` holds no captured text."""

    code: str
    message: str
    severity: Severity = Severity.ERROR
    evidence: tuple[Evidence, ...] = ()
