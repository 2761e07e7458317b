"""Resource usage and verification counts in samples."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADDED = ("compared_rows", "corrected_rows", "cpu_seconds", "memory_bytes")


def upgrade() -> None:
    """Add the columns."""
    for name in _ADDED:
        op.add_column("sample", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the columns."""
    for name in reversed(_ADDED):
        op.drop_column("sample", name)
