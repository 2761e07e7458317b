"""The run key: what makes two migrations the same one."""

from __future__ import annotations

import hashlib
import json

from landfall.engine.model.options import Options

Parts = dict[str, str | tuple[str, ...]]


def key_parts(source: str, target: str, options: Options) -> Parts:
    """Both identities (`SourceEngine.identity`), the options that change the result, and the rerun token. Stored ledgers depend on names and values."""
    parts: Parts = {
        "source": source,
        "target": target,
        "schemas": options.schemas,
        "exclude": options.exclude_tables,
        "schema": options.target_schema,
        "onExisting": options.on_existing.value,
        "mode": options.mode.value,
        "identifiers": options.identifiers.value,
        "token": options.rerun_token,
    }
    if options.target_schemas:
        parts["targetSchemas"] = options.target_schemas.value
    if options.rehearsal:
        parts["rehearsal"] = options.rehearsal
    return parts


def digest(parts: Parts) -> str:
    """sha256 of the parts as JSON with sorted keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
