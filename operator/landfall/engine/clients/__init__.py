"""Clients for database servers and their errors."""
