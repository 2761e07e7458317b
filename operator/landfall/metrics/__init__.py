"""Counters of the process, under the names that dashboards for controllers know, and our own."""
