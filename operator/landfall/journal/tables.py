"""The journal's tables. A change needs a migration in `versions/`; a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()
_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite assigns row numbers only to a column of type INTEGER


def _identity_columns() -> tuple[Column[object], ...]:
    """The object, the worker's pod, and the pod's own count, which makes storing idempotent."""
    return (
        Column("id", _BIG, primary_key=True, autoincrement=True),
        Column("namespace", String(63), nullable=False),
        Column("kind", String(63), nullable=False),
        Column("name", String(253), nullable=False),
        Column("job", String(253), nullable=False),
        Column("pod", String(36), nullable=False),
        Column("number", Integer, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
    )


LINE = Table(
    "line",
    METADATA,
    *_identity_columns(),
    Column("level", String(10), nullable=False),
    Column("phase", String(20), nullable=False),
    Column("message", Text, nullable=False),
    UniqueConstraint("pod", "number", name="line_once"),
    Index("line_of", "namespace", "kind", "name", "id"),
    Index("line_age", "at"),
)

SAMPLE = Table(
    "sample",
    METADATA,
    *_identity_columns(),
    Column("percent", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("total_rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows_per_second", BigInteger, nullable=False),
    Column("recovered_errors", Integer, nullable=False),
    *(
        Column(n, BigInteger, nullable=False, server_default="0")
        for n in ("compared_rows", "corrected_rows", "cpu_seconds", "memory_bytes")
    ),
    UniqueConstraint("pod", "number", name="sample_once"),
    Index("sample_of", "namespace", "kind", "name", "id"),
    Index("sample_age", "at"),
)
