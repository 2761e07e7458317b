"""Migrations of the journal's database with Alembic. Each is additive, so that an older version of the operator can use the result."""
