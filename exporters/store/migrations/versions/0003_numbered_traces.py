"""Traces get numbers, and their rows hang on these instead of on random ids; telemetry and view become one frame."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import zstandard
from alembic import op

from exporters.codec import from_json, join_compressed, to_json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PAGE = 200
RUN = 1 << 13
MOVED = ("traces", "payloads", "trace_keys", "verdicts", "finding_codes", "verdict_history", "feedback")
"""Children come after the table that they refer to."""
TRACE_COLUMNS = (
    "trace_id, time_ns, service, convention, closed_by, start_ns, end_ns, duration_ns, span_count, truncated, "
    "session_id, user_id, model, input, output, failing, flagged, fingerprint, revision, evaluated_ns, stored_bytes"
)
FEEDBACK_COLUMNS = "trace_id, kind, value, sender, digest, time_ns, received_ns, body, user_id"


def upgrade() -> None:
    for name in MOVED:
        op.execute(f"CREATE TABLE old_{name} AS SELECT * FROM {name}")  # noqa: S608 - constants
    for name in reversed(MOVED):
        op.drop_table(name)
    _make_traces()
    _make_children()
    _make_feedback()
    _fill()
    for name in MOVED:
        op.drop_table(f"old_{name}")


def _number() -> Any:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _of_trace(table: str) -> tuple[Any, Any]:
    reference = sa.ForeignKeyConstraint(["trace"], ["traces.id"], name=op.f(f"fk_{table}_trace"), ondelete="CASCADE")
    return sa.Column("trace", _number(), autoincrement=False, nullable=False), reference


def _make_traces() -> None:
    op.create_table(
        "traces",
        sa.Column("id", _number(), autoincrement=True, nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.String(length=256), nullable=False),
        sa.Column("convention", sa.String(length=256), nullable=False),
        sa.Column("closed_by", sa.String(length=32), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("span_count", sa.BigInteger(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("session_id", sa.String(length=256), nullable=True),
        sa.Column("user_id", sa.String(length=256), nullable=True),
        sa.Column("model", sa.String(length=256), nullable=True),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("failing", sa.Boolean(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", sa.String(length=256), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("evaluated_ns", sa.BigInteger(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_traces")),
        sa.UniqueConstraint("trace_id", name=op.f("uq_traces_trace_id")),
    )
    op.create_index(op.f("ix_traces_time_ns_id"), "traces", ["time_ns", "id"])
    op.create_index(op.f("ix_traces_service_time_ns_id"), "traces", ["service", "time_ns", "id"])
    op.create_index(op.f("ix_traces_flagged_evaluated_ns_id"), "traces", ["flagged", "evaluated_ns", "id"])
    op.create_index(
        op.f("ix_traces_session_id_time_ns_id"),
        "traces",
        ["session_id", "time_ns", "id"],
        sqlite_where=sa.text("session_id IS NOT NULL"),
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_index(
        "ix_traces_failing",
        "traces",
        ["time_ns", "id"],
        sqlite_where=sa.text("failing = 1"),
        postgresql_where=sa.text("failing"),
    )


def _make_children() -> None:
    op.create_table(
        "payloads",
        *_of_trace("payloads"),
        sa.Column("verdicts", sa.Text(), nullable=False),
        sa.Column("feedback", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trace", name=op.f("pk_payloads")),
    )
    op.create_table(
        "trace_keys",
        sa.Column("run", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("trace", _number(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run", "kind", "value", "trace", name=op.f("pk_trace_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verdicts",
        *_of_trace("verdicts"),
        sa.Column("check_name", sa.String(length=256), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trace", "check_name", name=op.f("pk_verdicts")),
        sqlite_with_rowid=False,
    )
    columns = ["check_name", "outcome", "time_ns", "trace"]
    op.create_index(op.f("ix_verdicts_check_name_outcome_time_ns_trace"), "verdicts", columns)
    op.create_table(
        "finding_codes",
        *_of_trace("finding_codes"),
        sa.Column("check_name", sa.String(length=256), nullable=False),
        sa.Column("code", sa.String(length=256), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trace", "check_name", "code", name=op.f("pk_finding_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_finding_codes_code_time_ns_trace"), "finding_codes", ["code", "time_ns", "trace"])
    op.create_table(
        "verdict_history",
        *_of_trace("verdict_history"),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evaluated_ns", sa.BigInteger(), nullable=False),
        sa.Column("replaced_ns", sa.BigInteger(), nullable=False),
        sa.Column("verdicts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trace", "revision", name=op.f("pk_verdict_history")),
    )


def _make_feedback() -> None:
    """As before; only what its traces are found by is new."""
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer().with_variant(sa.BigInteger(), "postgresql"), autoincrement=True, nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=256), nullable=True),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_feedback_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_kind_value"), "feedback", ["kind", "value"])
    op.create_index(op.f("ix_feedback_sender_received_ns"), "feedback", ["sender", "received_ns"])
    op.create_index(op.f("ix_feedback_trace_id_received_ns"), "feedback", ["trace_id", "received_ns"])
    op.create_index(op.f("ix_feedback_user_id"), "feedback", ["user_id"])


def _fill() -> None:
    op.execute(
        f"INSERT INTO traces ({TRACE_COLUMNS}) SELECT {TRACE_COLUMNS} FROM old_traces ORDER BY evaluated_ns, trace_id"  # noqa: S608 - constants
    )
    op.execute(
        f"INSERT INTO feedback ({FEEDBACK_COLUMNS}) SELECT {FEEDBACK_COLUMNS} FROM old_feedback ORDER BY id"  # noqa: S608 - constants
    )
    moved = {
        "verdicts": "check_name, outcome, o.time_ns",
        "finding_codes": "check_name, code, o.time_ns",
        "verdict_history": "o.revision, o.evaluated_ns, replaced_ns, verdicts",
    }
    for table, columns in moved.items():
        names = columns.replace("o.", "")
        op.execute(
            f"INSERT INTO {table} (trace, {names}) SELECT t.id, {columns} FROM old_{table} o"  # noqa: S608 - constants
            " JOIN traces t ON t.trace_id = o.trace_id"
        )
    op.execute(
        f"INSERT INTO trace_keys (run, kind, value, trace) SELECT t.id / {RUN}, kind, value, t.id FROM old_trace_keys o"  # noqa: S608 - constants
        " JOIN traces t ON t.trace_id = o.trace_id WHERE kind NOT IN ('trace', 'session')"
    )
    _fill_payloads()


def _fill_payloads() -> None:
    connection = op.get_bind()
    page = sa.text(
        "SELECT t.id, t.trace_id, o.spans, o.logs, o.view, o.feedback FROM traces t"
        " JOIN old_payloads o ON o.trace_id = t.trace_id WHERE t.id > :last ORDER BY t.id LIMIT :page"
    )
    insert = sa.text(
        "INSERT INTO payloads (trace, verdicts, feedback, data) VALUES (:trace, :verdicts, :feedback, :data)"
    )
    op.create_index("old_verdicts_of", "old_verdicts", ["trace_id", "position"])
    last = 0
    while rows := connection.execute(page, {"last": last, "page": PAGE}).all():
        last = rows[-1].id
        connection.execute(insert, [_payload(connection, row) for row in rows])


def _payload(connection: sa.Connection, row: Any) -> dict[str, Any]:
    own = sa.text("SELECT body FROM old_verdicts WHERE trace_id = :trace_id ORDER BY position")
    verdicts: Sequence[str] = connection.execute(own, {"trace_id": row.trace_id}).scalars().all()
    return {
        "trace": row.id,
        "verdicts": to_json([from_json(body) for body in verdicts]),
        "feedback": row.feedback,
        "data": join_compressed(
            *(zstandard.decompress(part) if part else b"" for part in (row.spans, row.logs, row.view))
        ),
    }
