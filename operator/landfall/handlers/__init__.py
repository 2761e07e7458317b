"""Entry of the operator: kopf handlers, work queue, health. Decides nothing."""
