"""Apps from repositories, live in a cluster: the four examples, a change, a bad change, and the ways back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.cluster import images
from tests.cluster.authority import ADDRESS
from tests.cluster.conftest import PASSWORD, App, Object, Place
from tests.support.git import GitHost
from tests.support.packages import BUN, POETRY

pytestmark = pytest.mark.usefixtures("apps_end")

EXAMPLES = images.ROOT / "examples"
_FAST = {"observeSeconds": 4, "drainSeconds": 2, "keepWarmSeconds": 10}
_APPS = {
    "app-node-express": "Hello from the harbour, version 1",
    "app-python-fastapi": '{"hello":"the harbour","version":"1"}',
    "app-react-vite": "<title>Storefront, version 1</title>",
    "app-nextjs": "version",
}


def _answers(app: App, service: str) -> bool:
    with contextlib.suppress(OSError):
        return app.page(service=service)[0] == 200
    return False


def sources(folder: Path) -> dict[str, str]:
    """The files of a repository."""
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in sorted(folder.rglob("*")) if p.is_file()}


def pushed(place: Place, example: str, message: str = "feat: first", **changed: str) -> str:
    """An example's app as a commit; `changed` files are keyed by their names with dots as underscores."""
    files = sources(EXAMPLES / example / "app")
    by_keyword = {name.replace(".", "_").replace("/", "_"): name for name in files}
    return place.github.push(repository(example), files | {by_keyword[k]: v for k, v in changed.items()}, message)


def repository(example: str) -> str:
    """The repository of `manifest`."""
    return str(manifest(example)["spec"]["source"]["github"]["repository"])


def manifest(example: str) -> Object:
    """The example's Deployment, of a repository that no other test process pushes to."""
    document = dict(yaml.safe_load((EXAMPLES / example / "deployment.yaml").read_text(encoding="utf-8")))
    document["spec"]["source"]["github"]["repository"] += os.environ.get("PYTEST_XDIST_WORKER", "")
    return document


def applied(place: Place, namespace: str, example: str, token: str = "", **rollout: object) -> App:
    """The example's manifest, with a quicker rollout, and a token where one is given."""
    document = manifest(example)
    if token:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "github", "namespace": namespace}}
        place.apply({**secret, "stringData": {"token": token}})
        document["spec"]["source"]["github"]["tokenSecretRef"] = {"name": "github"}
    document["metadata"]["namespace"] = namespace
    document["spec"]["rollout"] = {**_FAST, **rollout}
    place.apply(document)
    return App(place, namespace, document["metadata"]["name"])


@pytest.mark.parametrize("example", list(_APPS))
def test_an_example_goes_live(place: Place, example: str) -> None:
    name = place.namespace(example)
    sha = pushed(place, example)
    app = applied(place, name, example)
    status = app.until_live(f"{app.name}-1", 240)
    assert status["build"]["framework"] == example.removeprefix("app-")
    assert status["build"]["evidence"]
    app.serves(_APPS[example])
    place.wait("its preview", lambda: bool(app.release(f"{app.name}-1")["status"].get("preview")), 30)
    place.wait("its preview answers", lambda: _answers(app, f"{app.name}-1"), 10)
    live_status = app.status
    assert (live_status["commit"], live_status["resolved"]["message"]) == (sha, "feat: first")
    assert app.condition("Available")["status"] == app.condition("Built")["status"] == "True"
    if example == "app-react-vite":
        assert app.page("/fish/of/the/day")[1] == app.page()[1], "every path is the app's"
        assert app.page("/.env")[0] == 404


def test_a_change_goes_live_a_bad_one_does_not_and_both_ways_back(place: Place) -> None:
    name, example = place.namespace("changes"), "app-node-express"
    server = sources(EXAMPLES / example / "app")["server.js"]
    first = pushed(place, example)
    place.github.writes = True
    app = applied(place, name, example, token=place.github.token)
    app.until_live("greetings-1")
    second = pushed(place, example, "feat: second", server_js=server.replace("version 1", "version 2"))
    status = app.until_live("greetings-2")
    assert status["build"]["installed"] == "reused", "unchanged packages are not installed again"
    app.serves("version 2")

    third = pushed(
        place, example, "oops", package_json='{"dependencies": {"express": "999.0.0"}, "scripts": {"start": "node server.js"}}'
    )
    message = app.until("BuildFailed")
    assert "greetings-3 failed" in message
    assert "greetings-2 stays live" in message
    assert "npm install" in message
    assert app.condition("Available")["status"] == "True"
    app.serves("version 2")

    place.wait("GitHub is told", lambda: _said(place, name, third)[-1:] == ["failure"], 30)
    assert _said(place, name, first)[-1:] == _said(place, name, second)[-1:] == ["success"]

    app.patch(rollbackTo={"release": "greetings-1"})
    app.until_live("greetings-4")
    app.serves("version 1")
    back, restored = app.release("greetings-4"), app.release("greetings-1")
    assert (back["spec"]["image"], back["spec"]["environment"]) == (restored["status"]["image"], restored["spec"]["environment"])
    assert (back["spec"]["rollbackFrom"], back["spec"]["rollbackTo"]) == ("greetings-2", "greetings-1")
    assert app.release("greetings-2")["status"]["phase"] == "RolledBack"

    place.github.reset(repository(example), second)  # the bad commit is taken back
    app.patch(rollbackTo=None)
    status = app.until_live("greetings-5")
    assert status["build"]["reused"] == "greetings-2", "a reverted commit builds nothing"
    app.serves("version 2")
    assert app.release("greetings-5")["spec"]["commit"] == second != first
    builders = [j["metadata"]["name"] for j in place.listed("jobs", name)]
    assert sorted(b.split("-build-")[0] for b in builders) == ["greetings-1", "greetings-2", "greetings-3"]


def _said(place: Place, namespace: str, sha: str) -> list[str]:
    """What was said of a commit on GitHub."""
    context = f"landfall/{namespace}/greetings"
    return [state for commit, state, status_context in place.github.statuses if (commit, status_context) == (sha, context)]


def test_the_same_commit_is_the_same_image(place: Place) -> None:
    """Two Deployments of one repository build it apart; what they push has one digest."""
    name = place.namespace("same")
    for example in ("app-node-express", "app-python-fastapi", "app-react-vite"):
        pushed(place, example)
        first_document, other = manifest(example), manifest(example)
        other["metadata"]["name"] += "-again"
        for document in (first_document, other):
            document["metadata"]["namespace"] = name
            place.apply(document)
        first, second = (App(place, name, m["metadata"]["name"]) for m in (first_document, other))
        digests = {a.until_live(f"{a.name}-1", 240)["image"].partition("@")[2] for a in (first, second)}
        assert len(digests) == 1, example


_PYTHON = """import http.server, itsdangerous, os
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(itsdangerous.Signer("k").sign("hello"))
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Hello).serve_forever()
"""
_NODE = """const says = require("ms")(172800000, {long: true}).replace("2 days", "hello");
require("http").createServer((_, answer) => answer.end(says)).listen(process.env.PORT);
"""


@pytest.mark.parametrize(
    ("files", "build"),
    [
        ({**POETRY, "main.py": _PYTHON}, {"framework": "python-fastapi", "startCommand": "python3 main.py"}),
        ({**BUN, "server.js": _NODE}, {"framework": "node-express", "startCommand": "node server.js"}),
    ],
    ids=["poetry", "bun"],
)
def test_a_package_manager_that_the_builder_has_not(place: Place, files: dict[str, str], build: dict[str, str]) -> None:
    name, repository = place.namespace("managers"), f"example-org/by-{build['framework']}"
    place.github.push(repository, files, "feat: first")
    source = {"github": {"repository": repository, "branch": "main"}}
    metadata = {"name": "shop", "namespace": name}
    spec = {"source": source, "build": build, "replicas": 1, "rollout": _FAST}
    place.apply({"apiVersion": "landfall.dev/v1alpha1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    app = App(place, name, "shop")
    app.until_live("shop-1", 240)
    app.serves("hello")


def test_the_environment_of_a_release(place: Place) -> None:
    """Captured values stay with the Release; live ones follow the Secret; a request's are for one Release."""
    name, example = place.namespace("environment"), "app-python-fastapi"
    pushed(place, example)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "words", "namespace": name},
        "stringData": {"greeting": "Tide"},
    }
    document = manifest(example)
    document["metadata"]["namespace"] = name
    document["spec"] |= {
        "env": [{"name": "GREETING", "valueFrom": {"secretKeyRef": {"name": "words", "key": "greeting"}}}],
        "rollout": _FAST,
    }
    place.apply(document)
    app = App(place, name, "greetings-api")
    assert "Secret 'words' not found" in app.until("SecretMissing")
    place.apply(secret)
    app.until_live("greetings-api-1")
    app.serves('"hello":"Tide"')
    secret["stringData"]["greeting"] = "Ebb"
    place.apply(secret)
    request = json.dumps({"id": "1", "verb": "deploy"})
    place.cluster.kubectl("annotate", "appdeployment", "-n", name, app.name, f"landfall.dev/request={request}")
    app.until_live("greetings-api-2")
    app.serves('"hello":"Ebb"')
    assert app.status["lastHandledRequest"] == "1"
    app.patch(rollbackTo={"revision": 1})
    app.until_live("greetings-api-3")
    app.serves('"hello":"Tide"')
    captured = app.release("greetings-api-1")["spec"]["environment"]
    captured_secret = place.get("secret", name, captured)
    assert captured_secret["immutable"] is True
    override = json.dumps({"id": "2", "verb": "deploy", "env": [{"name": "GREETING", "value": "Once"}]})
    app.patch(rollbackTo=None)
    place.cluster.kubectl("annotate", "--overwrite", "appdeployment", "-n", name, app.name, f"landfall.dev/request={override}")
    app.until_live("greetings-api-4")
    app.serves('"hello":"Once"')
    _with_a_database(place, app)
    place.objects.delete("appdeployment", name, app.name)
    kinds = "pods,releases.landfall.dev,services,deployments.apps"
    place.wait(
        "all of it is gone", lambda: not [o for o in place.listed(kinds, name) if "-probe-" not in o["metadata"]["name"]], 60
    )
    assert {s["metadata"]["name"] for s in place.listed("secrets", name)} == {"words", "db"}


def _with_a_database(place: Place, app: App) -> None:
    """A Connection gives it an address, whose parts stay references."""
    app.patch(database={"connectionRef": {"name": "db"}})
    assert "Connection 'db' not found" in app.until("ConnectionMissing")
    app.serves('"hello":"Once"')
    spec = {"type": "PostgreSQL", "host": ADDRESS, "port": place.pg.port, "database": "postgres", "secretRef": {"name": "db"}}
    metadata = {"name": "db", "namespace": app.namespace}
    place.apply(
        place.secret(app.namespace, "db", "mover"),
        {"apiVersion": "landfall.dev/v1alpha1", "kind": "Connection", "metadata": metadata, "spec": spec},
    )
    app.until_live("greetings-api-5")
    place.wait("its database is known to answer", lambda: app.condition("DatabaseReady").get("status") == "True", 60)
    environment = place.cluster.kubectl("exec", "-n", app.namespace, "deployment.apps/greetings-api-5", "--", "env")
    assert f"DATABASE_URL=postgresql://mover:{PASSWORD}@{ADDRESS}:{place.pg.port}/postgres" in environment.splitlines()
    secret = place.get("secret", app.namespace, app.release("greetings-api-5")["spec"]["environment"])
    assert "PGPASSWORD" not in secret["data"]


def test_a_repository_of_another_host(place: Place, tmp_path: Path) -> None:
    name = place.namespace("another-host")
    files = sources(EXAMPLES / "app-node-express" / "app")
    with GitHost(tmp_path, ADDRESS) as host:
        host.private.add("greetings")
        first = host.push("greetings", files, "feat: moored elsewhere")
        document = manifest("app-node-express")
        document["metadata"]["namespace"] = name
        document["spec"] |= {"source": {"git": {"url": host.address("greetings")}}, "rollout": _FAST}
        place.apply(document)
        app = App(place, name, "greetings")
        assert "give a token" in app.until("SourceRefused", 30)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "host", "namespace": name}}
        place.apply({**secret, "stringData": dict(zip(("username", "token"), host.login, strict=True))})
        app.patch(source={"git": {"tokenSecretRef": {"name": "host"}}})
        status = app.until_live("greetings-1")
        assert (app.status["commit"], status["build"]["message"]) == (first, "feat: moored elsewhere")
        second = host.push("greetings", {"server.js": files["server.js"].replace("version 1", "version 2")}, "feat: second")
        app.until_live("greetings-2")
        app.serves("version 2")
        assert app.status["commit"] == second
        place.cluster.kubectl("delete", "appdeployment", "-n", name, "greetings")


@pytest.mark.parametrize("example", list(_APPS))
def test_kustomize_takes_an_example(place: Place, example: str, tmp_path: Path) -> None:
    """Labels, a prefix, replicas, and a generated Secret whose name has a hash; the API server takes what comes of it."""
    name, document = place.namespace(f"kustomize-{example}"), manifest(example)
    shutil.copy(EXAMPLES / example / "deployment.yaml", tmp_path)
    shutil.copy(images.ROOT / "kustomize" / "references.yaml", tmp_path)
    variable = {"name": "GREETING", "valueFrom": {"secretKeyRef": {"name": "words", "key": "greeting"}}}
    changes = [
        {"op": "add", "path": "/spec/env", "value": [variable]},
        {"op": "replace", "path": "/spec/source/github/repository", "value": repository(example)},
    ]
    overlay = {
        "namespace": name,
        "namePrefix": "eu-",
        "resources": ["deployment.yaml"],
        "configurations": ["references.yaml"],
        "labels": [{"pairs": {"team": "sea"}, "includeSelectors": True, "includeTemplates": True}],
        "replicas": [{"name": document["metadata"]["name"], "count": 3}],
        "secretGenerator": [{"name": "words", "literals": ["greeting=Tide"]}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(changes)}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    if example != "app-python-fastapi":
        place.cluster.kubectl("apply", "--server-side", "--dry-run=server", "-k", str(tmp_path))
        return
    pushed(place, example)
    place.cluster.kubectl("apply", "-k", str(tmp_path))
    app = App(place, name, "eu-greetings-api")
    app.until_live("eu-greetings-api-1")
    app.serves('"hello":"Tide"')
    pods = [p["metadata"]["labels"] for p in place.listed("pods", name) if "landfall.dev/workload" in p["metadata"]["labels"]]
    assert [labels["team"] for labels in pods] == ["sea"] * 3
    place.cluster.kubectl("scale", "appdeployment", "-n", name, app.name, "--replicas=1")
    place.wait("it is scaled", lambda: app.status.get("replicas") == 1, 60)
    assert app.status["live"] == "eu-greetings-api-1", "scaling makes no release"
