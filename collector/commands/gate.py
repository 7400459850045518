"""What a case that a person brings has to pass on its way into the dataset, as one from a trace does: redaction."""

import threading
from functools import cache

from exporters.dataset.case import Case
from exporters.dataset.intake import Gate
from exporters.dataset.redact import Redactor

_turn = threading.Lock()
"""The engine is made once, and used by one thread at a time."""


def gate_of(*, redacts: bool) -> Gate | None:
    """The gate; ``None`` where personal data is not looked for. What it needs is loaded with the first case."""
    return _redacted if redacts else None


def _redacted(case: Case) -> Case:
    with _turn:
        return _redactor()(case)


@cache
def _redactor() -> Redactor:
    from checks.builtin.pii.engine import PiiEngine  # takes a second and 100 MB

    engine = PiiEngine()
    engine.load()
    return Redactor(engine.find)
