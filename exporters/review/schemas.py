"""What the API takes: ids, filters and bodies, each refused with the rule it breaks."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from checks.duration import parse_duration
from checks.report import Outcome
from exporters.dataset.case import CaseStatus, ExampleType
from exporters.review.admission import Reviewer
from exporters.review.answers import ApiError
from exporters.store import CaseQuery, ClusterOrder, ClusterQuery, TraceQuery

NOBODY = "anonymous"
"""Who acted where the request does not say: there are no accounts."""

TraceId = Annotated[str, Path(pattern="^[0-9a-fA-F]{32}$", description="32 hexadecimal digits")]
CaseId = Annotated[str, Path(min_length=1, max_length=256)]
Name = Annotated[str | None, Query(max_length=256)]
Time = Annotated[
    str | None,
    Query(max_length=64, description="a time in RFC 3339, a date, or how long ago: `15m`, `24h`, `7d`"),
]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=1024, description="`nextCursor` of the page before")]

MinCost = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | None,
    BeforeValidator(lambda value: value or None),
    Query(description="dollars, of all model calls that have a price"),
]

_DATE_LIKE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Decision(BaseModel):
    """Who decided, and why. Both may be left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    who: str = Field(NOBODY, min_length=1, max_length=200)
    why: str = Field("", max_length=2000)
    revision: int | None = Field(None, ge=0, lt=2**31, description="refuse with 409 if the case is at another revision")

    @property
    def reviewer(self) -> Reviewer:
        """Who acts."""
        return Reviewer(self.who, self.why, self.revision)


class Undo(Decision):
    """Who takes the last change back, and whether what must not be in the dataset is replaced by that."""

    redact: bool = Field(default=False, description="replace personal data and secrets that would come back")


class CaseEdit(Decision):
    """Changes to a case: any part of its public shape. A part that is named is replaced whole, others stay."""

    model_config = ConfigDict(extra="allow")

    status: CaseStatus | None = None
    redact: bool = Field(default=False, description="replace personal data and secrets that the case would hold")

    @property
    def parts(self) -> dict[str, Any]:
        """The parts of the public shape that the request names."""
        return dict(self.model_extra or {})


class CaseTrial(BaseModel):
    """An edit to try: any part of the case's public shape; and an ``output`` that ought to pass."""

    model_config = ConfigDict(extra="allow")

    output: str | None = None

    @property
    def parts(self) -> dict[str, Any]:
        """The parts of the public shape that the request names."""
        return dict(self.model_extra or {})


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """The query of ``GET /api/traces`` and of the list for people: a form sends its empty fields, too."""

    service: Name = None
    check: Name = None
    outcome: Annotated[Outcome | None, BeforeValidator(lambda value: value or None)] = None
    code: Name = None
    session: Name = None
    user: Name = None
    model: Name = None
    min_cost: MinCost = None
    q: Annotated[Name, Query(description="text to look for in the first 200 characters of input and output")] = None
    since: Time = None
    until: Time = None
    failing: bool = False
    limit: Limit = 50
    cursor: Cursor = None

    def query(self, now_ns: int) -> TraceQuery:
        """The store's query. Raises ``ApiError`` for a time that is none."""
        return TraceQuery(
            service=self.service or None,
            check=self.check or None,
            outcome=self.outcome,
            code=self.code or None,
            session_id=self.session or None,
            user_id=self.user or None,
            model=self.model or None,
            min_cost=self.min_cost,
            text=self.q or None,
            since_ns=parse_time("since", self.since, now_ns),
            until_ns=parse_time("until", self.until, now_ns),
            failing_only=self.failing,
            limit=self.limit,
            cursor=self.cursor,
        )


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """The query of ``GET /api/cases``."""

    status: Annotated[tuple[CaseStatus, ...], Query()] = ()
    kind: Annotated[tuple[ExampleType, ...], Query()] = ()
    service: Name = None
    check: Name = None
    fingerprint: Name = None
    split: Name = None
    tag: Annotated[tuple[Annotated[str, Query(max_length=256)], ...], Query()] = ()
    since: Time = None
    until: Time = None
    limit: Limit = 50
    cursor: Cursor = None

    def query(self, now_ns: int) -> CaseQuery:
        """The store's query. Raises ``ApiError`` for a time that is none."""
        return CaseQuery(
            statuses=tuple(self.status),
            kinds=tuple(self.kind),
            since_ns=parse_time("since", self.since, now_ns),
            until_ns=parse_time("until", self.until, now_ns),
            service=self.service,
            check=self.check,
            fingerprint=self.fingerprint,
            split=self.split,
            tags=tuple(self.tag),
            limit=self.limit,
            cursor=self.cursor,
        )


@dataclass(frozen=True, slots=True)
class ClusterFilter:
    """The query of ``GET /api/clusters``."""

    order: ClusterOrder = ClusterOrder.LARGEST
    service: Name = None
    since: Time = None
    limit: Limit = 50
    cursor: Cursor = None

    def query(self, now_ns: int) -> ClusterQuery:
        """The store's query. Raises ``ApiError`` for a time that is none."""
        return ClusterQuery(
            order=self.order,
            since_ns=parse_time("since", self.since, now_ns),
            service=self.service,
            limit=self.limit,
            cursor=self.cursor,
        )


def parse_time(name: str, text: str | None, now_ns: int) -> int | None:
    """Nanoseconds since the epoch: of a time, of a date's first moment in UTC, or so long before ``now_ns``.

    Raises:
        ApiError: it is none of these; the message names the parameter.
    """
    if text is None or not text.strip():
        return None
    try:
        return _since_epoch(text) if _DATE_LIKE.match(text) else now_ns - parse_duration(text)
    except (ValueError, OverflowError):
        rule = "must be a time (2026-11-23T10:00:00Z), a date (2026-11-23) or how long ago (15m, 24h, 7d)"
        raise ApiError(400, "invalid_request", f"{name}: {rule}") from None


def _since_epoch(text: str) -> int:
    # In a query string "+02:00" is read as " 02:00" where the plus was not escaped.
    given = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    since = (given if given.tzinfo else given.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
