"""Moving and checking data: a library that never heard of Kubernetes. Options in, results out."""
