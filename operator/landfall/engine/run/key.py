"""The run key: what makes two migrations the same one."""

from __future__ import annotations

import hashlib
import json

from landfall.engine.options import Endpoint, Options


def run_key(source: Endpoint, target: Endpoint, options: Options) -> str:
    """sha256 over both identities, the fields that change the result, and the rerun token; in hexadecimal."""
    parts = {
        "source": source.identity,
        "target": target.identity,
        "schemas": options.schemas,
        "exclude": options.exclude_tables,
        "schema": options.target_schema,
        "onExisting": options.on_existing.value,
        "mode": options.mode.value,
        "identifiers": options.identifiers.value,
        "token": options.rerun_token,
    }
    if options.rehearsal:
        parts["rehearsal"] = options.rehearsal
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
