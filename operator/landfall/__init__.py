"""Landfall migrates databases to PostgreSQL and deploys apps on Kubernetes, with verification and rollback."""
