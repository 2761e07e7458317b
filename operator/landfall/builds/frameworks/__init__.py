"""The supported frameworks: one row for each."""
