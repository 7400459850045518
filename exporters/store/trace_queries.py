"""Reading traces: the list by keyset pages, one trace whole, and what is needed to judge again."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from checks.report import Outcome
from checks.trace import CloseReason, Feedback
from exporters.dataset.case import CaseStatus
from exporters.store import codec, cursor
from exporters.store import feedback as feedback_rows
from exporters.store.engine import chunks
from exporters.store.model import Kept, Page, StoredTrace, TraceQuery, TraceSummary, VerdictSet
from exporters.store.tables import cases, finding_codes, payloads, traces, verdict_history, verdicts
from exporters.store.traces import verdicts_of

_COLUMNS = {field.name for field in fields(TraceSummary)} & set(traces.c.keys())
_JUDGEABLE = (payloads.c.trace_id, payloads.c.spans, payloads.c.logs, payloads.c.feedback)
"""Without the view, which judging makes anew."""


def page(connection: sa.Connection, query: TraceQuery) -> Page[TraceSummary]:
    """One page of traces, newest first. Raises ``BadCursor``."""
    limit = cursor.page_size(query.limit)
    keys = connection.execute(_keys(query).limit(limit + 1)).all()
    shown = [trace_id for _, trace_id in keys[:limit]]
    more = cursor.encode(*keys[limit - 1]) if len(keys) > limit else None
    return Page(_summaries(connection, shown), more)


def whole(connection: sa.Connection, trace_id: str) -> StoredTrace | None:
    """One trace with all that is kept of it."""
    value = codec.key(trace_id)
    joined = sa.select(traces, payloads).join(payloads, payloads.c.trace_id == traces.c.trace_id)
    row = connection.execute(joined.where(traces.c.trace_id == value)).first()
    if row is None:
        return None
    return StoredTrace(
        **_summary(connection, row),
        view=codec.unpacked(row.view),
        feedback=_all_feedback(connection, value, row.feedback),
        history=_history(connection, value),
        spans=row.spans,
        logs=row.logs,
    )


def known(connection: sa.Connection, trace_ids: Sequence[str]) -> set[str]:
    """Those of ``trace_ids`` that are stored."""
    found: set[str] = set()
    for chunk in chunks(trace_ids):
        found.update(connection.execute(sa.select(traces.c.trace_id).where(traces.c.trace_id.in_(chunk))).scalars())
    return found


def kept(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, Kept]:
    """What judging these traces again needs; an id of which nothing is known is left out."""
    said = feedback_rows.of_traces(connection, trace_ids)
    judged = verdicts_of(connection, trace_ids)
    found = {trace_id: Kept(feedback=items) for trace_id, items in said.items()}
    for chunk in chunks(trace_ids):
        query = (
            sa.select(*_JUDGEABLE, traces.c.truncated, traces.c.evaluated_ns)
            .join(traces, traces.c.trace_id == payloads.c.trace_id)
            .where(payloads.c.trace_id.in_(chunk))
        )
        for row in connection.execute(query):
            found[row.trace_id] = Kept(
                spans=row.spans,
                logs=row.logs,
                verdicts=judged.get(row.trace_id, ()),
                feedback=said.get(row.trace_id, ()),
                truncated=row.truncated,
                judged_feedback=codec.feedback_from_json(row.feedback),
                evaluated_ns=row.evaluated_ns,
            )
    return found


def _keys(query: TraceQuery) -> sa.Select[Any]:
    """The sort keys of the traces that match, in order.

    Read from the one index that is both ordered by time and narrow for the rarest condition: finding codes, then one
    check's outcome, then the traces themselves.
    """
    if query.code is not None:
        keys = _keys_by_code(query, query.code)
    elif query.check is not None and query.outcome is not None:
        keys = _keys_by_outcome(query, query.check, query.outcome)
    else:
        keys = sa.select(traces.c.time_ns, traces.c.trace_id).where(*_of_verdicts(query, traces), *_of_trace(query))
    # All three sources name their sort key alike.
    time, identity = keys.selected_columns
    conditions = list(cursor.beyond(query.cursor, time, identity))
    if query.since_ns is not None:
        conditions.append(time >= codec.clamped(query.since_ns))
    if query.until_ns is not None:
        conditions.append(time < codec.clamped(query.until_ns))
    return keys.where(*conditions).order_by(time.desc(), identity.desc())


def _keys_by_code(query: TraceQuery, code: str) -> sa.Select[Any]:
    source = finding_codes
    keys = sa.select(source.c.time_ns, source.c.trace_id).where(source.c.code == codec.key(code))
    if query.check is not None:
        keys = keys.where(source.c.check_name == codec.key(query.check))
    if query.outcome is not None:
        keys = keys.where(*_of_verdicts(query, source))
    # Two checks may use one code.
    return _joined(keys, source, query).group_by(source.c.time_ns, source.c.trace_id)


def _keys_by_outcome(query: TraceQuery, check: str, outcome: Outcome) -> sa.Select[Any]:
    source = verdicts
    same = (source.c.check_name == codec.key(check)) & (source.c.outcome == outcome.value)
    return _joined(sa.select(source.c.time_ns, source.c.trace_id).where(same), source, query)


def _joined(keys: sa.Select[Any], source: sa.Table, query: TraceQuery) -> sa.Select[Any]:
    conditions = _of_trace(query)
    if not conditions:
        return keys
    return keys.join(traces, traces.c.trace_id == source.c.trace_id).where(*conditions)


def _of_trace(query: TraceQuery) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if query.service is not None:
        conditions.append(traces.c.service == codec.key(query.service))
    if query.session_id is not None:
        conditions.append(traces.c.session_id == codec.key(query.session_id))
    if query.failing_only:
        conditions.append(traces.c.failing == sa.true())
    return conditions


def _of_verdicts(query: TraceQuery, source: sa.Table) -> list[sa.ColumnElement[bool]]:
    """That the trace has a verdict of this check, with this outcome."""
    if query.check is None and query.outcome is None:
        return []
    if query.check is None and query.outcome is Outcome.FAILED and source is traces:
        return [traces.c.failing == sa.true()]  # the same, and there is an index for it
    own = sa.select(sa.literal(1)).where(verdicts.c.trace_id == source.c.trace_id)
    if query.check is not None:
        own = own.where(verdicts.c.check_name == codec.key(query.check))
    if query.outcome is not None:
        own = own.where(verdicts.c.outcome == query.outcome.value)
    return [own.exists()]


def _summaries(connection: sa.Connection, trace_ids: Sequence[str]) -> tuple[TraceSummary, ...]:
    rows = connection.execute(sa.select(traces).where(traces.c.trace_id.in_(trace_ids))).all()
    judged = verdicts_of(connection, trace_ids)
    reviewed = _cases_of(connection, trace_ids)
    made = {
        row.trace_id: TraceSummary(
            **_own_columns(row), verdicts=judged.get(row.trace_id, ()), **reviewed.get(row.trace_id, {})
        )
        for row in rows
    }
    return tuple(made[trace_id] for trace_id in trace_ids)


def _summary(connection: sa.Connection, row: Any) -> dict[str, Any]:
    judged = verdicts_of(connection, [row.trace_id]).get(row.trace_id, ())
    return {**_own_columns(row), "verdicts": judged, **_cases_of(connection, [row.trace_id]).get(row.trace_id, {})}


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


def _history(connection: sa.Connection, trace_id: str) -> tuple[VerdictSet, ...]:
    own = sa.select(verdict_history).where(verdict_history.c.trace_id == trace_id)
    return tuple(
        VerdictSet(row.evaluated_ns, row.replaced_ns, codec.verdicts_from_json(row.verdicts))
        for row in connection.execute(own.order_by(verdict_history.c.revision.desc()))
    )
