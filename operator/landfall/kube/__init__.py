"""The Kubernetes API behind one small client: typed errors, time-outs, preconditions."""
