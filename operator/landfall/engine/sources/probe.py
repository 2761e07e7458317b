"""Whether a database answers, and what it says of itself."""

from __future__ import annotations

from landfall.engine.model.options import Endpoint
from landfall.engine.sources.registry import engine_of


def probed(endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
    """The server's version, and what it and the credential can do. Raises an EngineError that says what is wrong."""
    return engine_of(endpoint.engine).probe(endpoint)
