"""Carries out one action of a Migration's rules: Jobs, finalizers, the release of an ended run."""

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
from landfall.controllers.migration.observe import Look
from landfall.controllers.migration.run_settings import dials
from landfall.kube.client import Kube, Object
from landfall.kube.errors import NotFoundError
from landfall.manifests.run import run


async def act(look: Look, action: MigrationAction) -> None:
    """Do the one thing that was decided. Raises KubeError."""
    hands, namespace = look.hands, look.namespace
    match action:
        case AddFinalizer():
            await _finalizers(hands.kube, look.raw, [*look.raw["metadata"].get("finalizers", []), FINALIZER])
        case ReleaseFinalizer():
            await _release(look)
        case DeclareRun():
            await _begin(look)
        case CreateJob():
            await _job(look, action)
        case CreateDeployment(name):
            await app_deployment.make(hands, look.raw, name)
        case DeleteJob(name):
            await jobs.end(hands, namespace, name)
        case ScaleJob(name, parallelism):
            await jobs.scale(hands, namespace, name, parallelism)
        case SuspendJob(name):
            await jobs.suspend(hands, namespace, name, suspended=True)
        case ResumeJob(name):
            await jobs.suspend(hands, namespace, name, suspended=False)
        case _:
            assert_never(action)


async def _release(look: Look) -> None:
    """Forget what the journal need not keep, and let the Migration go."""
    keep = look.migration.spec.keep
    if not (keep.logs and keep.metrics):
        name = look.migration.metadata.name
        await look.hands.keeper.forget(look.namespace, name, lines=not keep.logs, samples=not keep.metrics)
    await let_go(look.hands.kube, look.raw)


async def _begin(look: Look) -> None:
    """Record the Run that the spec declares."""
    if look.declared:
        ends = (look.declared.source, look.declared.target)
        made = run(look.migration, look.raw["metadata"]["uid"], look.declared.key, look.hands.image, ends)
        await look.hands.created("Run", made)


async def let_go(kube: Kube, raw: Object) -> None:
    """Take our finalizer away, of exactly the version that was read. Raises KubeError."""
    await _finalizers(kube, raw, [one for one in raw["metadata"].get("finalizers", []) if one != FINALIZER])


async def _finalizers(kube: Kube, raw: Object, wanted: list[str]) -> None:
    metadata = raw["metadata"]
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    try:
        operations = [test, {"op": "add", "path": "/metadata/finalizers", "value": wanted}]
        await kube.patch("Migration", metadata["namespace"], metadata["name"], operations)
    except NotFoundError:
        return


async def _job(look: Look, action: CreateJob) -> None:
    seen, data = look.seen, look.migration.spec.data
    if look.run is None or data is None:
        return
    plan = seen.run.plan if seen.run else None
    task = Task(
        verb=action.verb,
        intake=look.hands.intake_url,
        migration=_as_begun(look),
        connections={n: c.model_copy(update={"status": None}) for n, c in look.connections.items() if c},
        plans=tuple(p.plan.model_copy(update={"status": None}) for p in look.plans),
        digest=plan.digest if plan else "",
        quiesced=look.raw["metadata"].get("annotations", {}).get(QUIESCED) == "true",
        dials=dials(look.migration, look.hands.clock()),
        request=seen.request.id if seen.request else "",
        forget=seen.deleting,
        force=bool(look.migration.spec.cancel and look.migration.spec.cancel.force),
    )
    pieces = await look.plan_pieces(seen.run_name, plan.digest) if plan and action.verb in {"run", "rehearse"} else []
    order = jobs.Order(
        name=f"{seen.run_name}-{action.verb}-{action.attempt}",
        owner={**look.run, "apiVersion": look.raw["apiVersion"], "kind": "Run"},
        verb=action.verb,
        attempt=action.attempt,
        inputs=seen.inputs,
        image=str(look.run["spec"]["image"]),
        task=task,
        memory_bytes=data.limits.memory_bytes,
        parallelism=helper_workers.wanted(seen) if action.verb == "help" else 1,
        plans=tuple(pieces),
    )
    await jobs.start(look.hands, order)


def _as_begun(look: Look) -> Migration:
    """The Migration as a worker takes it: what it does to a Run that the spec no longer asks for, it does as that was asked for."""
    spec = look.migration.spec
    if look.run is not None and look.seen.run_differs:
        spec = spec.model_copy(update={"data": DataSpec.model_validate(look.run["spec"]["data"])})
    if rules_app_and_data.discards(look.seen):
        spec = spec.model_copy(update={"rollback": spec.rollback.model_copy(update={"discard_writes": True})})
    return look.migration.model_copy(update={"status": None, "spec": spec})
