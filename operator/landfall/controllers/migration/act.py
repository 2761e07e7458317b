"""Executes an action of a Migration: Jobs, the finalizer, the Run, the app's Deployment."""

from __future__ import annotations

from typing import assert_never

from landfall.api.migration import DataSpec, Migration
from landfall.api.worker_protocol import Task
from landfall.controllers import app_deployment, jobs
from landfall.controllers.actions import DeleteJob
from landfall.controllers.migration import helper_workers, rules_app_and_data
from landfall.controllers.migration.actions import (
    AddFinalizer,
    CreateDeployment,
    CreateJob,
    DeclareRun,
    MigrationAction,
    ReleaseFinalizer,
    ResumeJob,
    ScaleJob,
    SuspendJob,
)
from landfall.controllers.migration.annotations import FINALIZER, QUIESCED
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.migration.run_settings import live_settings
from landfall.kube.client import Kube, Object
from landfall.kube.errors import NotFoundError
from landfall.manifests.run import run


async def act(observer: MigrationObserver, action: MigrationAction) -> None:
    """Execute the chosen action. Raises KubeError."""
    context, namespace = observer.context, observer.namespace
    match action:
        case AddFinalizer():
            await _finalizers(context.kube, observer.raw, [*observer.raw["metadata"].get("finalizers", []), FINALIZER])
        case ReleaseFinalizer():
            await _release(observer)
        case DeclareRun():
            await _begin(observer)
        case CreateJob():
            await _job(observer, action)
        case CreateDeployment(name):
            await app_deployment.create(context, observer.raw, name)
        case DeleteJob(name):
            await jobs.delete(context, namespace, name)
        case ScaleJob(name, parallelism):
            await jobs.scale(context, namespace, name, parallelism)
        case SuspendJob(name):
            await jobs.suspend(context, namespace, name, suspended=True)
        case ResumeJob(name):
            await jobs.suspend(context, namespace, name, suspended=False)
        case _:
            assert_never(action)


async def _release(observer: MigrationObserver) -> None:
    """Delete the journal entries that need not be kept, and remove the finalizer."""
    keep = observer.migration.spec.keep
    if not (keep.logs and keep.metrics):
        name = observer.migration.metadata.name
        await observer.context.keeper.delete(observer.namespace, name, lines=not keep.logs, samples=not keep.metrics)
    await remove_finalizer(observer.context.kube, observer.raw)


async def _begin(observer: MigrationObserver) -> None:
    """Create the Run that the spec declares."""
    if observer.declared:
        ends = (observer.declared.source, observer.declared.target)
        run_object = run(observer.migration, observer.raw["metadata"]["uid"], observer.declared.key, observer.context.image, ends)
        await observer.context.created("Run", run_object)


async def remove_finalizer(kube: Kube, raw: Object) -> None:
    """Remove Landfall's finalizer from exactly the version that was read. Raises KubeError."""
    await _finalizers(kube, raw, [finalizer for finalizer in raw["metadata"].get("finalizers", []) if finalizer != FINALIZER])


async def _finalizers(kube: Kube, raw: Object, finalizers: list[str]) -> None:
    metadata = raw["metadata"]
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    try:
        operations = [test, {"op": "add", "path": "/metadata/finalizers", "value": finalizers}]
        await kube.patch("Migration", metadata["namespace"], metadata["name"], operations)
    except NotFoundError:
        return


async def _job(observer: MigrationObserver, action: CreateJob) -> None:
    observed, data = observer.observed, observer.migration.spec.data
    if observer.run is None or data is None:
        return
    plan = observed.run.plan if observed.run else None
    task = Task(
        verb=action.verb,
        intake=observer.context.intake_url,
        migration=_as_begun(observer),
        connections={n: c.model_copy(update={"status": None}) for n, c in observer.connections.items() if c},
        plans=tuple(p.plan.model_copy(update={"status": None}) for p in observer.plans),
        digest=plan.digest if plan else "",
        quiesced=observer.raw["metadata"].get("annotations", {}).get(QUIESCED) == "true",
        dials=live_settings(observer.migration, observer.context.clock()),
        request=observed.request.id if observed.request else "",
        forget=observed.deleting,
        force=bool(observer.migration.spec.cancel and observer.migration.spec.cancel.force),
    )
    pieces = await observer.plan_pieces(observed.run_name, plan.digest) if plan and action.verb in {"run", "rehearse"} else []
    order = jobs.WorkerJob(
        name=f"{observed.run_name}-{action.verb}-{action.attempt}",
        owner={**observer.run, "apiVersion": observer.raw["apiVersion"], "kind": "Run"},
        verb=action.verb,
        attempt=action.attempt,
        inputs=observed.inputs,
        image=str(observer.run["spec"]["image"]),
        task=task,
        memory_bytes=data.limits.memory_bytes,
        parallelism=helper_workers.wanted_count(observed) if action.verb == "help" else 1,
        plans=tuple(pieces),
    )
    await jobs.start(observer.context, order)


def _as_begun(observer: MigrationObserver) -> Migration:
    """The Migration for a worker. If the spec now declares another run, the worker gets the data spec that its Run began with.

    A worker of an older version rejects unknown fields, and no worker reads `pause`, so that field is removed.
    """
    spec = observer.migration.spec.model_copy(update={"pause": None})
    if observer.run is not None and spec.data is not None:
        spec = spec.model_copy(update={"data": _data(observer, spec.data, observer.run)})
    if rules_app_and_data.discards(observer.observed):
        spec = spec.model_copy(update={"rollback": spec.rollback.model_copy(update={"discard_writes": True})})
    return observer.migration.model_copy(update={"status": None, "spec": spec})


def _data(observer: MigrationObserver, data: DataSpec, run: Object) -> DataSpec:
    """The data spec. A Run with the image of another version keeps the cutover settings that it began with."""
    started_with = DataSpec.model_validate(run["spec"]["data"])
    if observer.observed.run_differs:
        return started_with
    return data if run["spec"]["image"] == observer.context.image else data.model_copy(update={"cutover": started_with.cutover})
