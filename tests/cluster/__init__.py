"""A real Kubernetes cluster of one node for tests and the demo: kind where there is Docker, else one that is built from Go modules."""
