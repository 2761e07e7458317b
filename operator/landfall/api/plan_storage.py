"""Plans in a cluster: a plan is split into ConfigMaps, because of the size limit of the API server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

LABEL_RUN = "landfall.dev/run"
PLAN, COUNT = "landfall.dev/plan", "landfall.dev/pieces"
Object = dict[str, Any]


def of(maps: Sequence[Object], digest: str) -> list[Object]:
    """ConfigMaps of the plan with this digest, in order; empty unless all of them exist."""
    mine = [one for one in maps if one["metadata"].get("annotations", {}).get(PLAN) == digest]
    mine.sort(key=lambda one: int(one["metadata"]["name"].rpartition("-")[2]))
    count = int(mine[0]["metadata"]["annotations"][COUNT]) if mine else 0
    return mine if count == len(mine) else []


def joined(maps: Sequence[Object], digest: str) -> bytes:
    """The compressed plan with this digest; empty unless it is complete. Raises ValueError or KeyError for invalid data."""
    return b"".join(base64.b64decode(one["binaryData"]["plan"]) for one in of(maps, digest))
