"""Carries out one action of a Migration's rules: Jobs, finalizers, the release of an ended run."""

from __future__ import annotations

from typing import cast

from landfall.api.migration import DataSpec, Migration
from landfall.api.worker_protocol import Task, Verb
from landfall.controllers import app_deployment, jobs
from landfall.controllers.decision import Act
from landfall.controllers.migration import helper_workers, rules_app_and_data
from landfall.controllers.migration.annotations import FINALIZER, QUIESCED
from landfall.controllers.migration.observe import Look
from landfall.controllers.migration.run_settings import dials
from landfall.kube.client import Kube, Object
from landfall.kube.errors import NotFoundError
from landfall.manifests.run import run


async def _act(look: Look, act: Act) -> None:
    hands, name = look.hands, look.raw["metadata"]["name"]
    if act.verb == "finalize":
        await _finalizers(hands.kube, look.raw, [*look.raw["metadata"].get("finalizers", []), FINALIZER])
    elif act.verb == "release":
        keep = look.migration.spec.keep
        if not (keep.logs and keep.metrics):
            await hands.keeper.forget(look.namespace, name, lines=not keep.logs, samples=not keep.metrics)
        await let_go(hands.kube, look.raw)
    elif act.verb == "run":
        await _begin(look)
    elif act.verb == "job":
        await _job(look, act)
    elif act.verb == "deployment":
        await app_deployment.make(hands, look.raw, act.name)
    elif act.verb == "delete-job":
        await jobs.end(hands, look.namespace, act.name)
    elif act.verb == "scale":
        await jobs.scale(hands, look.namespace, act.name, act.attempt)
    elif act.verb in {"suspend", "resume"}:
        await jobs.suspend(hands, look.namespace, act.name, suspended=act.verb == "suspend")
    else:
        message = f"nobody knows how to {act.verb} {name}"
        raise ValueError(message)


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


async def _job(look: Look, act: Act) -> None:
    seen, data = look.seen, look.migration.spec.data
    if look.run is None or data is None:
        return
    plan = seen.run.plan if seen.run else None
    task = Task(
        verb=cast("Verb", act.name),
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
    pieces = await look.plan_pieces(seen.run_name, plan.digest) if plan and act.name in {"run", "rehearse"} else []
    order = jobs.Order(
        name=f"{seen.run_name}-{act.name}-{act.attempt}",
        owner={**look.run, "apiVersion": look.raw["apiVersion"], "kind": "Run"},
        verb=act.name,
        attempt=act.attempt,
        inputs=seen.inputs,
        image=str(look.run["spec"]["image"]),
        task=task,
        memory_bytes=data.limits.memory_bytes,
        parallelism=helper_workers.wanted(seen) if act.name == "help" else 1,
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
