"""What model calls cost beside the other figures of a trace, and what a day cost of which the traces are gone.

Traces that were stored before have no cost: what they cost then is not known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("traces", sa.Column("cost", sa.Double(), nullable=True))
    op.add_column("traces", sa.Column("unpriced_calls", sa.Integer(), nullable=True))
    op.create_index("ix_traces_spending", "traces", ["service", "time_ns", "id", "cost"])
    op.drop_index(op.f("ix_traces_service_time_ns_id"), "traces")
    op.create_table(
        "spending",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("service", sa.String(length=256), nullable=False),
        sa.Column("removed", sa.Double(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "service", name=op.f("pk_spending")),
        sqlite_with_rowid=False,
    )
