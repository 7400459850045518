"""What forgetting goes by: who said a piece of feedback, whose case it is, and which traces must not come back."""

import json

import sqlalchemy as sa
from alembic import op

from exporters.codec import key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PAGE = 500


def upgrade() -> None:
    _forgotten()
    _case_owners()
    _feedback_users()
    _users_of_what_is_stored()


def _forgotten() -> None:
    op.create_table(
        "forgotten",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("forgotten_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_forgotten")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_forgotten_forgotten_ns"), "forgotten", ["forgotten_ns"])


def _case_owners() -> None:
    op.create_table(
        "case_owners",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("case_id", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_owners_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("kind", "value", "case_id", name=op.f("pk_case_owners")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_case_owners_case_id"), "case_owners", ["case_id"])


def _feedback_users() -> None:
    op.add_column("feedback", sa.Column("user_id", sa.String(length=256), nullable=True))
    op.create_index(op.f("ix_feedback_user_id"), "feedback", ["user_id"])


def _users_of_what_is_stored() -> None:
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "INSERT INTO trace_keys (kind, value, trace_id)"
            " SELECT 'user', user_id, trace_id FROM traces WHERE user_id IS NOT NULL"
        )
    )
    connection.execute(
        sa.text(
            "INSERT INTO case_owners (kind, value, case_id) SELECT k.kind, k.value, c.id FROM cases c"
            " JOIN trace_keys k ON k.trace_id = c.trace_id WHERE k.kind IN ('user', 'session')"
        )
    )
    last = 0
    page = sa.text("SELECT id, body FROM feedback WHERE id > :last ORDER BY id LIMIT :page")
    while rows := connection.execute(page, {"last": last, "page": PAGE}).all():
        last = rows[-1].id
        users = [{"id": row.id, "user": json.loads(row.body)[0].get("user_id")} for row in rows]
        named = [{**row, "user": key(row["user"])} for row in users if row["user"]]
        if named:
            connection.execute(sa.text("UPDATE feedback SET user_id = :user WHERE id = :id"), named)
