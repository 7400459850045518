"""Each combination of checks and outcomes is kept once, and a trace's row names it: no longer a row a check a trace."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from exporters.codec import digest_of
from exporters.store.many import OneOf

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

RUN = 5_000
"""Traces whose outcomes are looked at together."""


def upgrade() -> None:
    op.create_table(
        "outcome_sets",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcome_sets")),
        sa.UniqueConstraint("digest", name=op.f("uq_outcome_sets_digest")),
    )
    op.create_table(
        "outcome_set_checks",
        sa.Column("outcome_set", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("check_name", sa.String(length=256), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["outcome_set"],
            ["outcome_sets.id"],
            name=op.f("fk_outcome_set_checks_outcome_set"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("outcome_set", "check_name", name=op.f("pk_outcome_set_checks")),
        sqlite_with_rowid=False,
    )
    columns = ["check_name", "outcome", "outcome_set"]
    op.create_index(op.f("ix_outcome_set_checks_check_name_outcome_outcome_set"), "outcome_set_checks", columns)
    op.add_column("traces", sa.Column("outcome_set", sa.Integer(), server_default="0", nullable=False))
    _fill()
    op.create_index(op.f("ix_traces_outcome_set_time_ns_id"), "traces", ["outcome_set", "time_ns", "id"])
    op.drop_table("verdicts")


def _fill() -> None:
    connection = op.get_bind()
    traces = sa.table("traces", sa.column("id", sa.BigInteger()), sa.column("outcome_set", sa.Integer()))
    name = sa.update(traces).where(OneOf(traces.c.id, "ids")).values(outcome_set=sa.bindparam("number"))
    numbers: dict[tuple[tuple[str, str], ...], int] = {}
    for run in _runs(connection):
        of_set = defaultdict(list)
        for trace, rows in groupby(run, lambda row: row.trace):
            outcomes = tuple(sorted((row.check_name, row.outcome) for row in rows))
            if outcomes not in numbers:
                numbers[outcomes] = _make(connection, outcomes)
            of_set[numbers[outcomes]].append(trace)
        for number, ids in of_set.items():
            connection.execute(name, {"number": number, "ids": ids})


def _runs(connection: sa.Connection) -> Iterator[Any]:
    """The rows of some traces after those of others; no gap in their numbers is gone through."""
    first = sa.text("SELECT MIN(trace) FROM verdicts WHERE trace > :last")
    rows = sa.text(
        "SELECT trace, check_name, outcome FROM verdicts WHERE trace >= :first AND trace <= :last ORDER BY trace"
    )
    last = -1
    while (start := connection.execute(first, {"last": last}).scalar()) is not None:
        last = start + RUN - 1
        yield connection.execute(rows, {"first": start, "last": last})


def _make(connection: sa.Connection, outcomes: tuple[tuple[str, str], ...]) -> int:
    insert = sa.text("INSERT INTO outcome_sets (digest) VALUES (:digest) RETURNING id")
    # As exporters.store.outcome_sets has it: another hash would only make a set twice.
    number = int(connection.execute(insert, {"digest": digest_of(*outcomes)}).scalar_one())
    rows = [{"number": number, "check": check, "outcome": outcome} for check, outcome in outcomes]
    connection.execute(
        sa.text("INSERT INTO outcome_set_checks (outcome_set, check_name, outcome) VALUES (:number, :check, :outcome)"),
        rows,
    )
    return number
