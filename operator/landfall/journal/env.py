"""The environment in which Alembic runs the migrations: on the connection that the journal passes."""

from __future__ import annotations

from alembic import context

from landfall.journal.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, version_table="journal_version")
with context.begin_transaction():
    context.run_migrations()
