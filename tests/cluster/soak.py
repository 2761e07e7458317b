"""Hours of Migrations and Deployments that come, change, go back and go, while the operator is killed every minute: `python -m tests.cluster.soak --minutes 120`.

What must hold: every one of them arrives where its spec says each time; nothing is left of those that went; and what the
operator and the gateway hold (memory, open files, tasks) is in the end what it was in the beginning.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import moody
from tests.cluster.conftest import App, Object, Place, placed
from tests.cluster.install import NAMESPACE

_LANES = 5  # of each kind: what a node of two processors has room for at a time
_KILL_SECONDS = 60
_MEASURED = ("process_resident_memory_bytes", "process_open_fds", "landfall_tasks", "landfall_objects")
_HELD = ("process_resident_memory_bytes", "process_open_fds", "landfall_tasks", "gateway_memory_bytes", "gateway_open_fds")
_GROWS = 1.15  # at most, and by two
Failed = pytest.fail.Exception


@dataclass
class Told:
    """What came of it."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    samples: list[dict[str, float]] = field(default_factory=list)


def _patched(place: Place, namespace: str, spec: Object) -> None:
    told = json.dumps({"spec": spec})
    place.cluster.kubectl("patch", "migration", "-n", namespace, "shop", "--type=merge", "-p", told)


def _migration(place: Place, namespace: str, chance: random.Random) -> None:
    """One life: to its end, or stopped on its way; taken back, and brought again; and gone."""
    rows = chance.choice((200, 3_000, 12_000))
    place.databases(namespace, rows)
    *ends, shop = place.move(namespace, namespace, data={"limits": {"rowsPerSecond": 4_000}, "batchSize": 500})
    place.apply(*ends, shop)
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0, 6))
        _patched(place, namespace, {"desiredState": "Paused"})
        place.wait("it rests", lambda: place.reason(namespace, "shop") in {"Paused", "Completed"})
        _patched(place, namespace, {"desiredState": "Completed"})
    if chance.random() < 0.2:  # deleted in the middle of it
        time.sleep(chance.uniform(0, 6))
    else:
        place.until(namespace, "shop", "Completed")
        assert place.rows(namespace) == rows
        _patched(place, namespace, {"desiredState": "RolledBack"})
        place.until(namespace, "shop", "RolledBack")
        assert place.rows(namespace) == -1
        _patched(place, namespace, {"desiredState": "Completed", "data": {"rerunToken": str(chance.random())}})
        place.until(namespace, "shop", "Completed")
        assert place.rows(namespace) == rows
    place.cluster.kubectl("delete", "migration", "-n", namespace, "shop", "--timeout=300s")
    place.cluster.kubectl("delete", "connections", "-n", namespace, "--all", "--timeout=300s")
    with place.pg.connect(namespace) as target:
        assert target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone() == (0,)


def _deployment(place: Place, namespace: str, chance: random.Random) -> None:
    """One life: live, another release, one that dies, back to the first; and gone."""
    app = App(place, namespace, "moody")
    env = [{"name": "MOOD", "value": "well"}]
    place.apply(moody.deployment(namespace, "moody", env=env))
    app.until_live("moody-1")
    app.serves("mood: well")
    mood = chance.choice(("calm", "merry", "dies"))
    app.patch(env=[{"name": "MOOD", "value": mood}])
    if mood == "dies":
        app.until("CrashLoop")
        app.serves("mood: well")
    else:
        app.until_live("moody-2")
        app.serves(f"mood: {mood}")
        app.patch(rollbackTo={"revision": 1})
        app.until_live("moody-3")
        app.serves("mood: well")
    place.cluster.kubectl("delete", "appdeployment", "-n", namespace, "moody", "--timeout=300s")


_LIVES: dict[str, Callable[[Place, str, random.Random], None]] = {"Migration": _migration, "Deployment": _deployment}
_LEFT = "migrations,runs,appdeployments,releases.landfall.dev,jobs,pods,services,deployments,ingresses"


def _lane(place: Place, told: Told, kind: str, number: int, until: float) -> None:
    chance = random.Random(f"{kind} {number}")
    while time.monotonic() < until:
        namespace = place.namespace(f"soak-{kind[:3].lower()}-{number}")
        try:
            _LIVES[kind](place, namespace, chance)
            place.wait("nothing is left", lambda: place.listed(_LEFT, namespace) == [])  # noqa: B023  asked at once
            told.done[kind] += 1
        except (AssertionError, RuntimeError, Failed) as error:
            told.failures.append(f"{kind} in {namespace}: {str(error)[:600]}")
            sys.stderr.write(f"FAILED {told.failures[-1]}\n")
        orphans = place.orphans(namespace)
        if orphans:
            told.failures.append(f"{kind} in {namespace} leaves behind {orphans}")
        place.cluster.kubectl("delete", "namespace", namespace, "--wait=false")
        place.namespaces.remove(namespace)


def _operator(place: Place) -> Object:
    """Its pod, once it is ready."""
    found: list[Object] = []

    def ready() -> bool:
        pods = [p for p in place.listed("pods", NAMESPACE) if "-operator-" in p["metadata"]["name"]]
        found[:] = [
            p for p in pods if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))
        ]
        return len(found) == 1

    place.wait("the operator is ready", ready)
    return found[0]


def _measured(pod: Object) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    found: Counter[str] = Counter()
    for line in lines:
        name, _, value = line.rpartition(" ")
        if name.partition("{")[0] in _MEASURED:
            found[name.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return dict(found)


def _gateway() -> dict[str, float]:
    """Its process, as this machine sees it."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cmdline").read_bytes().endswith(b"landfall\0gateway\0"):
                resident = int((process / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
                return {"gateway_memory_bytes": resident, "gateway_open_fds": len(list((process / "fd").iterdir()))}
        except OSError:
            continue
    return {}


def _killing(place: Place, told: Told, ended: threading.Event) -> None:
    """Measured, read for faults of its own, and killed: every minute."""
    began = time.monotonic()
    while not ended.wait(_KILL_SECONDS):
        pod = _operator(place)
        name = pod["metadata"]["name"]
        told.samples.append({"minute": round((time.monotonic() - began) / 60, 1), **_measured(pod), **_gateway()})
        log = place.cluster.kubectl("logs", "-n", NAMESPACE, name)
        told.failures += [line[:1000] for line in log.splitlines() if "a fault of the operator" in line]
        place.cluster.kubectl("delete", "pod", "-n", NAMESPACE, name, "--grace-period=0", "--force", check=False)
        told.done["killed"] += 1


def _grown(samples: list[dict[str, float]]) -> list[str]:
    """What the last third holds more than the first."""
    third = max(1, len(samples) // 3)
    found = []
    for name in _HELD:
        first, last = (statistics.median(s[name] for s in part if name in s) for part in (samples[:third], samples[-third:]))
        print(f"{name}: {first:.0f} in the first third, {last:.0f} in the last")
        if last > first * _GROWS + 2:
            found.append(f"{name} grew from {first:.0f} to {last:.0f}")
    return found


def soaked(place: Place, minutes: float) -> Told:
    """All lanes for so long."""
    told, ended = Told(), threading.Event()
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    until = time.monotonic() + 60 * minutes
    killer = threading.Thread(target=_killing, args=(place, told, ended))
    lanes = [
        threading.Thread(target=_lane, args=(place, told, kind, number, until)) for kind in _LIVES for number in range(_LANES)
    ]
    for thread in (killer, *lanes):
        thread.start()
    for thread in lanes:
        thread.join()
    ended.set()
    killer.join()
    told.failures += _grown(told.samples)
    return told


def main() -> None:
    """All of it, and what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="for how long new lives begin")
    parser.add_argument("--samples", type=Path, help="where the measurements go, as JSON")
    asked = parser.parse_args()
    with placed() as place:
        told = soaked(place, asked.minutes)
    if asked.samples:
        asked.samples.write_text(json.dumps(told.samples), encoding="utf-8")
    summary: dict[str, Any] = {"done": dict(told.done), "failed": told.failures}
    print(json.dumps(summary, indent=1))
    sys.exit(1 if told.failures else 0)


if __name__ == "__main__":
    main()
