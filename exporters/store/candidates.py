"""What an evaluation does to cases: make candidates within limits, refresh and withdraw them.

A case that a person touched is never changed here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from checks.report import Outcome, Verdict
from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.packed import Packed
from exporters.store import cases as case_rows
from exporters.store.many import OneOf
from exporters.store.model import CaseLimits
from exporters.store.tables import case_checks, cases
from exporters.store.traces import Prior

DAY_NS = 86_400_000_000_000
DISCONTENT = frozenset({"thumbs_down", "low_score"})
"""The finding codes by which the check ``user_feedback`` says that a user was not content."""
TURNED = "feedback_flipped"
"""The tag of a case, and the action in its history, when that user's feedback turned after a person took the case."""


@dataclass(slots=True)
class Outcomes:
    """What became of the cases in one save. ``statuses`` has the status of each saved trace's case.

    ``undrafted`` are traces that need the case that was not drafted. ``places`` tells, by the family of new cases,
    whether there was a place for the last of them.
    """

    created: int = 0
    suppressed: int = 0
    withdrawn: int = 0
    statuses: dict[str, CaseStatus] = field(default_factory=dict)
    undrafted: list[str] = field(default_factory=list)
    places: dict[str, bool] = field(default_factory=dict)


def settle(
    connection: sa.Connection,
    records: Sequence[Packed],
    prior: Mapping[str, Prior],
    status: CaseStatus,
    limits: CaseLimits,
    now_ns: int,
) -> Outcomes:
    """Bring the cases of the saved traces in line with their verdicts. The caller holds ``Lock.CASES``."""
    existing = case_rows.of_traces(connection, [record.trace_id for record in records])
    outcomes = Outcomes()
    wanted = sorted({record.fingerprint for record in records if record.fingerprint is not None})
    places = _Places(connection, wanted, limits, now_ns)
    # The oldest first, so that a cluster's candidates are the first that failed in this way.
    for record in sorted(records, key=lambda record: (record.start_ns, record.trace_id)):
        row = existing.get(record.trace_id)
        if row is not None:
            outcomes.statuses[record.trace_id] = _judged_again(connection, row, record, status, outcomes, now_ns)
            after = codec.verdicts_from_json(record.verdicts)
            _mark_turned(connection, row, prior[record.trace_id].verdicts, after, now_ns)
            outcomes.withdrawn += _was_withdrawn(row, outcomes.statuses[record.trace_id])
        elif record.fingerprint is not None:
            _judged_first(connection, record, status, places, outcomes, now_ns)
    return outcomes


class _Places:
    """How many cases may still be made."""

    def __init__(self, connection: sa.Connection, wanted: Sequence[str], limits: CaseLimits, now_ns: int) -> None:
        self._connection = connection
        self._limits = limits
        self._now_ns = now_ns
        self._in_cluster = _cases_by_cluster(connection, wanted)

    def take(self, fingerprint: str, *, failing: bool) -> bool:
        """Take the place for one case; false where there is none."""
        if self._in_cluster[fingerprint] >= self._limits.per_cluster or self._is_full(failing=failing):
            return False
        self._today[failing] += 1
        self._in_cluster[fingerprint] += 1
        return True

    @cached_property
    def _today(self) -> dict[bool, int]:
        """Looked up once a cluster has room: mostly none has."""
        return _made_today(self._connection, self._now_ns)

    def _is_full(self, *, failing: bool) -> bool:
        most = self._limits.per_day
        # Most traces pass, and would take all of the day's places.
        return sum(self._today.values()) >= most or not (failing or self._today[False] < most // 2)


def _judged_first(
    connection: sa.Connection, record: Packed, status: CaseStatus, places: _Places, outcomes: Outcomes, now_ns: int
) -> None:
    has_place = places.take(record.fingerprint or "", failing=record.is_failing)
    if record.likeness is not None:
        outcomes.places[record.likeness.family] = has_place
    if not has_place:
        outcomes.suppressed += 1
    elif record.case is None:
        outcomes.undrafted.append(record.trace_id)
    else:
        case_rows.insert(connection, record.case, status, now_ns, automatic=True)
        outcomes.created += 1
        outcomes.statuses[record.trace_id] = status


def _judged_again(
    connection: sa.Connection, row: Any, record: Packed, status: CaseStatus, outcomes: Outcomes, now_ns: int
) -> CaseStatus:
    """Change an untouched candidate after its trace was judged again. Returns the status it has then."""
    old, case = CaseStatus(row.status), record.case
    if _is_a_persons(row):
        return old
    if record.is_outline:  # its trace had been removed, and came once more
        outcomes.undrafted.append(record.trace_id)
        return old
    if case is None:
        new, body = CaseStatus.WITHDRAWN, codec.case_from_json(row.body)
        why = "its trace was judged again and no longer makes a case"
    else:
        new, body = (status if old is CaseStatus.WITHDRAWN else old), replace(case, id=row.id)
        why = f"its trace was judged again and {'fails' if case.source.failed_checks else 'passes'}"
    if new is not old or codec.case_to_json(body) != row.body:
        by = case_rows.Change(case_rows.SIDECHECK, why, now_ns, automatic=True)
        case_rows.change(connection, row, body, new, by, "refreshed" if new is old else new.value)
    return new


def _mark_turned(
    connection: sa.Connection, row: Any, before: Sequence[Verdict], after: Sequence[Verdict], now_ns: int
) -> None:
    """Tell whoever took a case because of a user's feedback that the user thinks otherwise now, or once more."""
    if not _is_a_persons(row) or row.status == CaseStatus.DISMISSED.value:
        return
    case = codec.case_from_json(row.body)
    was, stays = ({v.check for v in verdicts if _is_discontent(v)} for verdicts in (before, after))
    turned = bool((was - stays) & set(case.source.failed_checks)) and not stays
    if turned and TURNED not in case.tags:
        tags, why = (*case.tags, TURNED), "the user who was not content is so now"
    elif stays - was and TURNED in case.tags:
        tags, why = tuple(tag for tag in case.tags if tag != TURNED), "the user is not content once more"
    else:
        return
    by = case_rows.Change(case_rows.SIDECHECK, why, now_ns, automatic=True)
    case_rows.change(connection, row, replace(case, tags=tags), CaseStatus(row.status), by, TURNED)


def _is_a_persons(row: Any) -> bool:
    """Whether a case is no longer an evaluation's to change: a person decided on it or edited it."""
    return bool(row.touched) or CaseStatus(row.status) in case_rows.REVIEWED


def _is_discontent(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.FAILED and any(finding.code in DISCONTENT for finding in verdict.findings)


def _was_withdrawn(row: Any, status: CaseStatus) -> bool:
    return status is CaseStatus.WITHDRAWN and row.status != status.value


_IN_CLUSTERS = (
    sa.select(cases.c.fingerprint, sa.func.count())
    .where(OneOf(cases.c.fingerprint, "wanted"), cases.c.status != CaseStatus.WITHDRAWN.value)
    .group_by(cases.c.fingerprint)
)


def _cases_by_cluster(connection: sa.Connection, fingerprints: Sequence[str]) -> Counter[str]:
    found = connection.execute(_IN_CLUSTERS, {"wanted": fingerprints}).all() if fingerprints else ()
    return Counter(dict(map(tuple, found)))


def _made_today(connection: sa.Connection, now_ns: int) -> dict[bool, int]:
    """The cases that were made on this day, of failing traces and of others."""
    midnight = now_ns - now_ns % DAY_NS
    made = connection.execute(_MADE, {"midnight": midnight, "next": midnight + DAY_NS})
    return {True: 0, False: 0} | {bool(of_failing): number for of_failing, number in made}


_OF_FAILING = sa.select(case_checks.c.case_id).where(case_checks.c.case_id == cases.c.id).exists()
_MADE = (
    sa.select(_OF_FAILING.label("failing"), sa.func.count())
    .where(cases.c.created_ns >= sa.bindparam("midnight"), cases.c.created_ns < sa.bindparam("next"))
    .where(cases.c.automatic)
    .group_by("failing")
)
