"""The tables, as this version of sidecheck reads and writes them. How they came to be is in ``migrations``.

Long, since a schema is read in one go.

A trace's rows hang on the number that it got when it was first saved, not on its id: ids are random, and rows that are
ordered by them would each have a page of their own to be written. Only rows that few traces have are found by its id.

Times are nanoseconds since the epoch in signed 64-bit columns. Texts that are indexed are bounded (``codec.key``):
PostgreSQL takes no index entry above 2,700 bytes. JSON is kept as text: nothing is ever selected inside it, and
``jsonb`` would refuse NUL and round numbers.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)


NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself where the column's type is INTEGER, and counts up to 2**63 all the same."""


def _of_trace() -> Column[int]:
    """The number of the trace that a row belongs to and goes with."""
    return Column("trace", NUMBER, ForeignKey("traces.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


def _where(sqlite: str, postgresql: str) -> dict[str, Any]:
    """The options of an index over those rows alone for which this holds, as each database words it in queries."""
    return {"sqlite_where": sa.text(sqlite), "postgresql_where": sa.text(postgresql)}


traces = Table(
    "traces",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("trace_id", String(32), nullable=False, unique=True),
    Column("time_ns", BigInteger, nullable=False, doc="what lists are ordered by: the start, else the evaluation"),
    Column("service", String(256), nullable=False),
    Column("convention", String(256), nullable=False),
    Column("closed_by", String(32), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("span_count", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("session_id", String(256)),
    Column("user_id", String(256)),
    Column("model", String(256)),
    Column("input", Text, doc="the first characters, for lists"),
    Column("output", Text, doc="the first characters, for lists"),
    Column("failing", Boolean, nullable=False),
    Column("flagged", Boolean, nullable=False, doc="failing and reviewed by nobody: retention spares it"),
    Column("fingerprint", String(256), doc="the cluster that counts this trace"),
    Column("revision", Integer, nullable=False, doc="how many sets of verdicts were replaced"),
    Column("evaluated_ns", BigInteger, nullable=False, doc="the sidecar's clock: what retention goes by"),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, doc="of all model calls; null where none was recorded"),
    Column("output_tokens", BigInteger),
    Column("cost", Double, doc="dollars, of the model calls that have a price; null where none has"),
    Column("unpriced_calls", Integer, doc="model calls that have none; null: judged before this was counted"),
    Column(
        "outcome_set",
        Integer,
        nullable=False,
        server_default="0",
        doc="0: no verdicts. No foreign key: all saves would lock the same few rows",
    ),
    # What charts are made of stands in the index that lists are read from: no row is read for them.
    Index("ix_traces_figures", "time_ns", "id", "duration_ns", "input_tokens", "output_tokens"),
    Index("ix_traces_spending", "service", "time_ns", "id", "cost"),
    Index(None, "session_id", "time_ns", "id", **_where("session_id IS NOT NULL", "session_id IS NOT NULL")),
    Index("ix_traces_failing", "time_ns", "id", **_where("failing = 1", "failing")),
    Index(None, "flagged", "evaluated_ns", "id"),
    Index(None, "outcome_set", "time_ns", "id"),
)

payloads = Table(
    "payloads",
    metadata,
    _of_trace(),
    Column("verdicts", Text, nullable=False, doc="JSON: all of them, whole and in order"),
    Column("feedback", Text, nullable=False, doc="JSON: the feedback that the verdicts know"),
    Column(
        "data",
        LargeBinary,
        nullable=False,
        doc="OTLP TracesData, OTLP LogsData and the JSON of exporters.costs in one frame",
    ),
)

outcome_sets = Table(
    "outcome_sets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True, doc="1, 2, ...: what traces name it by"),
    Column("digest", String(64), nullable=False, unique=True, doc="hash of its checks and outcomes"),
)

outcome_set_checks = Table(
    "outcome_set_checks",
    metadata,
    Column("outcome_set", Integer, ForeignKey("outcome_sets.id", ondelete="CASCADE"), primary_key=True),
    Column("check_name", String(256), primary_key=True),
    Column("outcome", String(32), nullable=False),
    Index(None, "check_name", "outcome", "outcome_set"),
    sqlite_with_rowid=False,
)

finding_codes = Table(
    "finding_codes",
    metadata,
    _of_trace(),
    Column("check_name", String(256), primary_key=True),
    Column("code", String(256), primary_key=True),
    Column("time_ns", BigInteger, nullable=False, doc="traces.time_ns"),
    Index(None, "code", "time_ns", "trace"),
    sqlite_with_rowid=False,
)

verdict_history = Table(
    "verdict_history",
    metadata,
    _of_trace(),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("evaluated_ns", BigInteger, nullable=False),
    Column("replaced_ns", BigInteger, nullable=False),
    Column("verdicts", Text, nullable=False, doc="JSON"),
)

trace_keys = Table(
    "trace_keys",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False, doc="which traces, see exporters.store.keys"),
    Column("kind", String(16), primary_key=True, doc="span, response or user"),
    Column("value", String(256), primary_key=True),
    Column("trace", NUMBER, primary_key=True, autoincrement=False, doc="no foreign key: runs are removed from as such"),
    sqlite_with_rowid=False,
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer().with_variant(BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    Column("trace_id", String(32), ForeignKey("traces.trace_id", ondelete="CASCADE"), doc="null: it waits"),
    Column("kind", String(16), nullable=False, doc="what its sender named: trace, span, session or response"),
    Column("value", String(256), nullable=False),
    Column("sender", String(64), nullable=False, doc="hash of target and user"),
    Column("digest", String(64), nullable=False, doc="hash of what was said"),
    Column("time_ns", BigInteger, nullable=False),
    Column("received_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False, doc="JSON"),
    Column("user_id", String(256), doc="who said it, to be forgotten with"),
    Index(None, "trace_id", "received_ns"),
    Index(None, "kind", "value"),
    Index(None, "sender", "received_ns"),
    Index(None, "user_id"),
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(256), primary_key=True),
    Column("trace_id", String(256), nullable=False, doc="no foreign key: a case outlives its trace"),
    Column("fingerprint", String(256), nullable=False),
    Column("status", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("service", String(256), nullable=False),
    Column("split", String(256), doc="the part of the dataset; null: none was chosen"),
    Column("automatic", Boolean, nullable=False, doc="made by no person: counts for the day's limit"),
    Column("touched", Boolean, nullable=False, doc="a person changed it: no evaluation does any more"),
    Column("revision", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False, doc="JSON: the whole case"),
    Column("digest", String(64), doc="SHA-256 of its line, while it is promoted; null: not known"),
    Column("digest_revision", Integer, doc="of which revision: an earlier sidecheck leaves it behind"),
    Column("digest_form", Integer, doc="of which form of lines"),
    Index(None, "trace_id"),
    Index(None, "fingerprint"),
    Index(None, "status", "created_ns", "id"),
    Index(None, "created_ns", "id"),
)


def _of_case() -> Column[str]:
    return Column("case_id", String(256), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)


case_checks = Table(
    "case_checks",
    metadata,
    _of_case(),
    Column("check_name", String(256), primary_key=True),
    Index(None, "check_name", "case_id"),
    sqlite_with_rowid=False,
)

case_tags = Table(
    "case_tags",
    metadata,
    _of_case(),
    Column("tag", String(256), primary_key=True),
    Index(None, "tag", "case_id"),
    sqlite_with_rowid=False,
)

case_history = Table(
    "case_history",
    metadata,
    _of_case(),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("old_status", String(32), nullable=False),
    Column("old_body", Text, nullable=False, doc="JSON"),
)

case_owners = Table(
    "case_owners",
    metadata,
    Column("kind", String(16), primary_key=True, doc="user or session"),
    Column("value", String(256), primary_key=True, doc="whose trace the case was made of: a case outlives its trace"),
    _of_case(),
    Index(None, "case_id"),
    sqlite_with_rowid=False,
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("digest", String(64), primary_key=True, doc="hash of the id of a trace that must not come back"),
    Column("forgotten_ns", BigInteger, nullable=False),
    Index(None, "forgotten_ns"),
    sqlite_with_rowid=False,
)

spending = Table(
    "spending",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False, doc="UTC, counted from 1970-01-01"),
    Column("service", String(256), primary_key=True),
    Column("removed", Double, nullable=False, doc="dollars, of this day's traces that are stored no more"),
    Column("told", Integer, nullable=False, doc="percent of the day's budget that people were told of"),
    sqlite_with_rowid=False,
)

reopenings = Table(
    "reopenings",
    metadata,
    Column("trace_id", String(32), ForeignKey("traces.trace_id", ondelete="CASCADE"), primary_key=True),
    Column("due_ns", BigInteger, nullable=False, doc="when it may be claimed"),
    Column("tries", Integer, nullable=False, doc="how often it was claimed"),
    Index(None, "due_ns", "trace_id"),
    sqlite_with_rowid=False,
)

clusters = Table(
    "clusters",
    metadata,
    Column("fingerprint", String(256), primary_key=True),
    Column("traces", BigInteger, nullable=False, doc="traces whose last verdicts failed in this way"),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("service", String(256), nullable=False, server_default=""),
    Column("failures", Text, nullable=False, server_default="{}", doc="JSON: check -> codes; none: its traces passed"),
    Column("failing", Boolean, nullable=False, server_default=sa.true()),
    Column("trace_id", String(32), doc="the last trace that came in"),
    Column("preview", Text, doc="the beginning of its input, as a case shows it"),
    Column("family", String(32), nullable=False, server_default="", doc="hash of service and failures"),
    Column("signature", LargeBinary, doc="MinHash of the first trace's input; null: found by its fingerprint alone"),
    Index(None, "last_ns"),
    Index(None, "failing", "traces", "fingerprint"),
    Index(None, "failing", "first_ns", "fingerprint"),
    Index(None, "family"),
    sqlite_with_rowid=False,
)

cluster_bands = Table(
    "cluster_bands",
    metadata,
    Column("band", BigInteger, primary_key=True, autoincrement=False, doc="see exporters.dataset.likeness"),
    Column("fingerprint", String(256), primary_key=True, doc="no foreign key: it would need an index of its own"),
    sqlite_with_rowid=False,
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, doc="1, 2, ...; each follows the one before"),
    Column("digest", String(64), nullable=False, doc="SHA-256 of all lines as they were committed"),
    Column("message", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("forgotten", Integer, nullable=False, doc="of the cases, those that were forgotten on demand since"),
)

dataset_lines = Table(
    "dataset_lines",
    metadata,
    Column("digest", String(64), primary_key=True, doc="SHA-256 of the line"),
    Column("line", Text, nullable=False, doc="a case in its public shape, as a line of cases.jsonl, its end included"),
)

dataset_cases = Table(
    "dataset_cases",
    metadata,
    Column(
        "version",
        Integer,
        ForeignKey("dataset_versions.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("case_id", String(256), primary_key=True, doc="no foreign key: a version holds its cases by itself"),
    Column("digest", String(64), ForeignKey("dataset_lines.digest"), nullable=False),
    Index(None, "case_id"),
    Index(None, "digest"),
    sqlite_with_rowid=False,
)
