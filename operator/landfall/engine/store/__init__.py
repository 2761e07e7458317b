"""The ledger and plans at rest, in the target."""
