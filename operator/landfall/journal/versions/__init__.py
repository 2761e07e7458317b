"""Migrations of the journal's database, by Alembic: each additive, so that an older operator still works on it."""
