"""The run key of two endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.run_key import digest, key_parts
from landfall.engine.sources.registry import default_schemas, identity


def run_key(source: Endpoint, target: Endpoint, options: Options) -> str:
    """What the ledger knows a run by: 64 hexadecimal digits, sha256 over both identities and the options.

    Naming the schemas that are read by default does not change it.
    """
    return run_keys(source, target, options)[0]


def run_keys(source: Endpoint, target: Endpoint, options: Options) -> tuple[str, ...]:
    """The run key, and the key that earlier versions gave to the same run if its spec named the schemas that are read by default."""
    ends = identity(source), identity(target)
    return tuple(digest(key_parts(*ends, form)) for form in spellings(options, default_schemas(source)))


def spellings(options: Options, default: Sequence[str]) -> tuple[Options, ...]:
    """Options that mean the same: first as they make a key, with no schemas instead of the default ones; then with the default named."""
    if not default or options.schemas not in {(), tuple(default)}:
        return (options,)
    return replace(options, schemas=()), replace(options, schemas=tuple(default))
