"""The run key of two endpoints."""

from __future__ import annotations

from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.run_key import digest, key_parts
from landfall.engine.sources.registry import identity


def run_key(source: Endpoint, target: Endpoint, options: Options) -> str:
    """What the ledger knows a run by: 64 hexadecimal digits, sha256 over both identities and the options."""
    return digest(key_parts(identity(source), identity(target), options))
