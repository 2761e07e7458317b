"""A look only reads: what it finds to be written is written afterwards, in an order that a crash cannot turn around."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from landfall.api.connection import Connection
from landfall.api.migration import DataSpec, Migration, PlanSummary
from landfall.api.worker_protocol import Report
from landfall.controllers import app_deployment
from landfall.controllers.context import Context
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.controllers.deployment.observe import DeploymentObserver
from landfall.controllers.deployment.reconcile import reconcile
from landfall.controllers.deployment.record import prepare, record_builds
from landfall.controllers.migration.act import act
from landfall.controllers.migration.actions import CreateJob
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.migration.reconcile import reconcile as reconcile_migration
from landfall.controllers.migration.record_reports import record
from landfall.controllers.objects import to_model_input
from landfall.controllers.reports import Reports
from landfall.kube.errors import ForbiddenError
from landfall.manifests.job import LABEL_ATTEMPT, LABEL_VERB
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER
from landfall.manifests.run import run
from landfall.runspec import declared_run

Object = dict[str, Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_API = "landfall.dev/v1alpha1"
_DIGEST = "sha256:" + "ab" * 32


class Api:
    """An API server with some objects, which refuses every write while it is `observed`."""

    namespaces = ("store",)

    def __init__(self, *objects: Object) -> None:
        self.objects = {(raw["kind"], raw["metadata"]["name"]): raw for raw in objects}
        self.observed = True
        self.writes: list[tuple[str, str, str]] = []

    async def get(self, kind: str, _namespace: str, name: str) -> Object | None:
        """One of them."""
        return self.objects.get((kind, name))

    async def listed(self, kind: str, _namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        """Those with these labels, as items of a list are: without kind. Pods and Events there are none."""
        assert not fields or kind == "Event"
        selector = dict(raw.split("=") for raw in labels.split(",") if raw)
        of_kind = [raw for (object_kind, _), raw in self.objects.items() if object_kind == kind]
        return [_item(raw) for raw in of_kind if selector.items() <= raw["metadata"].get("labels", {}).items()]

    async def every(self, kind: str, _labels: str = "") -> AsyncIterator[Object]:
        """The same of all namespaces."""
        for raw in await self.listed(kind):
            yield raw

    async def create(self, kind: str, body: Object) -> Object:
        """Another one."""
        self._wrote("create", kind, body["metadata"]["name"])
        self.objects[kind, body["metadata"]["name"]] = _made(body)
        return body

    async def replace_status(self, kind: str, body: Object) -> Object:
        """The status of one."""
        self._wrote("status", kind, body["metadata"]["name"])
        self.objects[kind, body["metadata"]["name"]] = body
        return body

    async def patch(self, kind: str, _namespace: str, name: str, operations: list[Object]) -> Object:
        """Fields of the metadata of one."""
        self._wrote("patch", kind, name)
        raw = self.objects[kind, name]
        for operation in operations:
            if operation["op"] == "add":
                raw["metadata"][operation["path"].removeprefix("/metadata/")] = operation["value"]
        return raw

    async def delete(self, kind: str, _namespace: str, name: str, _uid: str) -> None:
        """One goes."""
        self._wrote("delete", kind, name)

    def _wrote(self, how: str, kind: str, name: str) -> None:
        assert not self.observed, f"{how} {kind} {name} while it is observed"
        self.writes.append((how, kind, name))


def _item(raw: Object) -> Object:
    return {name: value for name, value in raw.items() if name not in {"apiVersion", "kind"}}


def _made(body: Object) -> Object:
    """As the API server completes an object."""
    return {"apiVersion": _API, **body, "metadata": {"uid": "x", "generation": 1, "resourceVersion": "1", **body["metadata"]}}


def _object(kind: str, name: str, spec: Object, status: Object | None = None, **metadata: Any) -> Object:
    body = {"kind": kind, "metadata": {"name": name, "namespace": "store", **metadata}, "spec": spec}
    return _made({**body, **({"status": status} if status else {})})


def _context(api: Api, reports: Reports) -> Context:
    nothing = cast("Any", SimpleNamespace())
    return Context(cast("Any", api), reports, "i", "u", lambda: NOW, nothing, nothing)


# -- a Migration ------------------------------------------------------------------------------------------------------

_DATA: Object = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}


@pytest.fixture
def planned() -> tuple[Api, Reports, Object]:
    """A Migration whose planning worker has just told its plan, and nobody has written it down."""
    ends = [_object("Connection", n, {"type": "PostgreSQL", "host": n, "database": "d"}) for n in ("a", "b")]
    migration = _object("Migration", "shop", {"data": _DATA}, uid="m", finalizers=["landfall.dev/cleanup"])
    key = declared_run(DataSpec.model_validate(_DATA), *(Connection.model_validate(to_model_input(end)) for end in ends))
    assert key
    run_object = _made(run(Migration.model_validate(to_model_input(migration)), "m", key.key, "i"))
    run_object["metadata"]["uid"] = "r"
    name = run_object["metadata"]["name"]
    labels = {LABEL_KIND: "Run", LABEL_OWNER: name, LABEL_VERB: "plan", LABEL_ATTEMPT: "1"}
    job = _object(
        "Job", f"{name}-plan-1", {}, labels=labels, ownerReferences=[{"uid": "r"}], creationTimestamp="2026-01-02T03:00:00Z"
    )
    table = {"source": {"table": "users"}, "target": "users"}
    report = Report.model_validate(
        {
            "sequence": 1,
            "final": True,
            "plan": PlanSummary(digest=_DIGEST, tables=1).model_dump(by_alias=True),
            "planBytes": base64.b64encode(b"plan").decode(),
            "tables": [table],
        }
    )
    reports = Reports()
    reports.take("store", job["metadata"]["name"], report)
    return Api(*ends, migration, run_object, job), reports, migration


def test_a_look_at_a_migration_writes_nothing(planned: tuple[Api, Reports, Object]) -> None:
    api, reports, migration = planned
    look = MigrationObserver(_context(api, reports), migration)
    observed = asyncio.run(look.observe())
    assert observed.run
    assert observed.run.plan
    assert (observed.run.plan.digest, observed.plan_stored) == (_DIGEST, True), "what was reported counts at once"
    assert not api.writes
    assert reports.of("store", f"{observed.run_name}-plan-1"), "and is not forgotten before it is written"


def test_a_plan_is_stored_before_the_run_names_it_and_all_of_it_once(planned: tuple[Api, Reports, Object]) -> None:
    api, reports, migration = planned
    look = MigrationObserver(_context(api, reports), migration)
    observed = asyncio.run(look.observe())
    api.observed = False
    asyncio.run(record(look))
    assert [(how, kind) for how, kind, _ in api.writes] == [
        ("create", "ConfigMap"),
        ("create", "TablePlan"),
        ("status", "TablePlan"),
        ("status", "Run"),
    ]
    assert reports.of("store", f"{observed.run_name}-plan-1") is None
    api.observed = True
    again = asyncio.run(MigrationObserver(_context(api, reports), migration).observe())
    assert (again.run, again.plan_stored) == (observed.run, True), "a look after it sees the same"


@pytest.mark.parametrize(("image", "cutover"), [("0.1", None), ("i", {"maxPause": "60s"})])
def test_a_worker_of_an_older_version_is_given_no_field_that_it_does_not_know(
    planned: tuple[Api, Reports, Object], image: str, cutover: Object | None
) -> None:
    """A model of version 0.1 refuses `pause.resumeTo` and `data.cutover`, and its worker would end before it could go back."""
    api, reports, migration = planned
    pause = {"reason": "lunch", "immediate": False, "resumeTo": "Completed"}
    data = {**_DATA, "cutover": {"maxPause": "60s"}}
    migration["spec"] |= {"desiredState": "Paused", "pause": pause, "data": data}
    run_object = next(raw for (kind, _), raw in api.objects.items() if kind == "Run")
    run_object["spec"]["image"] = image
    look = MigrationObserver(_context(api, reports), migration)
    asyncio.run(look.observe())
    api.observed = False
    asyncio.run(act(look, CreateJob("back", 1)))
    task = json.loads(api.objects["ConfigMap", f"{look.observed.run_name}-back-1"]["data"]["task.json"])
    assert "pause" not in task["migration"]["spec"]
    assert task["migration"]["spec"]["data"].get("cutover") == cutover


# -- a Deployment -----------------------------------------------------------------------------------------------------


@pytest.fixture
def restored() -> tuple[Api, Reports, Object]:
    """A Deployment from a backup, without owners, whose build has just ended; with a value to be captured and no key yet."""
    source = {"zip": {"artifact": "sha256:" + "1" * 64}}
    spec: Object = {"source": source, "env": [{"name": "MODE", "value": "fast"}], "rollout": {"onSecretChange": "Release"}}
    deployment = _object("Deployment", "shop", spec, uid="d", creationTimestamp="2026-01-02T03:00:00Z")
    labels = {"landfall.dev/deployment": "shop", "app.kubernetes.io/managed-by": "landfall"}
    release_spec = {
        "deploymentRef": {"name": "shop"},
        "revision": 1,
        "source": source,
        "inputs": "x",
        "workload": "shop-1",
        "trigger": "1",
    }
    release = _object("Release", "shop-1", release_spec, labels=labels, uid="r1")
    finished = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-02T03:04:00Z"}]}
    labels_of_job = {LABEL_KIND: "Release", LABEL_OWNER: "shop-1", LABEL_VERB: "build", LABEL_ATTEMPT: "1"}
    job = _object("Job", "shop-1-build-1", {}, finished, labels=labels_of_job, ownerReferences=[{"uid": "r1"}])
    reports = Reports()
    reports.take("store", "shop-1-build-1", Report(sequence=1, final=True, image="registry/shop@sha256:" + "2" * 64))
    return Api(deployment, release, job, _workload(labels)), reports, deployment


def _workload(labels: Object) -> Object:
    pods = {"metadata": {}, "spec": {"containers": [{"ports": [{"containerPort": 8080}]}]}}
    own_labels = {LABEL_KIND: "Deployment", LABEL_OWNER: "shop"}
    return _object("Workload", "shop-1", {"replicas": 1, "template": pods}, labels=labels | own_labels)


def _look(api: Api, reports: Reports, deployment: Object) -> DeploymentObserver:
    look = DeploymentObserver(_context(api, reports), BuildSettings(), deployment)
    api.observed = True
    asyncio.run(look.observe())
    api.observed = False
    return look


def test_a_look_at_a_deployment_writes_nothing(restored: tuple[Api, Reports, Object]) -> None:
    api, reports, deployment = restored
    look = _look(api, reports, deployment)
    assert not api.writes
    assert [(raw.kind, raw.owner["kind"]) for raw in look.orphans.values()] == [
        ("Release", "Deployment"),
        ("Workload", "Release"),
    ]
    assert (list(look.ended), look.key_missing) == (["shop-1"], True)


def test_what_comes_from_a_backup_is_adopted_before_anything_is_decided(restored: tuple[Api, Reports, Object]) -> None:
    api, reports, deployment = restored
    assert asyncio.run(prepare(_look(api, reports, deployment))) is True
    assert api.writes == [
        ("patch", "Release", "shop-1"),
        ("patch", "Workload", "shop-1"),
        ("create", "Secret", "shop-environment-key"),
    ]
    api.writes.clear()
    look = _look(api, reports, deployment)
    assert asyncio.run(prepare(look)) is False
    asyncio.run(record_builds(look))
    assert api.writes == [("status", "Release", "shop-1")], "how the build ended is written before it is acted upon"
    assert not _look(api, reports, deployment).ended


class Refusing(Api):
    """One with a quota that is used up."""

    async def create(self, kind: str, body: Object) -> Object:
        """Nothing but Events."""
        if kind != "Event":
            raise ForbiddenError(403, "exceeded quota")
        return body


def test_a_deployment_takes_note_of_a_gate_also_where_its_next_act_is_refused() -> None:
    """A Migration waits for the note before it takes its data back, and has the source locked meanwhile."""
    spec: Object = {"source": {"image": "registry/shop@sha256:" + "2" * 64}}
    deployment = _object("Deployment", "shop", spec, uid="d", creationTimestamp="2026-01-02T03:00:00Z")
    api = Refusing(deployment, _moves("move", 1, app={"deployment": "shop", "state": "Failed"}))
    api.observed = False
    with pytest.raises(ForbiddenError):
        asyncio.run(reconcile(_context(api, Reports()), deployment, BuildSettings()))
    gate = api.objects["Deployment", "shop"]["status"]["gate"]
    assert (gate["run"], gate["state"]) == ("move-1", "Failed")


def test_a_spec_that_cannot_be_read_leaves_what_else_the_status_holds() -> None:
    before = {"gate": {"run": "move-1", "state": "Live"}, "live": "shop-1", "phase": "Live", "observedGeneration": 1}
    deployment = _object("Deployment", "shop", {"source": {}}, before, uid="d")
    run_of = {"run": "shop-1", "startTime": "2026-01-02T03:00:00Z", "phase": "Running", "observedGeneration": 1}
    migration = _object("Migration", "shop", {}, run_of, uid="m")
    api = Refusing(deployment, migration)
    api.observed = False
    asyncio.run(reconcile(_context(api, Reports()), deployment, BuildSettings()))
    asyncio.run(reconcile_migration(_context(api, Reports()), migration))
    for kind, fields in (("Deployment", before), ("Migration", run_of)):
        status = api.objects[kind, "shop"]["status"]
        assert status["conditions"][0]["reason"] == "SpecInvalid"
        assert {**fields, "phase": "Failed"} == {name: value for name, value in status.items() if name != "conditions"}


def _moves(name: str, day: int, **status: Any) -> Object:
    """A Migration of the data of the app `shop`."""
    spec: Object = {"data": _DATA, "app": {"deploymentRef": {"name": "shop"}}}
    return _object("Migration", name, spec, {"run": f"{name}-1", **status}, creationTimestamp=f"2026-01-0{day}T00:00:00Z")


@pytest.mark.parametrize("fields", [{}, {"phase": "Cancelled", "startTime": "2026-01-01T00:00:00Z"}])
def test_a_deployment_waits_at_no_gate_of_a_move_that_was_left_before_it_began_or_was_cancelled(fields: Object) -> None:
    """Neither while another one starts the app, whose source is locked meanwhile, nor later."""
    old = _moves("old", 1, app={"deployment": "shop", "state": "Built"}, **fields)
    for state in ("Starting", "Live", "RollingBack"):
        new = _moves("new", 2, app={"deployment": "shop", "state": state}, startTime="2026-01-02T00:00:00Z")
        gate, _ = asyncio.run(app_deployment.gates(_context(Api(old, new), Reports()), "store", "shop"))
        assert gate
        assert (gate.migration, gate.state) == ("new", state)
