"""The journal: log lines and metric samples of workers, in a separate database. It may be down: no run waits for it."""
