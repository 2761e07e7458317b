"""Moving rows: chunks, streams, limits."""
