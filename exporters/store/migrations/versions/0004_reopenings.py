"""Traces that are to be judged again, by whichever replica asks first."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reopenings",
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["traces.trace_id"], name=op.f("fk_reopenings_trace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trace_id", name=op.f("pk_reopenings")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_reopenings_due_ns_trace_id"), "reopenings", ["due_ns", "trace_id"])
