"""Comparing both sides and mending what differs."""
