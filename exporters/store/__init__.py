"""What sidecheck remembers: traces, verdicts, feedback and cases in a SQL database."""

from exporters.store.cases import NO_PAST, Past
from exporters.store.datasets import Datasets
from exporters.store.errors import (
    BadCursor,
    Conflict,
    NotFound,
    StoreContended,
    StoreError,
    StoreUnavailable,
    TraceForgotten,
    Unchanged,
)
from exporters.store.figures import Figures, Rate
from exporters.store.imports import Fate, Seen
from exporters.store.model import (
    CaseChange,
    CaseLimits,
    Claimed,
    Cluster,
    Counts,
    ForgetTarget,
    Forgotten,
    Kept,
    Lost,
    Opened,
    Removed,
    SaveResult,
    StoredCase,
    StoredTrace,
    TraceSummary,
    VerdictSet,
)
from exporters.store.query import (
    CaseQuery,
    ClusterOrder,
    ClusterQuery,
    Page,
    Place,
    Searched,
    TraceQuery,
)
from exporters.store.spending import DAY_NS
from exporters.store.store import Store

__all__ = [
    "DAY_NS",
    "NO_PAST",
    "BadCursor",
    "CaseChange",
    "CaseLimits",
    "CaseQuery",
    "Claimed",
    "Cluster",
    "ClusterOrder",
    "ClusterQuery",
    "Conflict",
    "Counts",
    "Datasets",
    "Fate",
    "Figures",
    "ForgetTarget",
    "Forgotten",
    "Kept",
    "Lost",
    "NotFound",
    "Opened",
    "Page",
    "Past",
    "Place",
    "Rate",
    "Removed",
    "SaveResult",
    "Searched",
    "Seen",
    "Store",
    "StoreContended",
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
