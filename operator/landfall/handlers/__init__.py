"""The door to the cluster: watch, enqueue, health. Nothing is decided here."""
