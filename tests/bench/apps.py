"""From `kubectl apply` to the first answer, and back: `python -m tests.bench.apps`, the four examples in a cluster on this machine.

The peer of going back is Kubernetes' own `rollout undo` of a Deployment of the same two images, asked in the same run.
"""

from __future__ import annotations

import statistics
import sys
import time
from http.client import HTTPConnection
from typing import Any

from tests.bench.page import put
from tests.cluster.conftest import App, Place, placed
from tests.cluster.test_apps import EXAMPLES, applied, pushed, sources

_EXAMPLES = ("app-node-express", "app-python-fastapi", "app-react-vite", "app-nextjs")
_ENTRY = {
    "app-node-express": "server.js",
    "app-python-fastapi": "main.py",
    "app-react-vite": "index.html",
    "app-nextjs": "app/page.jsx",
}
_TEXT = {
    "app-node-express": "version 1",
    "app-python-fastapi": '"version":"1"',
    "app-react-vite": "version 1",
    "app-nextjs": "version",
}
_BACK, _BACK_COLD, _PODS = 8, 5, 1
_MEBI = 1 << 20


def main() -> None:
    """All of it, into docs/benchmarks.md."""
    with placed() as place:
        rows = []
        for example in _EXAMPLES:
            rows.append(_brought(place, example))
            sys.stdout.write(f"{rows[-1]}\n")
            sys.stdout.flush()
        put(_PAGE.format(rows="\n".join(rows), **_back(place)))


def _brought(place: Place, example: str) -> str:
    """The first commit, and a second one that changes no package."""
    name = place.namespace(f"bench-{example}")
    pushed(place, example)
    began = time.monotonic()
    app = applied(place, name, example)
    first = _answers(app, began, _TEXT[example])
    release = app.until_live(f"{app.name}-1")
    entry = _ENTRY[example]
    files = sources(EXAMPLES / example / "app")
    key = entry.replace(".", "_").replace("/", "_")
    changed = files[entry].replace("version 1", "version 2").replace('"1"', '"2"')
    app.patch(rollout={"follow": False})
    sha = pushed(place, example, "feat: second", **{key: changed})
    place.wait("the packages are kept for the next build", lambda: not place.active(name), 120)
    began = time.monotonic()
    app.patch(source={"github": {"commit": sha}})
    place.wait("the second is live", lambda: app.status.get("live") == f"{app.name}-2", 240)
    second = time.monotonic() - began
    again = app.release(f"{app.name}-2")["status"]["build"]
    place.cluster.kubectl("delete", "namespace", name, "--wait=false")
    built = release["build"]

    def steps(build: dict[str, Any]) -> str:
        return " | ".join(f"{build.get(f'{step}Seconds', 0):.1f}" for step in ("install", "build", "push"))

    size = f"{built['imageBytes'] / _MEBI:.0f} | {built['pushedBytes'] / _MEBI:.1f} | {again.get('pushedBytes', 0) / _MEBI:.2f}"
    return f"| {built['framework']} | {first:.1f} | {steps(built)} | {second:.1f} | {steps(again)} | {size} |"


def _answers(app: App, began: float, text: str) -> float:
    """Seconds until its page has a text."""
    while True:
        try:
            if text in app.page()[1]:
                return time.monotonic() - began
        except (OSError, KeyError):
            pass
        time.sleep(0.02)


def _back(place: Place) -> dict[str, float]:
    """From a new release back to the one before, warm and cold; and the peer, with pods as many."""
    name = place.namespace("bench-back")
    pushed(place, "app-node-express")
    app = applied(place, name, "app-node-express", observeSeconds=0, drainSeconds=0)
    app.patch(replicas=_PODS, env=_greeting(0))
    app.place.wait("it is live", lambda: bool(app.status.get("live")), 120)
    app.serves("pier 0")
    warm = [_gone_back(app, number, 600) for number in range(1, _BACK + 1)]
    cold = [_gone_back(app, number, 0) for number in range(_BACK + 1, _BACK + _BACK_COLD + 1)]
    peer = _undone(place, name, str(app.release(app.status["live"])["spec"]["image"]))
    medians = {"warm": statistics.median(warm), "cold": statistics.median(cold), "peer": statistics.median(peer)}
    most = {"warm_most": max(warm), "cold_most": max(cold), "peer_most": max(peer)}
    return {**medians, **most, "ratio": medians["peer"] / medians["warm"], "times": _BACK, "fewer": _BACK_COLD}


def _greeting(number: int) -> list[dict[str, str]]:
    return [{"name": "GREETING", "value": f"pier {number}"}]


def _gone_back(app: App, number: int, warm_seconds: int) -> float:
    """A new release, and when the one before rests, the way back to it: seconds from the answered patch to its first page."""
    serves = app.place.get("service", app.namespace, app.name)["metadata"]["annotations"]
    before, text = serves["landfall.dev/release"], app.page()[1]  # the Service knows first
    app.patch(rollbackTo=None, env=_greeting(number), rollout={"keepWarmSeconds": warm_seconds})
    app.serves(f"pier {number}")
    _rested(app, cold=warm_seconds == 0)
    address = app.address()
    app.patch(rollbackTo={"release": before})
    return _answer_seconds(address, text)


def _rested(app: App, *, cold: bool) -> None:
    """Until what does not serve is as it should be: one of two fresh and ready pods, or none; and no pod is on its way."""

    def so() -> bool:
        live = app.place.get("service", app.namespace, app.name)["spec"]["selector"]["landfall.dev/workload"]
        other_deployments = [d for d in app.place.listed("deployments.apps", app.namespace) if d["metadata"]["name"] != live]
        ready = sum(d["status"].get("readyReplicas", 0) for d in other_deployments)
        running = [p for p in app.place.listed("pods", app.namespace) if p["status"]["phase"] == "Running"]
        return ready == (0 if cold else _PODS) and len(running) == (_PODS if cold else 2 * _PODS)

    app.place.wait("the other release rests", so, 120)
    time.sleep(1)


def _answer_seconds(address: str, text: str) -> float:
    """Seconds until a page has a text."""
    began = time.monotonic()
    while True:
        connection = HTTPConnection(address, 80, timeout=5)
        try:
            connection.request("GET", "/")
            if text in connection.getresponse().read().decode():
                return time.monotonic() - began
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.003)


def _undone(place: Place, name: str, image: str) -> list[float]:
    """`kubectl rollout undo`, from its end to the first page of the other revision."""
    labels = {"app": "peer"}
    container = {
        "name": "app",
        "image": image,
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 3000}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "env": [{"name": "PORT", "value": "3000"}, *_greeting(0)],
    }
    pod = {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [container]}
    spec = {"replicas": _PODS, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "peer", "namespace": name}, "spec": spec}
    ports = {"selector": labels, "ports": [{"port": 80, "targetPort": 3000}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "peer", "namespace": name}, "spec": ports}
    place.apply(workload, service)
    kubectl = place.cluster.kubectl

    def wait_until_settled() -> None:
        kubectl("rollout", "status", "-n", name, "deployment.apps/peer", "--timeout=60s")

    wait_until_settled()
    kubectl("set", "env", "-n", name, "deployment.apps/peer", "GREETING=pier 1")
    wait_until_settled()
    address, seconds = App(place, name, "peer").address(), []
    for number in range(_BACK_COLD):
        time.sleep(2)
        kubectl("rollout", "undo", "-n", name, "deployment.apps/peer")
        seconds.append(_answer_seconds(address, f"pier {number % 2}"))
        wait_until_settled()
    return seconds


_PAGE = """
## Apps

`make bench-apps` writes this table, for the four examples in a cluster on the same machine. Builder and base images are on the node; package registries
are reached over the network. "Apply to 200" are the seconds from `kubectl apply` to the first response. "Patch to live" are the seconds from the patch
of the spec until another commit, which changes no package, is live. Install, build and push are steps of both. Sizes are compressed, in MiB: the
image with its base, and the data that was sent the first and the second time.

| app | apply to 200 | install | build | push | patch to live | install | build | push | image | sent | sent again |
|---|---|---|---|---|---|---|---|---|---|---|---|
{rows}

Rollback, from the patch of the spec to the first response of the previous release, with one pod ({times} times warm, {fewer} times each of the others):
**warm {warm:.2f} s** (at most {warm_most:.2f}), **cold {cold:.2f} s** (at most {cold_most:.2f}). Kubernetes' own `rollout undo` between the same images
takes {peer:.2f} s (at most {peer_most:.2f}), {ratio:.1f} times as long as warm. Until its rollout is complete, both versions respond.
"""

if __name__ == "__main__":
    main()
