"""Detects the framework of an app from its manifests and code, with the evidence. Pure."""
