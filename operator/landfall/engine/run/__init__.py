"""Runs a plan: copy, verification, cutover, rollback, rehearsal."""
