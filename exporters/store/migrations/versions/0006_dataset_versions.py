"""Versions of the dataset; cases are found by their split and their tags."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from exporters.codec import from_json, key

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PAGE = 200


def upgrade() -> None:
    op.add_column("cases", sa.Column("split", sa.String(length=256), nullable=True))
    op.create_table(
        "case_tags",
        sa.Column("case_id", sa.String(length=256), nullable=False),
        sa.Column("tag", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_tags_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "tag", name=op.f("pk_case_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_case_tags_tag_case_id"), "case_tags", ["tag", "case_id"])
    _make_versions()
    _fill()


def _make_versions() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("cases", "added", "changed", "removed", "forgotten")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dataset_versions")),
    )
    op.create_table(
        "dataset_lines",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_dataset_lines")),
    )
    op.create_table(
        "dataset_cases",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.String(length=256), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["dataset_versions.number"], name=op.f("fk_dataset_cases_version"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["digest"], ["dataset_lines.digest"], name=op.f("fk_dataset_cases_digest")),
        sa.PrimaryKeyConstraint("version", "case_id", name=op.f("pk_dataset_cases")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_dataset_cases_case_id"), "dataset_cases", ["case_id"])
    op.create_index(op.f("ix_dataset_cases_digest"), "dataset_cases", ["digest"])


def _fill() -> None:
    """Note the split and the tags of the cases that are there."""
    connection = op.get_bind()
    page = sa.text("SELECT id, body FROM cases WHERE id > :after ORDER BY id LIMIT :most")
    after = ""
    while rows := connection.execute(page, {"after": after, "most": PAGE}).all():
        for row in rows:
            _note(connection, row.id, from_json(row.body))
        after = rows[-1].id


def _note(connection: sa.Connection, case_id: str, case: dict[str, Any]) -> None:
    for tag in sorted({key(tag) for tag in case.get("tags", ())}):
        connection.execute(sa.text("INSERT INTO case_tags VALUES (:id, :tag)"), {"id": case_id, "tag": tag})
    split = case.get("split")
    if split is not None:
        changed = sa.text("UPDATE cases SET split = :split WHERE id = :id")
        connection.execute(changed, {"split": key(split), "id": case_id})
