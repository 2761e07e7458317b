"""Changes of specs, and faults in every life, against a real cluster: `python -m tests.cluster.campaign`; samples of both are tests.

Each plan begins where the seed has arrived, changes it, and takes the change back. What must hold: the API server refuses
it, or it settles and is then left alone; taken back, it is where it was before; the operator neither ends nor stumbles;
nothing is orphaned, and nothing of others is touched. Chains are several changes in a row that nobody waits for.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from landfall.api.crd import BY_NAME, structural
from landfall.api.fields import API_VERSION
from tests.cluster import moody
from tests.cluster.app_lives import APP_LIVES
from tests.cluster.astray import EVERY, all_astray
from tests.cluster.changes import Change, Spec, chain, changes
from tests.cluster.conftest import App, Object, Place, placed
from tests.cluster.install import NAMESPACE
from tests.cluster.lives import LIVES

LANES = 5
_SETTLES_SECONDS = 60
_BYSTANDERS = ("secrets", "configmaps", "services", "serviceaccounts", "deployments")
Failed = pytest.fail.Exception
Plan = tuple[Change, ...]
SEEDS: dict[str, Spec] = {
    "Migration": {
        "data": {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": "new"}}},
        "desiredState": "Completed",
    },
    "Deployment": {
        "source": {"github": {"repository": moody.REPOSITORY, "branch": "main"}},
        "env": [{"name": "MOOD", "value": "well"}],
        "rollout": {"observeSeconds": 1, "drainSeconds": 1, "keepWarmSeconds": 0},
        "runtime": {"healthCheck": {"timeoutSeconds": 15}},
    },
}


@dataclass(slots=True)
class CampaignResults:
    """What came of a campaign."""

    plans: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Lane(ABC):
    """One object in a namespace of its own, on which plans are tried one after the other."""

    kind: str
    name: str

    def __init__(self, place: Place) -> None:
        self.place = place
        self.namespace = place.namespace(f"plans-{self.kind[:3].lower()}")
        self.seed = copy.deepcopy(SEEDS[self.kind])
        self.prepare()
        self._put(self.seed)
        self.arrive()
        self.others = self._others()

    def prepare(self) -> None:
        """Things of somebody else in the same namespace; and what it needs."""
        labels = {"app": "somebody-elses"}
        container = {"name": "a", "image": "registry.example.invalid/a:1"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        workload = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        service = {"selector": labels, "ports": [{"port": 80}]}
        kinds: list[tuple[str, str, Object]] = [
            ("v1", "Secret", {"stringData": {"pass-phrase": "of somebody else"}}),
            ("v1", "ConfigMap", {"data": {"a": "b"}}),
            ("v1", "Service", {"spec": service}),
            ("apps/v1", "Deployment", {"spec": workload}),
        ]
        metadata = {"name": "somebody-elses", "namespace": self.namespace}
        self.place.apply(*({"apiVersion": version, "kind": kind, "metadata": metadata, **more} for version, kind, more in kinds))

    @abstractmethod
    def arrive(self) -> None:
        """Where the seed leads; fails where it is not there in time."""

    def run(self, plan: Plan) -> str:
        """Try one; what came of it. Raises AssertionError, or what a wait fails with."""
        spec, outcome = self.seed, "refused"
        for change in plan:
            changed_spec = change.of(spec)
            if self._put(changed_spec):
                spec, outcome = changed_spec, "settled"
                if len(plan) > 1:
                    time.sleep(0.5)
        if outcome == "settled":
            outcome = self._settled()
            self._left_alone()
        self._put(self.seed)
        self.arrive()
        return outcome

    def end(self) -> None:
        """Nobody else's things have changed, nothing is orphaned, and it goes without a trace."""
        assert self._others() == self.others, "what is beside it was touched"
        orphans = self.place.orphans(self.namespace)
        assert not orphans, f"orphaned: {orphans}"
        plural = BY_NAME[self.kind].plural
        self.place.objects.delete(plural, self.namespace, self.name)
        kinds = "runs,releases.landfall.dev,jobs,pods"
        self.place.wait(
            "nothing is left over", lambda: not [o for o in self.place.listed(kinds, self.namespace) if _of(o, self.name)], 60
        )
        assert self._others() == self.others, "what is beside it was touched when it went"

    def raw(self) -> Object:
        """As it is now."""
        return self.place.get(BY_NAME[self.kind].plural, self.namespace, self.name)

    def ready(self) -> Object:
        """That condition."""
        return next((c for c in self.raw().get("status", {}).get("conditions", []) if c["type"] == "Ready"), {})

    def _put(self, spec: Spec) -> bool:
        """Whether the API server takes it. It says why not."""
        metadata = {"name": self.name, "namespace": self.namespace}
        document = json.dumps({"apiVersion": API_VERSION, "kind": self.kind, "metadata": metadata, "spec": spec})
        try:
            self.place.cluster.kubectl("apply", "-f", "-", stdin=document)  # server-side apply makes null of some empty objects
        except RuntimeError as error:
            assert "invalid" in str(error).lower(), error  # noqa: PT017  any other refusal is a fault
            return False
        return True

    def _settled(self) -> str:
        """Its reason, once it has come to rest: done, or waiting for somebody."""

        def rests() -> bool:
            raw = self.raw()
            conditions = {c["type"]: c for c in raw.get("status", {}).get("conditions", [])}
            current = raw.get("status", {}).get("observedGeneration") == raw["metadata"]["generation"]
            return current and "Ready" in conditions and conditions.get("Reconciling", {}).get("status") != "True"

        self.place.wait(f"{self.name} of {self.namespace} comes to rest", rests, _SETTLES_SECONDS)
        return str(self.ready()["reason"])

    def _left_alone(self) -> None:
        """It is not written to again and again."""
        versions = []
        for _ in range(5):
            versions.append(self.raw()["metadata"]["resourceVersion"])
            time.sleep(0.6)
        assert len(set(versions)) < len(versions), f"it is written to without end: {versions}"

    def _others(self) -> dict[str, str]:
        """What is not ours, by its kind and name, as it is."""
        return {
            f"{kind} {raw['metadata']['name']}": json.dumps({k: v for k, v in raw.items() if k not in {"metadata", "status"}})
            for kind in _BYSTANDERS
            for raw in self.place.listed(kind, self.namespace)
            if not _of(raw, self.name) and not raw["metadata"].get("ownerReferences")
        }


class Moves(Lane):
    """A Migration that has moved a small database."""

    kind = "Migration"
    name = "shop"

    def prepare(self) -> None:
        """Databases, Connections and Secrets."""
        super().prepare()
        name = self.namespace
        self.place.maria.database(name)
        self.place.maria.sql("CREATE TABLE item (id INT PRIMARY KEY, note TEXT); INSERT INTO item VALUES (1,'a'),(2,'b')", name)
        self.place.empty(name)
        self.place.apply(*self.place.move(name, name)[:-1])

    def arrive(self) -> None:
        """Completed. A run that was begun meanwhile is dropped only at a word, and one that was cancelled or rolled back is not taken up again: what their messages say is done."""
        self._settled()
        if self.ready()["reason"] == "RunStarted":
            self._put({**self.seed, "desiredState": "Cancelled"})
            self._settled()
            self._put(self.seed)
            self._settled()
        if self.ready()["reason"] == "RunEnded":
            self.seed = copy.deepcopy(self.seed)
            self.seed["data"]["rerunToken"] = f"again-{time.monotonic_ns()}"
            self._put(self.seed)
            self._settled()
        ready = self.ready()
        assert (ready["status"], ready["reason"]) in {("True", "Completed"), ("True", "AlreadyCompleted")}, ready
        assert self.place.rows(self.namespace) == 2


class Apps(Lane):
    """A Deployment that is live."""

    kind = "Deployment"
    name = "moody"

    def arrive(self) -> None:
        """Live, and it answers as the seed says."""
        app = App(self.place, self.namespace, self.name)
        self._settled()
        ready = self.ready()
        assert (ready["status"], ready["reason"]) == ("True", "Live"), ready
        app.serves("mood: well")


_LANES: dict[str, type[Lane]] = {"Migration": Moves, "Deployment": Apps}


def plans(kind: str, chains: int) -> list[Plan]:
    """Every single change of a kind's seed, and so many chains of ten."""
    schema = structural(BY_NAME[kind].model)["properties"]["spec"]
    every = changes(schema, SEEDS[kind])
    return [*((change,) for change in every), *(tuple(chain(every, number, 10)) for number in range(chains))]


def tried(place: Place, chosen_plans: dict[str, Sequence[Plan]]) -> CampaignResults:
    """Plans by their kind, on several lanes at a time."""
    results = CampaignResults()
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    before = _restarts(place)
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    parts = [(kind, part) for kind, every in chosen_plans.items() for part in _dealt(every, max(1, LANES // len(chosen_plans)))]
    with ThreadPoolExecutor(len(parts)) as pool:
        for future in [pool.submit(_lane, place, kind, part, results) for kind, part in parts]:
            future.result()
    log = place.cluster.kubectl("logs", "-n", NAMESPACE, "deployment/landfall-operator", f"--since-time={began}")
    results.failures += [line[:1000] for line in log.splitlines() if '"event": "reconcile_failed"' in line and '"trace"' in line]
    if _restarts(place) != before:
        results.failures.append("the operator's process ended")
    return results


def _lane(place: Place, kind: str, part: Sequence[Plan], results: CampaignResults) -> None:
    """Plans one after the other; behind a failure on a new object."""
    lane: Lane | None = None
    for plan in part:
        results.plans[kind] += 1
        if (count := sum(results.plans.values())) % 10 == 0:
            sys.stderr.write(f"{count} plans begun, {len(results.failures)} failures\n")
        try:
            lane = lane or _LANES[kind](place)
            results.outcomes[f"{kind} {lane.run(plan)}"] += 1
        except (AssertionError, RuntimeError, Failed) as error:
            _failed(results, kind, lane, " and then ".join(map(str, plan)), error)
            lane = None
    if lane:
        try:
            lane.end()
        except (AssertionError, RuntimeError, Failed) as error:
            _failed(results, kind, lane, "its end", error)


def _failed(results: CampaignResults, kind: str, lane: Lane | None, description: str, error: BaseException) -> None:
    place_text = f" in {lane.namespace}: {json.dumps(lane.ready())}" if lane else ""
    at = traceback.extract_tb(error.__traceback__)[-1]
    results.failures.append(f"{kind}: {description}{place_text}: {at.line}: {str(error)[:600]}")
    sys.stderr.write(f"FAILED {results.failures[-1]}\n")


def _astray(place: Place, results: CampaignResults, every: Sequence[tuple[str, str]]) -> None:
    """Faults in lives."""

    def report(number: int) -> None:
        if number % 10 == 0:
            sys.stderr.write(f"{number} of {len(every)} faults in lives have ended\n")

    for (fault, life), future in all_astray(place, every, report).items():
        results.plans["Faults"] += 1
        try:
            future.result()
            results.outcomes[f"Faults {fault}"] += 1
        except (AssertionError, RuntimeError, Failed) as error:
            _failed(results, "Faults", None, f"{fault} in the life {life}", error)


def _dealt(every: Sequence[Plan], hands: int) -> Iterable[Sequence[Plan]]:
    return [part for number in range(hands) if (part := every[number::hands])]


def _restarts(place: Place) -> list[Any]:
    pods = [p for p in place.listed("pods", NAMESPACE) if "operator" in p["metadata"]["name"]]
    return sorted((p["metadata"]["uid"], s["restartCount"]) for p in pods for s in p["status"].get("containerStatuses", []))


def _of(raw: Object, name: str) -> bool:
    """Whether it is a child of an object of that name: all of them begin with it."""
    return str(raw["metadata"]["name"]).startswith(name)


def main() -> None:
    """All of it, and what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=25, help="chains of ten changes, of each kind")
    parser.add_argument("--every", type=int, default=1, help="take each Nth plan alone")
    parser.add_argument(
        "--kind", choices=[*sorted(_LANES), "Faults"], help="of one kind alone; Faults are every fault in every life"
    )
    arguments = parser.parse_args()
    with placed() as place:
        kinds = [kind for kind in _LANES if arguments.kind in {None, kind}]
        results = (
            tried(place, {kind: plans(kind, arguments.chains)[:: arguments.every] for kind in kinds})
            if kinds
            else CampaignResults()
        )
        if arguments.kind in {None, "Faults"}:
            _astray(place, results, [(fault, life) for life in (*LIVES, *APP_LIVES) for fault in EVERY][:: arguments.every])
    print(
        json.dumps(
            {"plans": dict(results.plans), "outcomes": dict(results.outcomes.most_common()), "failed": results.failures}, indent=1
        )
    )
    sys.exit(1 if results.failures else 0)


if __name__ == "__main__":
    main()
