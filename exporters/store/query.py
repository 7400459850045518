"""What the store is asked for, a page at a time, and what comes of it. Plain data; knows no SQL."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from checks.report import Outcome
from exporters.dataset.case import CaseStatus, ExampleType

MAX_PAGE = 500
"""The most items that one page gives, whatever its query asks."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which traces to list, newest first. Parts that are set must all hold.

    ``check`` alone means "has a verdict of this check"; ``outcome`` and ``code`` then speak of that check, without
    ``check`` of any. Times are the trace's own start, ``since_ns`` inclusive, ``until_ns`` exclusive. ``text`` is
    looked for in the first characters of input and output, small and capital letters alike (SQLite: those of ASCII).
    ``min_cost`` is in dollars; a trace without a cost has none that is large enough, not even for 0.
    What no index holds is looked for in so many traces at a time (``Searched``): text, a model, a cost, a check or an
    outcome alone.
    """

    service: str | None = None
    check: str | None = None
    outcome: Outcome | None = None
    code: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    session_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    text: str | None = None
    min_cost: float | None = None
    failing_only: bool = False
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class CaseQuery:
    """Which cases to list. Parts that are set must all hold; empty ``statuses`` or ``kinds`` mean every one.

    A case has all of ``tags``, and maybe more.
    Times are the case's creation, ``since_ns`` inclusive, ``until_ns`` exclusive.
    """

    statuses: tuple[CaseStatus, ...] = ()
    kinds: tuple[ExampleType, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    service: str | None = None
    check: str | None = None
    fingerprint: str | None = None
    split: str | None = None
    tags: tuple[str, ...] = ()
    limit: int = 50
    cursor: str | None = None


class ClusterOrder(StrEnum):
    """How clusters are listed."""

    LARGEST = "largest"
    """By the number of traces; one that grows meanwhile may be on two pages."""
    NEWEST = "newest"
    """By the first trace: new kinds of failure come first."""


@dataclass(frozen=True, slots=True)
class ClusterQuery:
    """Which clusters of failing traces to list. Parts that are set must all hold; ``since_ns`` is the last trace's."""

    order: ClusterOrder = ClusterOrder.LARGEST
    since_ns: int | None = None
    service: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """How far a search went: through so many traces, back to the one that began at ``back_to_ns``.

    ``is_all``: there were no more. Else the page's ``next_cursor`` goes on from there.
    """

    traces: int
    back_to_ns: int | None = None
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. ``next_cursor`` goes into the next query's ``cursor``; ``None`` on the last page.

    ``searched`` is there where a search did not fill the page: it may be empty and not the last.
    """

    items: tuple[T, ...] = ()
    next_cursor: str | None = None
    searched: Searched | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case stands in a queue: the ids of those before and after it, and how many ``waiting`` there are."""

    previous: str | None = None
    next: str | None = None
    waiting: int = 0
