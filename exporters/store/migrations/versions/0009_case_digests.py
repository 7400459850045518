"""The hash of each promoted case's line beside it: what is promoted is compared with a version by hashes alone.

Cases that were promoted before have none until they change: theirs are made when they are compared.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("digest", sa.String(length=64), nullable=True))
