"""Connections to databases; the only room that knows drivers and their errors."""

from landfall.engine.connect.memory import without_statistics

without_statistics()
