"""Builds that are killed, evicted or hostile: the app is built all the same, and a hostile build gets nothing."""

from __future__ import annotations

import json

import pytest

from tests.cluster.conftest import App, Place
from tests.cluster.moody import deployment
from tests.cluster.test_apps import applied, pushed

pytestmark = pytest.mark.usefixtures("apps_end")

_EXAMPLE = "app-node-express"


def test_the_builder_is_killed_and_evicted(place: Place) -> None:
    name = place.namespace("builder-killed")
    pushed(place, _EXAMPLE)
    app = applied(place, name, _EXAMPLE)
    first = _builder(place, name, "greetings-1-build-1")
    place.cluster.kubectl("delete", "pod", "-n", name, first, "--force", "--grace-period=0")
    second = _builder(place, name, "greetings-1-build-2")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": second, "namespace": name}}
    place.cluster.kubectl(
        "create", "--raw", f"/api/v1/namespaces/{name}/pods/{second}/eviction", "-f", "-", stdin=json.dumps(eviction)
    )
    app.until_live("greetings-1", 120)
    assert app.release("greetings-1")["status"]["attempts"] >= 2, "one that has time to end well may"


def _builder(place: Place, namespace: str, job: str) -> str:
    """The pod of a build, as soon as it is there."""

    def pods() -> list[str]:
        return [p["metadata"]["name"] for p in place.listed("pods", namespace) if p["metadata"]["name"].startswith(job)]

    place.wait(f"{job} has a pod", lambda: pods() != [], 60)
    return pods()[0]


_LOOK = """id -u
ls /var/run/secrets /var/run/landfall /etc/landfall
tr '\\0' '\\n' < /proc/1/environ | grep -i -E 'token|secret|password'
grep -r -l s3cret-push / -s --exclude-dir=proc --exclude-dir=sys
touch /usr/x /handoff/meta/x /handoff/go/x
python3 -c "import urllib.request as u; print(u.urlopen('http://169.254.169.254/', timeout=2).status)" 2>&1 | tail -1
python3 -c "import urllib.request as u; print(u.urlopen('https://kubernetes.default.svc/api/v1/secrets', timeout=2).status)" 2>&1 | tail -1
echo looked around
exit 9
"""


def _tree(build: str, **files: str) -> dict[str, str]:
    manifest = {"dependencies": {"express": "5.1.0"}, "scripts": {"start": "node server.js", "build": build}}
    return {"package.json": json.dumps(manifest), "server.js": 'require("express")().listen(process.env.PORT);\n', **files}


def test_a_hostile_build_gets_nothing(place: Place) -> None:
    """It looks for tokens and credentials, asks the metadata address and the API server, links out of its tree, and eats memory."""
    name = place.namespace("hostile")
    registry = json.dumps({"auths": {"registry.example.com": {"username": "u", "password": "s3cret-push"}}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "landfall-registry", "namespace": name}}
    place.apply({**secret, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": registry}})
    push = place.github.push
    push("example-org/hostile", _tree("sh look.sh", **{"look.sh": _LOOK}), "looks around")
    place.apply(deployment(name, "hostile", source={"github": {"repository": "example-org/hostile"}}))
    app = App(place, name, "hostile")
    message = app.until("BuildFailed", 120)
    assert "looked around" in message
    log = place.cluster.kubectl("logs", "-n", name, _builder(place, name, "hostile-1-build-1"), "-c", "build")
    assert log.splitlines()[log.splitlines().index("$ npm run build") :].count("1000") == 1, "it is nobody"
    for word in ("s3cret-push", "200", "token", "dockerconfigjson", "task.json"):
        assert word not in log, log
    assert log.count("Read-only file system") == 3, log

    push("example-org/hostile", _tree("ln -s /var/run/landfall/token stolen"), "links")
    assert "leaves the app" in app.until("SourceRefused", 120)
    push("example-org/hostile", _tree("node -e 'const a=[];for(;;)a.push(Buffer.alloc(1<<26,1))'"), "eats")
    assert "builds.memory" in app.until("BuildOutOfMemory", 180)
    forks = "import os, time\nkept = bytearray(1 << 23)\nfor _ in range(10):\n    os.fork()\nkept[:] = bytes(1 << 23)\ntime.sleep(600)\n"
    push("example-org/hostile", _tree("python3 forks.py", **{"forks.py": forks}), "forks")
    place.wait("it is ended", lambda: app.release("hostile-4").get("status", {}).get("failure"), 180)
    place.wait("and told", lambda: app.condition()["reason"] in {"BuildOutOfMemory", "BuildFailed"}, 60)
    push("example-org/hostile", _tree("true"), "reforms")
    app.patch(runtime={"healthCheck": {"path": "/none", "timeoutSeconds": 3}})
    assert "returns status 404" in app.until("HealthCheckFailed", 120), "the next build is as good as the first"
