"""What sidecheck remembers: traces, verdicts, feedback and cases in a SQL database."""

from exporters.store.datasets import Datasets
from exporters.store.errors import (
    BadCursor,
    Conflict,
    NotFound,
    StoreError,
    StoreUnavailable,
    TraceForgotten,
    Unchanged,
)
from exporters.store.imports import Fate
from exporters.store.model import (
    CaseChange,
    CaseLimits,
    CaseQuery,
    Claimed,
    Counts,
    ForgetTarget,
    Forgotten,
    Kept,
    Lost,
    Page,
    Removed,
    SaveResult,
    StoredCase,
    StoredTrace,
    TraceQuery,
    TraceSummary,
    VerdictSet,
)
from exporters.store.store import Store

__all__ = [
    "BadCursor",
    "CaseChange",
    "CaseLimits",
    "CaseQuery",
    "Claimed",
    "Conflict",
    "Counts",
    "Datasets",
    "Fate",
    "ForgetTarget",
    "Forgotten",
    "Kept",
    "Lost",
    "NotFound",
    "Page",
    "Removed",
    "SaveResult",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "StoredCase",
    "StoredTrace",
    "TraceForgotten",
    "TraceQuery",
    "TraceSummary",
    "Unchanged",
    "VerdictSet",
]
