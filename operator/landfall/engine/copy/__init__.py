"""Copies rows: chunks, streams, limits."""
