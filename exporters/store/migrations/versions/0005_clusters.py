"""Clusters tell what failed, and are found by how alike an input is."""

import sqlalchemy as sa
from alembic import op

from exporters.codec import from_json, to_json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PAGE = 500


def upgrade() -> None:
    for column in (
        sa.Column("service", sa.String(length=256), nullable=False, server_default=""),
        sa.Column("failures", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("failing", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("trace_id", sa.String(length=32), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("family", sa.String(length=32), nullable=False, server_default=""),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
    ):
        op.add_column("clusters", column)
    op.create_index(op.f("ix_clusters_failing_traces_fingerprint"), "clusters", ["failing", "traces", "fingerprint"])
    op.create_index(
        op.f("ix_clusters_failing_first_ns_fingerprint"), "clusters", ["failing", "first_ns", "fingerprint"]
    )
    op.create_index(op.f("ix_clusters_family"), "clusters", ["family"])
    op.create_table(
        "cluster_bands",
        sa.Column("band", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("band", "fingerprint", name=op.f("pk_cluster_bands")),
        sqlite_with_rowid=False,
    )
    _describe()


def _describe() -> None:
    """Tell of each cluster what one of its traces tells, which is what is known of it: the last, by its number."""
    connection = op.get_bind()
    op.execute(
        "CREATE TEMPORARY TABLE cluster_examples AS"
        " SELECT fingerprint, MAX(id) AS trace FROM traces WHERE fingerprint IS NOT NULL GROUP BY fingerprint"
    )
    page = sa.text(
        "SELECT e.fingerprint, e.trace, t.trace_id, t.service, p.verdicts FROM cluster_examples e"
        " JOIN traces t ON t.id = e.trace JOIN payloads p ON p.trace = e.trace"
        " WHERE e.trace > :last ORDER BY e.trace LIMIT :page"
    )
    update = sa.text(
        "UPDATE clusters SET service = :service, failures = :failures, trace_id = :trace_id"
        " WHERE fingerprint = :fingerprint"
    )
    last = 0
    while rows := connection.execute(page, {"last": last, "page": PAGE}).all():
        last = rows[-1].trace
        named = [{name: getattr(row, name) for name in ("fingerprint", "service", "trace_id")} for row in rows]
        failures = [{"failures": _failures(row.verdicts)} for row in rows]
        connection.execute(update, [{**one, **other} for one, other in zip(named, failures, strict=True)])
    op.drop_table("cluster_examples")


def _failures(verdicts: str) -> str:
    """The failed checks, each with the codes of its errors."""
    failed = [verdict for verdict in from_json(verdicts) if verdict["outcome"] == "failed"]
    return to_json({verdict["check"]: _codes(verdict.get("findings", ())) for verdict in failed})


def _codes(findings: list[dict[str, str]]) -> list[str]:
    return sorted({finding["code"] for finding in findings if finding.get("severity", "error") == "error"})
