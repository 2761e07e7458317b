"""Plans in a cluster: a plan is split into ConfigMaps, because of the size limit of the API server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

LABEL_RUN = "landfall.dev/run"
PLAN, COUNT = "landfall.dev/plan", "landfall.dev/pieces"
Object = dict[str, Any]


def maps_of_plan(maps: Sequence[Object], digest: str) -> list[Object]:
    """ConfigMaps of the plan with this digest, in order; empty unless all of them exist."""
    maps_of_digest = [config_map for config_map in maps if config_map["metadata"].get("annotations", {}).get(PLAN) == digest]
    maps_of_digest.sort(key=lambda config_map: int(config_map["metadata"]["name"].rpartition("-")[2]))
    count = int(maps_of_digest[0]["metadata"]["annotations"][COUNT]) if maps_of_digest else 0
    return maps_of_digest if count == len(maps_of_digest) else []


def joined(maps: Sequence[Object], digest: str) -> bytes:
    """The compressed plan with this digest; empty unless it is complete. Raises ValueError or KeyError for invalid data."""
    return b"".join(base64.b64decode(config_map["binaryData"]["plan"]) for config_map in maps_of_plan(maps, digest))
