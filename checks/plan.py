"""A planned check: a check with its options set, and the rules of when it runs. What a configuration becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.check import Check
from checks.duration import SECOND
from checks.selection import Selection


@dataclass(frozen=True, slots=True)
class PlannedCheck:
    """One entry of ``checks:`` in the configuration, ready to run.

    ``name`` is the entry's key: it names the verdicts, and may differ from ``check.info.name`` where one check runs
    twice with different options. ``options`` are the check's own options as they were written, without the common keys.
    ``promote`` says whether a failure of this check alone makes a trace a case.
    """

    name: str
    check: Check
    selection: Selection = field(default_factory=Selection)
    promote: bool = True
    deadline_ns: int = SECOND
    options: Mapping[str, Any] = field(default_factory=dict)
