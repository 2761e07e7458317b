"""How the operator bears many Migrations that are done: `python -m tests.bench.scale 1000 10000`, against a real API server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.kube.client import Kube
from tests.bench import first_row
from tests.bench.page import put
from tests.cluster import images, machine
from tests.cluster.authority import ADDRESS
from tests.cluster.install import NAMESPACE

_SPACE = "scale"
_PORT = 18081
_TICKS = os.sysconf("SC_CLK_TCK")


def migration(number: int, namespace: str = _SPACE) -> dict[str, Any]:
    """One of many."""
    data = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}
    metadata = {"name": f"done-{number:05d}", "namespace": namespace, "finalizers": ["landfall.dev/cleanup"]}
    return {"apiVersion": API_VERSION, "kind": "Migration", "metadata": metadata, "spec": {"data": data}}


def _status(generation: int) -> dict[str, Any]:
    moment = "2026-01-01T00:00:00Z"
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "Completed",
            "message": "",
            "lastTransitionTime": moment,
            "observedGeneration": generation,
        }
        for kind in ("Ready", "Succeeded", "Validated")
    ]
    return {"observedGeneration": generation, "phase": "Completed", "conditions": conditions, "run": "r", "verdict": "equal"}


async def _filled(kube: Kube, count: int) -> None:
    existing = sum([1 async for _ in kube.every("Migration")])
    if existing > count:
        message = f"there are {existing} Migrations already; run `make cluster-down` first"
        raise SystemExit(message)
    await create_done(kube, range(existing, count))


async def create_done(kube: Kube, numbers: Iterable[int], namespace: str = _SPACE, **more: object) -> None:
    """Make Migrations that are done, with more in their status."""
    gate = asyncio.Semaphore(20)

    async def create_one(number: int) -> None:
        async with gate:
            created = await kube.create("Migration", migration(number, namespace))
            status = _status(created["metadata"]["generation"]) | more
            await kube.replace_status("Migration", {**created, "status": status})

    await asyncio.gather(*(create_one(number) for number in numbers))


def _observed() -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    values = re.findall(r'^landfall_objects\{kind="Migration".*\} ([\d.e+]+)$', text, re.MULTILINE)
    return int(sum(map(float, values)))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> int:
    return (
        int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
        // 1024
    )


async def _quiet(pid: int) -> float:
    """When it has used less than a tenth of a CPU for half a second: the backlog of its watch is worked off."""
    while True:
        before = _cpu(pid)
        await asyncio.sleep(0.5)
        if _cpu(pid) - before < 0.05:
            return time.monotonic() - 0.5


async def _measured(kube: Kube, cluster: machine.Cluster, count: int) -> str:
    await _filled(kube, count)
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONPATH": f"{images.ROOT}/operator",
        "LANDFALL_IMAGE": images.OURS,
        "LANDFALL_INTAKE_URL": f"http://{ADDRESS}:8443",
        "LANDFALL_LISTEN_HEALTH": str(_PORT),
        "LANDFALL_JOURNAL_URL": "sqlite:////tmp/landfall-bench-journal.db",
    }
    process = subprocess.Popen([sys.executable, "-m", "landfall", "operator"], env=environment, stderr=subprocess.DEVNULL)
    try:
        began = time.monotonic()
        while _observed() == 0:
            await asyncio.sleep(0.05)
        started = time.monotonic()
        while _observed() < count:
            await asyncio.sleep(0.1)
        observed = time.monotonic() - started
        quiet = await _quiet(process.pid)
        fresh = migration(99_999)
        fresh["metadata"] = {"name": f"new-{os.getpid()}-{count}", "namespace": _SPACE}
        requested_at = time.monotonic()
        await kube.create("Migration", fresh)
        while not ((await kube.get("Migration", _SPACE, fresh["metadata"]["name"])) or {}).get("status", {}).get("conditions"):
            await asyncio.sleep(0.02)
        first = time.monotonic() - requested_at
        await asyncio.sleep(5)
        before = _cpu(process.pid)
        await asyncio.sleep(20)
        idle = (_cpu(process.pid) - before) / 20
        line = f"| {count:,} | {started - began:.1f} | {observed:.1f} | {quiet - started:.1f} | {_resident(process.pid)} | {idle:.1%} | {first:.2f} |"
        print(line, flush=True)
        return line
    finally:
        process.terminate()
        process.wait()


async def _main() -> None:
    first = await first_row.measured()
    cluster = machine.up()
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    cluster.kubectl("apply", "--server-side", "-f", str(images.ROOT / "crds"))
    cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=0", check=False)
    cluster.kubectl("create", "namespace", _SPACE, check=False)
    kube = await Kube.connect()
    lines = [await _measured(kube, cluster, int(count)) for count in sys.argv[1:] or ("1000", "10000")]
    await kube.close()
    put(_PAGE.format(lines="\n".join(lines)))
    put(first)


_PAGE = """
## The operator

`make bench-operator` writes this table, with completed Migrations in a real API server on the same machine. The operator is restarted. The first
columns have the time until it has observed one and then all of them in their current state, and until the backlog of the watch is processed.
The others have its maximum resident memory, its CPU while nothing happens, and the time from the creation of another Migration to its first status.

| Migrations | start, s | all observed after, s | quiet after, s | MB | idle CPU | first status, s |
|---|---|---|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    asyncio.run(_main())
