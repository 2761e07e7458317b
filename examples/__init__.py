"""Stories that can be run: one folder each, and the generator of the shop that they share."""
