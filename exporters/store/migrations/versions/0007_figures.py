"""Tokens beside the other figures of a trace, and what charts are made of in the index that is ordered by time.

Traces that were stored before have no tokens in their charts: they stand in their views alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COVERED = ["time_ns", "id", "duration_ns", "input_tokens", "output_tokens"]


def upgrade() -> None:
    op.add_column("traces", sa.Column("input_tokens", sa.BigInteger(), nullable=True))
    op.add_column("traces", sa.Column("output_tokens", sa.BigInteger(), nullable=True))
    op.create_index("ix_traces_figures", "traces", COVERED)
    op.drop_index(op.f("ix_traces_time_ns_id"), "traces")
