"""What the pages are made of: the store and all else that the composition root gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exporters.dataset.case import Case
from exporters.review.admission import AdmitCase
from exporters.store import Store

DraftCase = Callable[[str], Case | None]
"""The case that a stored trace makes, by its id; ``None`` where it makes none. May raise ``RedactionFailed``."""
Problems = Callable[[], Sequence[str]]
"""What is wrong with the sidecar now, a sentence each: the same that ``/healthz`` says."""


@dataclass(frozen=True, slots=True)
class Site:
    """What pages are given.

    ``now`` gives nanoseconds since the epoch, ``trace_url`` is the link template of the tracing backend. A ``None``:
    the page does without.
    """

    store: Store
    now: Callable[[], int]
    trace_url: str | None = None
    draft_case: DraftCase | None = None
    problems: Problems | None = None
    admit_case: AdmitCase | None = None
