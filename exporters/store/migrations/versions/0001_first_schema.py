"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _traces()
    _payloads()
    _trace_keys()
    _verdicts()
    _finding_codes()
    _verdict_history()
    _feedback()
    _cases()
    _case_checks()
    _case_history()
    _clusters()


def _traces() -> None:
    op.create_table(
        "traces",
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
        sa.PrimaryKeyConstraint("trace_id", name=op.f("pk_traces")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_traces_failing_time_ns_trace_id"), "traces", ["failing", "time_ns", "trace_id"])
    op.create_index(op.f("ix_traces_flagged_evaluated_ns_trace_id"), "traces", ["flagged", "evaluated_ns", "trace_id"])
    op.create_index(op.f("ix_traces_service_time_ns_trace_id"), "traces", ["service", "time_ns", "trace_id"])
    op.create_index(op.f("ix_traces_session_id_time_ns_trace_id"), "traces", ["session_id", "time_ns", "trace_id"])
    op.create_index(op.f("ix_traces_time_ns_trace_id"), "traces", ["time_ns", "trace_id"])


def _payloads() -> None:
    op.create_table(
        "payloads",
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("spans", sa.LargeBinary(), nullable=False),
        sa.Column("logs", sa.LargeBinary(), nullable=False),
        sa.Column("view", sa.LargeBinary(), nullable=False),
        sa.Column("feedback", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_payloads_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trace_id", name=op.f("pk_payloads")),
    )


def _trace_keys() -> None:
    op.create_table(
        "trace_keys",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_trace_keys_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kind", "value", "trace_id", name=op.f("pk_trace_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_trace_keys_trace_id"), "trace_keys", ["trace_id"])


def _verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("check_name", sa.String(length=256), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_verdicts_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trace_id", "check_name", name=op.f("pk_verdicts")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_verdicts_check_name_outcome_time_ns_trace_id"),
        "verdicts",
        ["check_name", "outcome", "time_ns", "trace_id"],
    )


def _finding_codes() -> None:
    op.create_table(
        "finding_codes",
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("check_name", sa.String(length=256), nullable=False),
        sa.Column("code", sa.String(length=256), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_finding_codes_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trace_id", "check_name", "code", name=op.f("pk_finding_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_finding_codes_code_time_ns_trace_id"), "finding_codes", ["code", "time_ns", "trace_id"])


def _verdict_history() -> None:
    op.create_table(
        "verdict_history",
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evaluated_ns", sa.BigInteger(), nullable=False),
        sa.Column("replaced_ns", sa.BigInteger(), nullable=False),
        sa.Column("verdicts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_verdict_history_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trace_id", "revision", name=op.f("pk_verdict_history")),
    )


def _feedback() -> None:
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
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_feedback_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_kind_value"), "feedback", ["kind", "value"])
    op.create_index(op.f("ix_feedback_sender_received_ns"), "feedback", ["sender", "received_ns"])
    op.create_index(op.f("ix_feedback_trace_id_received_ns"), "feedback", ["trace_id", "received_ns"])


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("trace_id", sa.String(length=256), nullable=False),
        sa.Column("fingerprint", sa.String(length=256), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=256), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("touched", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(op.f("ix_cases_created_ns_id"), "cases", ["created_ns", "id"])
    op.create_index(op.f("ix_cases_fingerprint"), "cases", ["fingerprint"])
    op.create_index(op.f("ix_cases_status_created_ns_id"), "cases", ["status", "created_ns", "id"])
    op.create_index(op.f("ix_cases_trace_id"), "cases", ["trace_id"])


def _case_checks() -> None:
    op.create_table(
        "case_checks",
        sa.Column("case_id", sa.String(length=256), nullable=False),
        sa.Column("check_name", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_checks_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "check_name", name=op.f("pk_case_checks")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_case_checks_check_name_case_id"), "case_checks", ["check_name", "case_id"])


def _case_history() -> None:
    op.create_table(
        "case_history",
        sa.Column("case_id", sa.String(length=256), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("old_status", sa.String(length=32), nullable=False),
        sa.Column("old_body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_history_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "revision", name=op.f("pk_case_history")),
    )


def _clusters() -> None:
    op.create_table(
        "clusters",
        sa.Column("fingerprint", sa.String(length=256), nullable=False),
        sa.Column("traces", sa.BigInteger(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_clusters")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_clusters_last_ns"), "clusters", ["last_ns"])
