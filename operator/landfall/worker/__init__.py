"""What runs in Job pods: it holds credentials of databases and none of Kubernetes, and reports to the operator's intake."""
