"""From `kubectl apply` to the first row in the target, and what that time is made of: `python -m tests.bench.first_row`."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from landfall.kube.client import Kube
from tests.cluster.conftest import Place, placed

_ROWS, _ROUNDS = 20_000, 5
_STEPS = (
    ("the operator's first status", lambda seen: bool(seen.migration.get("status", {}).get("conditions"))),
    ("the Job of the planning worker is created", lambda seen: "plan" in seen.jobs),
    ("its pod runs", lambda seen: "plan" in seen.running),
    ("the plan is stored", lambda seen: bool(seen.migration.get("status", {}).get("plan"))),
    ("the Job of the copying worker is created", lambda seen: "run" in seen.jobs),
    ("its pod runs", lambda seen: "run" in seen.running),
    ("the first rows are committed", lambda seen: seen.rows > 0),
    ("Completed: all rows verified and cut over", lambda seen: seen.migration.get("status", {}).get("phase") == "Completed"),
)


class _Seen:
    """One look at everything."""

    def __init__(self) -> None:
        self.migration: dict[str, Any] = {}
        self.jobs: set[str] = set()
        self.running: set[str] = set()
        self.rows = 0


async def _look(kube: Kube, place: Place, name: str) -> _Seen:
    state = _Seen()
    state.migration = await kube.get("Migration", name, "shop") or {}
    label = "landfall.dev/verb"
    state.jobs = {j["metadata"]["labels"].get(label, "") for j in await kube.listed("Job", name, label)}
    for pod in await kube.listed("Pod", name, label):
        states = [s.get("state", {}) for s in pod["status"].get("containerStatuses", [])]
        if any("running" in s or "terminated" in s for s in states):
            state.running.add(pod["metadata"]["labels"][label])
    if "run" in state.running:
        with place.pg.connect(name) as target:
            relation = target.execute(b"SELECT to_regclass('landfall.chunk')").fetchone()
            if relation and relation[0]:
                total = target.execute(b"SELECT coalesce(sum(rows),0) FROM landfall.chunk").fetchone()
                state.rows = int(total[0]) if total else 0
    return state


async def _round(kube: Kube, place: Place, number: int) -> list[float]:
    name = place.namespace(f"first-row-{number}")
    place.databases(name, _ROWS)
    *connections_of, migration = place.move(name, name)
    place.apply(*connections_of)
    while any(place.reason(name, end, "connection") != "Reachable" for end in ("old", "new")):
        await asyncio.sleep(0.3)
    began = time.monotonic()
    place.apply(migration)
    reached: list[float] = []
    waiting: list[Callable[[_Seen], bool]] = [test for _, test in _STEPS]
    while waiting:
        state = await _look(kube, place, name)
        while waiting and waiting[0](state):
            waiting.pop(0)
            reached.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    return reached


async def measured() -> str:
    """The section for docs/benchmarks.md."""
    with placed() as place:
        os.environ["KUBECONFIG"] = str(place.cluster.kubeconfig)
        kube = await Kube.connect()
        rounds = [await _round(kube, place, number) for number in range(_ROUNDS)]
        await kube.close()
    lines = []
    before = 0.0
    for at, (step, _) in enumerate(_STEPS):
        times = [round_times[at] for round_times in rounds]
        middle = statistics.median(times)
        lines.append(f"| {step} | {middle:.1f} | {min(times):.1f} to {max(times):.1f} | {middle - before:.1f} |")
        before = middle
    print("\n".join(lines), flush=True)
    return _PAGE.format(rows=_ROWS + 100, rounds=_ROUNDS, lines="\n".join(lines))


_PAGE = """
## From apply to the first row

`make bench-operator` writes this table, for a Migration of {rows:,} rows from MariaDB. The Connections were probed before, and the image is on the node.
Seconds since the start of `kubectl apply`, medians of {rounds} runs, on a cluster of one node. The databases share its 2 cores.

| reached | after, s | all runs | of that, s |
|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    print(asyncio.run(measured()))
