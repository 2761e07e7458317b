"""The process in Job pods: it has credentials of databases but none of Kubernetes, and reports to the operator's intake."""
