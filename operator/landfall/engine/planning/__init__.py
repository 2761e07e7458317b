"""Builds a plan from catalogs and profiling results. Pure."""
