"""The hash of each promoted case's line beside it: what is promoted is compared with a version by hashes alone.

Cases that were promoted before have none until they change: theirs are made when they are compared. So are those of
cases that a replica of an earlier version changed, for it leaves the hash of an earlier revision.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("digest", sa.String(length=64), nullable=True))
    op.add_column("cases", sa.Column("digest_revision", sa.Integer(), nullable=True))
    op.add_column("cases", sa.Column("digest_form", sa.Integer(), nullable=True))
