"""Names of the objects that Landfall creates."""

from __future__ import annotations


def release_name(deployment: str, number: int) -> str:
    """The Release's name, a pure function of the Deployment's name and the revision."""
    return f"{deployment}-{number}"
