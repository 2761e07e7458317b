"""Services outside the cluster, each behind a small client with errors of ours."""
