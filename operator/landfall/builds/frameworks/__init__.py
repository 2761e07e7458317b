"""The frameworks that apps are written in: a row for each."""
