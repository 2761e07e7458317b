"""Log lines and metric samples in a database of the operator's own. It may be down: no run waits for it."""
