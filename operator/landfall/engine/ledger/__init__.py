"""The format of the ledger and the states of a run. Pure."""
