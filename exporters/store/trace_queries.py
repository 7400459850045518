"""Reading traces: the list by keyset pages, one trace whole, and what is needed to judge again."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from checks.report import Outcome
from checks.trace import CloseReason, Feedback
from exporters import codec, costs
from exporters.dataset.case import CaseStatus
from exporters.packed import PARTS
from exporters.store import cursor, outcome_sets
from exporters.store import feedback as feedback_rows
from exporters.store import keys as key_rows
from exporters.store.many import OneOf
from exporters.store.model import (
    Kept,
    StoredTrace,
    TraceSummary,
    VerdictSet,
)
from exporters.store.query import Page, Searched, TraceQuery
from exporters.store.rows import chunks
from exporters.store.tables import cases, finding_codes, payloads, traces, verdict_history
from exporters.store.traces import verdicts_of

_COLUMNS = {field.name for field in fields(TraceSummary)} & set(traces.c.keys())


_KNOWN = sa.select(traces.c.trace_id).where(OneOf(traces.c.trace_id, "ids"))
SEARCHED = 20_000
"""Traces that are looked through for what no index holds. Measured on SQLite: 40 ms of processor time."""


def page(connection: sa.Connection, query: TraceQuery) -> Page[TraceSummary]:
    """One page of traces, newest first. Raises ``BadCursor``."""
    limit = cursor.page_size(query.limit)
    sought = _sought(query)
    within = _keys(connection, query, None if sought else limit + 1)
    keys = connection.execute((_found(within, sought) if sought else within).limit(limit + 1)).all()
    shown = _summaries(connection, [number for _, number in keys[:limit]])
    if len(keys) > limit:
        return Page(shown, cursor.encode(*keys[limit - 1]))
    return _searched(connection, within, shown) if sought else Page(shown)


def _sought(query: TraceQuery) -> list[sa.ColumnElement[bool]]:
    """The conditions that no index holds."""
    conditions: list[sa.ColumnElement[bool]] = []
    if query.model is not None:
        conditions.append(traces.c.model == codec.key(query.model))
    if query.min_cost is not None:
        conditions.append(traces.c.cost >= query.min_cost)
    if query.code is None and not (query.check is not None and query.outcome is not None):
        conditions += _of_verdicts(query)
    if query.text is not None:
        text = codec.clean(query.text)
        conditions.append(sa.or_(*(c.icontains(text, autoescape=True) for c in (traces.c.input, traces.c.output))))
    return conditions


def _found(keys: sa.Select[Any], sought: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """Those of the first ``SEARCHED`` keys whose traces meet the conditions."""
    window = keys.limit(SEARCHED).subquery()
    time, identity = window.c
    joined = sa.select(time, identity).join(traces, traces.c.id == identity).where(*sought)
    return joined.order_by(time.desc(), identity.desc())


def _searched(connection: sa.Connection, keys: sa.Select[Any], shown: tuple[TraceSummary, ...]) -> Page[TraceSummary]:
    """The page of a search that did not fill it, and from where to go on."""
    window = keys.limit(SEARCHED).subquery()
    time, identity = window.c
    number = connection.execute(sa.select(sa.func.count()).select_from(window)).scalar_one()
    last = connection.execute(sa.select(time, identity).order_by(time, identity).limit(1)).first()
    if last is None:
        return Page(shown, searched=Searched(0))
    is_all = number < SEARCHED
    return Page(shown, None if is_all else cursor.encode(*last), Searched(number, last[0], is_all))


def whole(connection: sa.Connection, trace_id: str) -> StoredTrace | None:
    """One trace with all that is kept of it."""
    value = codec.key(trace_id)
    joined = sa.select(traces, payloads).join(payloads, payloads.c.trace == traces.c.id)
    row = connection.execute(joined.where(traces.c.trace_id == value)).first()
    if row is None:
        return None
    spans, logs, beside = codec.split_compressed(row.data, PARTS)
    view, paid = costs.from_part(beside)
    return StoredTrace(
        **_own_columns(row),
        **_cases_of(connection, [value]).get(value, {}),
        verdicts=codec.verdicts_from_json(row.verdicts),
        view=view,
        costs=paid,
        feedback=_all_feedback(connection, value, row.feedback),
        history=_history(connection, row.id),
        spans=spans,
        logs=logs,
    )


def known(connection: sa.Connection, trace_ids: Sequence[str]) -> set[str]:
    """Those of ``trace_ids`` that are stored."""
    return set(connection.execute(_KNOWN, {"ids": trace_ids}).scalars())


def sizes(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, int]:
    """How many bytes each of ``trace_ids`` takes, as it is stored."""
    found: dict[str, int] = {}
    for chunk in chunks(trace_ids):
        query = sa.select(traces.c.trace_id, traces.c.stored_bytes).where(traces.c.trace_id.in_(chunk))
        found.update((trace_id, size) for trace_id, size in connection.execute(query))
    return found


def kept(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, Kept]:
    """What judging these traces again needs; an id of which nothing is known is left out."""
    said = feedback_rows.of_traces(connection, trace_ids)
    found = {trace_id: Kept(feedback=items) for trace_id, items in said.items()}
    for chunk in chunks(trace_ids):
        own = (traces.c.trace_id, traces.c.span_count, traces.c.truncated, traces.c.evaluated_ns)
        joined = sa.select(*own, payloads).join(traces, traces.c.id == payloads.c.trace)
        for row in connection.execute(joined.where(traces.c.trace_id.in_(chunk))):
            found[row.trace_id] = Kept(
                data=row.data,
                span_count=row.span_count,
                verdicts=codec.verdicts_from_json(row.verdicts),
                feedback=said.get(row.trace_id, ()),
                truncated=row.truncated,
                judged_feedback=codec.feedback_from_json(row.feedback),
                evaluated_ns=row.evaluated_ns,
            )
    return found


def _keys(connection: sa.Connection, query: TraceQuery, most: int | None) -> sa.Select[Any]:
    """The sort keys of the traces that match, in order; at least the first ``most``, ``None`` is all.

    Read from the one index that is both ordered by time and narrow for the rarest condition: finding codes, then sets
    of outcomes, then the traces themselves.
    """
    if query.code is not None:
        keys = _keys_by_code(query, query.code)
    else:
        keys = sa.select(traces.c.time_ns, traces.c.id).where(*_of_trace(query))
    # Both sources name their sort key alike.
    time, identity = keys.selected_columns
    conditions = list(cursor.beyond(query.cursor, time, identity))
    if query.user_id is not None:
        conditions.append(key_rows.having(connection, "user", codec.key(query.user_id), identity))
    if query.since_ns is not None:
        conditions.append(time >= codec.clamped(query.since_ns))
    if query.until_ns is not None:
        conditions.append(time < codec.clamped(query.until_ns))
    keys = keys.where(*conditions).order_by(time.desc(), identity.desc())
    if query.code is not None or query.check is None or query.outcome is None:
        return keys
    # A user and a session have few traces, of whatever outcome.
    is_narrow = query.user_id is not None or query.session_id is not None
    sets = outcome_sets.having(query.check, query.outcome)
    return outcome_sets.first_of(connection, keys, sets, None if is_narrow else most)


def _keys_by_code(query: TraceQuery, code: str) -> sa.Select[Any]:
    source = finding_codes
    keys = sa.select(source.c.time_ns, source.c.trace).where(source.c.code == codec.key(code))
    if query.check is not None:
        keys = keys.where(source.c.check_name == codec.key(query.check))
    conditions = _of_trace(query)
    if query.outcome is not None:
        conditions += _of_verdicts(query)
    if conditions:
        keys = keys.join(traces, traces.c.id == source.c.trace).where(*conditions)
    # Two checks may use one code.
    return keys.group_by(source.c.time_ns, source.c.trace)


def _of_trace(query: TraceQuery) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if query.service is not None:
        conditions.append(traces.c.service == codec.key(query.service))
    if query.session_id is not None:
        conditions.append(traces.c.session_id == codec.key(query.session_id))
    if query.failing_only or _is_failing(query):
        conditions.append(traces.c.failing == sa.true())
    return conditions


def _is_failing(query: TraceQuery) -> bool:
    """Whether the query asks for traces on which any check failed: for these there is an index."""
    return query.check is None and query.code is None and query.outcome is Outcome.FAILED


def _of_verdicts(query: TraceQuery) -> list[sa.ColumnElement[bool]]:
    """That the trace has a verdict of this check, with this outcome."""
    if (query.check is None and query.outcome is None) or _is_failing(query):
        return []
    return [traces.c.outcome_set.in_(outcome_sets.having(query.check, query.outcome))]


def _summaries(connection: sa.Connection, numbers: Sequence[int]) -> tuple[TraceSummary, ...]:
    rows = connection.execute(sa.select(traces).where(traces.c.id.in_(numbers))).all()
    judged = verdicts_of(connection, numbers)
    reviewed = _cases_of(connection, [row.trace_id for row in rows])
    made = {
        row.id: TraceSummary(**_own_columns(row), verdicts=judged.get(row.id, ()), **reviewed.get(row.trace_id, {}))
        for row in rows
    }
    return tuple(made[number] for number in numbers)


def _own_columns(row: Any) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in _COLUMNS}, "closed_by": CloseReason(row.closed_by)}


def _cases_of(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    query = sa.select(cases.c.trace_id, cases.c.id, cases.c.status).where(cases.c.trace_id.in_(trace_ids))
    found: dict[str, dict[str, Any]] = {}
    for trace_id, identity, status in connection.execute(query.order_by(cases.c.created_ns, cases.c.id)):
        found.setdefault(trace_id, {"case_id": identity, "case_status": CaseStatus(status)})
    return found


def _all_feedback(connection: sa.Connection, trace_id: str, judged_with: str) -> tuple[Feedback, ...]:
    """What stood in the telemetry and what came beside it; what the verdicts know of the latter is not repeated."""
    known_already = codec.feedback_from_json(judged_with)
    beside = feedback_rows.of_traces(connection, [trace_id]).get(trace_id, ())
    every = (*known_already, *(said for said in beside if said not in known_already))
    return tuple(sorted(every, key=lambda said: said.time_ns))


def _history(connection: sa.Connection, number: int) -> tuple[VerdictSet, ...]:
    own = sa.select(verdict_history).where(verdict_history.c.trace == number)
    return tuple(
        VerdictSet(row.evaluated_ns, row.replaced_ns, codec.verdicts_from_json(row.verdicts))
        for row in connection.execute(own.order_by(verdict_history.c.revision.desc()))
    )
