"""A plan in a cluster: ConfigMaps that hold it in pieces, for none may be larger than the API server's limit."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

LABEL_RUN = "landfall.dev/run"
PLAN, COUNT = "landfall.dev/plan", "landfall.dev/pieces"
Object = dict[str, Any]


def of(maps: Sequence[Object], digest: str) -> list[Object]:
    """Those that hold the plan of this digest, in order; none unless all are there."""
    mine = [one for one in maps if one["metadata"].get("annotations", {}).get(PLAN) == digest]
    mine.sort(key=lambda one: int(one["metadata"]["name"].rpartition("-")[2]))
    count = int(mine[0]["metadata"]["annotations"][COUNT]) if mine else 0
    return mine if count == len(mine) else []


def joined(maps: Sequence[Object], digest: str) -> bytes:
    """The packed plan of this digest; nothing unless all of it is there. Raises ValueError or KeyError for what is no plan."""
    return b"".join(base64.b64decode(one["binaryData"]["plan"]) for one in of(maps, digest))
