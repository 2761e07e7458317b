"""Lines and samples of workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _identity_columns() -> list[sa.Column[object]]:
    big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return [
        sa.Column("id", big, primary_key=True, autoincrement=True),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("job", sa.String(253), nullable=False),
        sa.Column("pod", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    ]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "line",
        *_identity_columns(),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.UniqueConstraint("pod", "number", name="line_once"),
    )
    op.create_table(
        "sample",
        *_identity_columns(),
        sa.Column("percent", sa.Integer, nullable=False),
        *(sa.Column(n, sa.BigInteger, nullable=False) for n in ("rows", "total_rows", "bytes", "rows_per_second")),
        sa.Column("recovered_errors", sa.Integer, nullable=False),
        sa.UniqueConstraint("pod", "number", name="sample_once"),
    )
    for table in ("line", "sample"):
        op.create_index(f"{table}_of", table, ["namespace", "kind", "name", "id"])
        op.create_index(f"{table}_age", table, ["at"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("sample")
    op.drop_table("line")
