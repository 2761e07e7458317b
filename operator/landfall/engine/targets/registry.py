"""The target engines by name."""

from __future__ import annotations

from landfall.engine.errors import SpecError
from landfall.engine.model.options import Endpoint

NAMES = ("PostgreSQL",)


def check_target(endpoint: Endpoint) -> None:
    """Raise SpecError for an endpoint that cannot be a target."""
    if endpoint.engine not in NAMES:
        message = f"target: {endpoint.engine} cannot be a target"
        raise SpecError(message, advice=f"Use a Connection of type {' or '.join(NAMES)}.")
