"""Compares both sides and repairs what differs."""
