"""Connections to databases; the only room that knows drivers and their errors."""
