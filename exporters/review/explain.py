"""``GET /api/explain/{trace_id}``: why there is or is no verdict. Owns the form; who knows the answer is passed in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import APIRouter

from exporters.review.answers import SafeJson
from exporters.review.present import moment
from exporters.review.schemas import TraceId

NONE = "none"
"""The outcome where there is no verdict."""


class TraceState(StrEnum):
    """Where a trace is."""

    OPEN = "open"
    """Spans or feedback came, and it is not closed yet; it may have been judged before."""
    BEING_JUDGED = "being_judged"
    STORED = "stored"
    QUARANTINED = "quarantined"
    """Stored, and the reason why some check has no verdict is in the quarantine."""
    DROPPED = "dropped"
    FORGOTTEN = "forgotten"
    UNKNOWN = "unknown"
    """Never seen, or past retention."""


@dataclass(frozen=True, slots=True)
class CheckExplanation:
    """Why one check has its outcome; ``outcome`` is one of ``checks.report.Outcome`` or ``none``."""

    check: str
    outcome: str
    reason: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a trace is, why, since when (nanoseconds since the epoch, where known), and what every check says of it."""

    trace_id: str
    state: TraceState
    reason: str | None
    sentence: str
    since_ns: int | None = None
    checks: tuple[CheckExplanation, ...] = ()


Explain = Callable[[str], Awaitable[Explanation]]
"""Explains the trace with this id, 32 hexadecimal digits in small letters."""


def explanation_routes(explain: Explain) -> APIRouter:
    """The routes that answer why."""
    router = APIRouter(default_response_class=SafeJson, tags=["explain"])

    @router.get("/api/explain/{trace_id}")
    async def explain_trace(trace_id: TraceId) -> SafeJson:
        """Where the trace is, and for every check why it has or has no verdict."""
        return SafeJson(shown(await explain(trace_id.lower())))

    return router


def shown(explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON-able data."""
    since = explanation.since_ns
    return {
        "traceId": explanation.trace_id,
        "state": explanation.state.value,
        "reason": explanation.reason,
        "sentence": explanation.sentence,
        "since": None if since is None else moment(since),
        "checks": [
            {"check": one.check, "outcome": one.outcome, "reason": one.reason, "sentence": one.sentence}
            for one in explanation.checks
        ],
    }
