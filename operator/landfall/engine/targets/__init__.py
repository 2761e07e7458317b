"""Target engines: one folder each."""
