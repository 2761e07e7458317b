"""Names of the objects that Landfall makes."""

from __future__ import annotations


def release_name(deployment: str, number: int) -> str:
    """A pure function of both."""
    return f"{deployment}-{number}"
