"""Matches tables and columns of the source with those of an existing schema by names, types, keys and values. Pure."""
