"""A cluster that comes back from a backup: every object with its old status and a new UID. Nothing that was done is done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import App, Object, Place
from tests.cluster.local import LocalOperator
from tests.cluster.test_apps import applied, pushed

pytestmark = pytest.mark.usefixtures("alone", "apps_end")

_KINDS = (
    "secrets,configmaps,connections,migrations,runs,tableplans,appdeployments,releases.landfall.dev,deployments.apps,services"
)
_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "deletionTimestamp", "selfLink")
_ROWS = 20_000


def _operator(place: Place, name: str, folder: Path) -> LocalOperator:
    """The operator of the namespace, on this machine: the cluster's own is away."""
    return LocalOperator(place, ["-m", "landfall", "operator"], folder / "log", LANDFALL_NAMESPACES=name)


def _backup(place: Place, name: str) -> list[Object]:
    """What a tool for backups reads; pods and Jobs are not among it, as they are not in the usual backup of what declares them."""
    listed = json.loads(place.cluster.kubectl("get", _KINDS, "-n", name, "-o", "json"))["items"]
    return [raw for raw in listed if raw["metadata"]["name"] != "kube-root-ca.crt"]


def _lost(place: Place, name: str) -> None:
    """The cluster is gone; nobody tidied up."""
    kinds = "migrations,runs,appdeployments,releases.landfall.dev"
    for raw in place.listed("migrations", name):
        place.cluster.kubectl(
            "patch", "migration", "-n", name, raw["metadata"]["name"], "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
        )
    place.cluster.kubectl("delete", kinds, "--all", "-n", name, "--timeout=120s")
    place.cluster.kubectl(
        "delete", "jobs,pods,deployments.apps,services,configmaps,connections", "--all", "-n", name, "--timeout=120s"
    )
    place.wait("all is gone", lambda: place.listed("jobs,pods,runs,releases.landfall.dev", name) == [])


def _restored(place: Place, documents: list[Object], *, owners: bool) -> None:
    for original in documents:
        metadata = {key: value for key, value in original["metadata"].items() if key not in _SERVERS}
        if not owners:
            metadata.pop("ownerReferences", None)
        spec = {key: value for key, value in original.get("spec", {}).items() if key not in {"clusterIP", "clusterIPs"}}
        document: Object = {**original, "metadata": metadata, **({"spec": spec} if spec else {})}
        place.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(document))
        if original["apiVersion"].startswith("landfall.dev") and original.get("status"):
            place.cluster.kubectl(
                *("patch", f"{original['kind'].lower()}s.landfall.dev" if original["kind"] != "Deployment" else "appdeployment"),
                *("-n", metadata["namespace"], metadata["name"], "--subresource=status", "--type=merge"),
                *("-p", json.dumps({"status": original["status"]})),
                check=not owners,  # whose owner is not there is collected at once, as a Run is
            )


def _copied(place: Place, name: str) -> list[Any]:
    with place.pg.connect(name) as target:
        return list(target.execute(b"SELECT id,state,attempt,finished_at::text FROM landfall.run").fetchall())


@pytest.mark.parametrize("owners", [True, False], ids=["with owners of before", "without owners"])
def test_what_was_done_is_done(place: Place, tmp_path: Path, *, owners: bool) -> None:
    name = place.namespace("restored")
    place.databases(name, 100)
    with _operator(place, name, tmp_path):
        place.apply(*place.move(name, name, data={"cutover": {"fence": "None"}}))
        before = place.until(name, "shop", "Completed")
        pushed(place, "app-node-express")
        app = applied(place, name, "app-node-express")
        app.until_live("greetings-1", 240)
        rows_before, commit = _copied(place, name), app.status["commit"]
        documents = _backup(place, name)
    _lost(place, name)
    place.maria.sql("INSERT INTO customer VALUES (5000, 'after the backup')", name)
    _restored(place, documents, owners=owners)
    with _operator(place, name, tmp_path):
        _stands_where_it_was(place, name, app)
    after = place.get("migration", name, "shop")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert [job for job in place.workers(name) if job.startswith("shop-")] == [], "nobody has worked again"
    assert _copied(place, name) == rows_before
    assert place.rows(name) == 100
    assert app.status["commit"] == commit
    if not owners:
        _has_its_own(place, name)


def _stands_where_it_was(place: Place, name: str, app: App) -> None:
    place.wait("it stands where it was", lambda: place.reason(name, "shop") in {"Completed", "AlreadyCompleted"})
    place.wait("its app is live", lambda: bool(place.get("service", name, "greetings")) and app.condition()["status"] == "True")
    app.serves("the harbour")
    place.wait("its ends are probed", lambda: len(place.listed("jobs", name)) >= 2 and place.active(name, probes=True) == [])


def _has_its_own(place: Place, name: str) -> None:
    releases = [raw["metadata"]["name"] for raw in place.listed("releases.landfall.dev", name)]
    assert releases == ["greetings-1"], "an app serves on as it did"
    for kind in ("releases.landfall.dev", "deployments.apps", "services", "secrets"):
        own_objects = [raw["metadata"] for raw in place.listed(kind, name) if raw["metadata"]["name"].startswith("greetings")]
        assert own_objects, kind
        assert all(len(raw.get("ownerReferences", [])) == 1 for raw in own_objects), kind


def test_what_was_under_way_goes_on(place: Place, tmp_path: Path) -> None:
    name = place.namespace("restored-midway")
    place.databases(name, _ROWS)
    with _operator(place, name, tmp_path):
        place.apply(*place.move(name, name, data={"limits": {"rowsPerSecond": 1_000}, "batchSize": 500, "parallelism": 1}))
        place.arriving(name)
        documents = _backup(place, name)
    _lost(place, name)
    with place.pg.connect(name) as target:
        reached = target.execute(b"SELECT sum(rows) FROM landfall.chunk").fetchone()
    assert reached
    assert reached[0]
    for document in documents:
        if document["kind"] == "Migration":
            document["spec"]["data"]["limits"] = {"rowsPerSecond": 20_000}
    _restored(place, documents, owners=True)
    with _operator(place, name, tmp_path):
        place.until(name, "shop", "Completed", 180)
        place.settled(name, _ROWS)
