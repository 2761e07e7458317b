"""Source engines: one folder each, behind the protocols of `base`."""
