"""Two hundred Migrations and two hundred Deployments that come, change, go back and go, while the operator is killed every minute: `python -m tests.cluster.soak --minutes 120`.

What must hold: each of them arrives where its spec says, each time, and is still there at the end, data and page; nothing is left of
those that went; and what the operator and the gateway hold (memory, open files, tasks) is in the end what it was once all were there.
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

_LANES = 5  # of each kind: so many change at a time on a node of two processors
_KILL_SECONDS = 60
_SELDOM = 0.3
_AWAKE = 0.04  # of the apps that rest: as many pods as the node has processors for, beside builds and workers
_MEASURED = ("process_resident_memory_bytes", "process_open_fds", "landfall_tasks", "landfall_objects")
_HELD = ("process_resident_memory_bytes", "process_open_fds", "landfall_tasks", "gateway_memory_bytes", "gateway_open_fds")
_GROWS = 1.15  # at most, and by two
Failed = pytest.fail.Exception


@dataclass
class SoakResults:
    """What came of it."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    samples: list[dict[str, float]] = field(default_factory=list)
    lanes: set[str] = field(default_factory=set)  # those that have as many as they should
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def full(self) -> bool:
        """Whether all are there."""
        return len(self.lanes) == _LANES * len(_KINDS)

    def fill(self, lane: str) -> None:
        """A lane has all of its lives; once each has, what is held is compared from there on."""
        self.lanes.add(lane)

    def did(self, event: str) -> None:
        """One more of these."""
        with self.lock:
            self.done[event] += 1

    def failed(self, message: str) -> None:
        """Said at once, and in the end."""
        self.failures.append(message)
        print(f"FAILED {message}", file=sys.stderr, flush=True)


class _Migration:
    """One that comes, goes back, comes again, and goes."""

    def __init__(self, place: Place, namespace: str, chance: random.Random) -> None:
        self.place, self.namespace, self.chance = place, namespace, chance
        self.rows = chance.choice((200, 3_000, 12_000))
        self.rests = "Completed"

    def _patch(self, **spec: object) -> None:
        self.place.objects.patch("migration", self.namespace, "shop", {"spec": spec})

    def _arrives(self, reason: str) -> None:
        self.rests = reason
        self.place.until(self.namespace, "shop", reason)
        self.check()

    def _paused(self) -> None:
        """Stopped on its way, now and then."""
        if self.chance.random() < _SELDOM:
            time.sleep(self.chance.uniform(0, 6))
            self._patch(desiredState="Paused")
            self.place.wait("it rests", lambda: self.place.reason(self.namespace, "shop") in {"Paused", "Completed"})
            self._patch(desiredState="Completed")

    def _again(self) -> None:
        self._patch(desiredState="Completed", data={"rerunToken": str(self.chance.random())})

    def begin(self) -> None:
        """Data that moves."""
        self.place.databases(self.namespace, self.rows)
        data = {"limits": {"rowsPerSecond": 4_000}, "batchSize": 500}
        self.place.apply(*self.place.move(self.namespace, self.namespace, data=data))
        self._paused()
        self._arrives("Completed")

    def change(self) -> None:
        """Back, where it has come, and mostly once more."""
        if self.rests == "Completed":
            self._patch(desiredState="RolledBack")
            self._arrives("RolledBack")
            if self.chance.random() < _SELDOM:
                return
        self._again()
        self._paused()
        self._arrives("Completed")

    def check(self) -> None:
        """All of its rows are where they should be, or none."""
        assert self.place.reason(self.namespace, "shop") == self.rests
        count = self.place.rows(self.namespace)
        assert count == (self.rows if self.rests == "Completed" else -1), f"{count} rows of {self.rows}, {self.rests}"

    def end(self) -> None:
        """Deleted, now and then in the middle of a run."""
        if self.rests == "RolledBack" and self.chance.random() < _SELDOM:
            self._again()
            time.sleep(self.chance.uniform(0, 6))
        self.place.objects.delete("migration", self.namespace, "shop")
        self.place.cluster.kubectl("delete", "connections", "-n", self.namespace, "--all", "--timeout=300s")
        with self.place.pg.connect(self.namespace) as target:
            assert target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone() == (0,)


class _Deployment:
    """One that is released, falls ill, goes back, sleeps, and goes."""

    def __init__(self, place: Place, namespace: str, chance: random.Random) -> None:
        self.place, self.namespace, self.chance = place, namespace, chance
        self.app = App(place, namespace, "moody")
        self.releases = 0
        self.live = 0
        self.moods: dict[int, str] = {}
        self.awake = True

    def _env(self) -> list[Object]:
        mood = self.chance.choice([m for m in ("calm", "merry", "well", "wry") if m != self.moods.get(self.live)])
        self.releases += 1
        self.moods[self.releases] = mood
        return [{"name": "MOOD", "value": mood}]

    def _goes_live(self) -> None:
        self.app.until_live(f"moody-{self.releases}")
        self.live = self.releases
        self.check()

    def _falls_asleep(self) -> None:
        """Most do, or the node would be full."""
        self.awake = self.chance.random() < _AWAKE
        if not self.awake:
            self._scaled(0)

    def _scaled(self, replicas: int) -> None:
        self.app.patch(replicas=replicas)
        self.place.wait(f"{self.namespace} is scaled", lambda: self.app.status.get("replicas", 0) == replicas)

    def begin(self) -> None:
        """An app that serves."""
        self.place.apply(moody.deployment(self.namespace, "moody", env=self._env()))
        self._goes_live()
        self._falls_asleep()

    def change(self) -> None:
        """Another release, one that dies, or back to the one that served before."""
        if not self.awake:
            self._scaled(1)
            self.awake = True
            self.check()
        kind = self.chance.choice(("another", "another", "dies", "back"))
        if kind == "dies":
            self.releases += 1
            self.app.patch(env=[{"name": "MOOD", "value": "dies"}], rollbackTo=None)
            self.app.until("CrashLoop")
            self.check()
        self.app.patch(env=self._env(), rollbackTo=None)
        before = self.live
        self._goes_live()
        if kind == "back":
            self.app.patch(rollbackTo={"revision": before})
            self.releases += 1
            self.moods[self.releases] = self.moods[before]
            self._goes_live()
        self._falls_asleep()

    def check(self) -> None:
        """The release that should be live is, and serves."""
        assert self.app.status.get("live") == f"moody-{self.live}"
        if self.awake:
            self.app.serves(f"mood: {self.moods[self.live]}")
        else:
            assert self.app.status.get("replicas", 0) == 0

    def end(self) -> None:
        """Deleted."""
        self.place.objects.delete("appdeployment", self.namespace, "moody")


_Life = _Migration | _Deployment
_KINDS: dict[str, Callable[[Place, str, random.Random], _Life]] = {"Migration": _Migration, "Deployment": _Deployment}
_LEFT = "migrations,runs,appdeployments,releases.landfall.dev,jobs,pods,services,deployments,ingresses"


class _Lane:
    """So many of one kind, that are changed one after the other."""

    def __init__(self, place: Place, results: SoakResults, kind: str, number: int, population: int) -> None:
        self.place, self.results, self.kind, self.number, self.population = place, results, kind, number, population
        self.chance = random.Random(f"{kind} {number}")
        self.living: list[_Life] = []

    def run(self, until: float) -> None:
        """Lives begin, until there are as many as there should be; then they change, or end and others begin; all end in the end."""
        while time.monotonic() < until:
            if len(self.living) < self.population:
                self._begin()
            else:
                self.results.fill(f"{self.kind} {self.number}")
                life = self.chance.choice(self.living)
                self._step(life, "ended" if self.chance.random() < _SELDOM else "changed")
        for life in list(self.living):
            self._step(life, "found as it should be")
        for life in list(self.living):
            self._step(life, "ended")

    def _begin(self) -> None:
        namespace = self.place.namespace(f"soak-{self.kind[:3].lower()}-{self.number}")
        life = _KINDS[self.kind](self.place, namespace, self.chance)
        self.living.append(life)
        self._step(life, "begun")

    def _step(self, life: _Life, step: str) -> None:
        try:
            {"begun": life.begin, "changed": life.change, "found as it should be": life.check, "ended": life.end}[step]()
            if step == "ended":
                self.place.wait("nothing is left", lambda: self.place.listed(_LEFT, life.namespace) == [])
            self.results.did(f"{self.kind}s {step}")
        except (Exception, Failed) as error:  # noqa: BLE001  whatever a life ends of is told, and the others go on
            kinds = "migrations,runs,appdeployments,releases.landfall.dev,jobs,pods"
            stands = self.place.cluster.kubectl("get", kinds, "-n", life.namespace, "-o", "wide", check=False)
            self.results.failed(f"{self.kind} in {life.namespace}, {step}: {str(error)[:300]}\n{stands}")
            step = "ended"
        if step == "ended":
            if orphans := self.place.orphans(life.namespace):
                self.results.failed(f"{self.kind} in {life.namespace} leaves behind {orphans}")
            self.living.remove(life)
            self.place.cluster.kubectl("delete", "namespace", life.namespace, "--wait=false")
            self.place.namespaces.remove(life.namespace)


def _operator(place: Place) -> Object:
    """Its pod, once it is ready."""
    operator_pods: list[Object] = []

    def ready() -> bool:
        pods = [p for p in place.listed("pods", NAMESPACE) if "-operator-" in p["metadata"]["name"]]
        operator_pods[:] = [
            p for p in pods if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))
        ]
        return len(operator_pods) == 1

    place.wait("the operator is ready", ready)
    return operator_pods[0]


def _measured(pod: Object) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    values: Counter[str] = Counter()
    for line in lines:
        name, _, value = line.rpartition(" ")
        if name.partition("{")[0] in _MEASURED:
            values[name.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return dict(values)


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


def _killing(place: Place, results: SoakResults, until: float, stopped: threading.Event) -> None:
    """Measured, read for faults of its own, and killed: every minute."""
    began = time.monotonic()
    while not stopped.wait(_KILL_SECONDS):
        try:
            pod = _operator(place)
            name = pod["metadata"]["name"]
            minute = round((time.monotonic() - began) / 60, 1)
            sample = {"minute": minute, "full": float(results.full and time.monotonic() < until), **_measured(pod), **_gateway()}
            log = place.cluster.kubectl("logs", "-n", NAMESPACE, name)
        except (OSError, RuntimeError, Failed) as error:
            results.failed(f"the operator is not to be measured: {str(error)[:3000]}")
            continue
        results.samples.append(sample)
        print(json.dumps(sample), json.dumps(dict(results.done)), flush=True)
        for line in log.splitlines():
            if '"event": "reconcile_failed"' in line and '"trace"' in line:
                results.failed(line[:1000])
        place.cluster.kubectl("delete", "pod", "-n", NAMESPACE, name, "--grace-period=0", "--force", check=False)
        results.did("operators killed")


def _grown(samples: list[dict[str, float]]) -> list[str]:
    """What the last third holds more than the first, since all were there."""
    samples = [sample for sample in samples if sample["full"]]
    if not samples:
        return ["there were never as many as there should have been"]
    third = max(1, len(samples) // 3)
    growths = []
    for name in _HELD:
        first, last = (statistics.median(s[name] for s in part if name in s) for part in (samples[:third], samples[-third:]))
        print(f"{name}: {first:.0f} in the first third, {last:.0f} in the last")
        if last > first * _GROWS + 2:
            growths.append(f"{name} grew from {first:.0f} to {last:.0f}")
    return growths


def soaked(place: Place, minutes: float, population: int) -> SoakResults:
    """All lanes for so long, with so many of each kind at a time."""
    results, stopped = SoakResults(), threading.Event()
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    until = time.monotonic() + 60 * minutes
    killer = threading.Thread(target=_killing, args=(place, results, until, stopped))
    each = population // _LANES
    lanes = [_Lane(place, results, kind, number, each) for kind in _KINDS for number in range(_LANES)]
    threads = [threading.Thread(target=lane.run, args=(until,)) for lane in lanes]
    for thread in (killer, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stopped.set()
    killer.join()
    results.failures += _grown(results.samples)
    return results


def main() -> None:
    """All of it, and what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="for how long lives begin and change")
    parser.add_argument("--population", type=int, default=200, help="how many of each kind there are at a time")
    parser.add_argument("--samples", type=Path, help="where the measurements go, as JSON")
    arguments = parser.parse_args()
    with placed() as place:
        results = soaked(place, arguments.minutes, arguments.population)
    if arguments.samples:
        arguments.samples.write_text(json.dumps(results.samples), encoding="utf-8")
    summary: dict[str, Any] = {"done": dict(results.done), "failed": results.failures}
    print(json.dumps(summary, indent=1))
    sys.exit(1 if results.failures else 0)


if __name__ == "__main__":
    main()
