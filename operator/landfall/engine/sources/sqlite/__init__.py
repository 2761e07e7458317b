"""SQLite as a source. Its memory statistics are switched off before the first connection is opened."""

from landfall.engine.sources.sqlite.memory import without_statistics

without_statistics()
