"""The loop of a Connection and of a Webhook: a worker tests whether the other side answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from landfall.api.annotations import ANNOTATION, look_requested
from landfall.api.connection import Connection
from landfall.api.fields import ProbedStatus
from landfall.api.webhook import Webhook
from landfall.api.worker_protocol import ConnectionProbe, Task
from landfall.controllers import jobs
from landfall.controllers.actions import DeleteJob
from landfall.controllers.connection.actions import ProbeAction, StartProbe
from landfall.controllers.connection.rules import ObservedProbe, decide
from landfall.controllers.context import Context, log_action, minimal_observed
from landfall.controllers.deployment import pod_diagnosis
from landfall.controllers.objects import format_time, invalid, secret_names, to_model_input
from landfall.kube.client import Object
from landfall.lib.digest import digest

_OF_EVERY_KIND = frozenset({"observedGeneration", "phase", "conditions"})


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What is tested.

    `what`: its name in messages. `secrets`: the Secrets that the test needs. `task`: the worker's task. `before`: the last status.
    `found`: the status fields that follow from a result.
    """

    what: str
    secrets: tuple[str, ...]
    task: Task
    before: ProbedStatus | None
    found: Callable[[ConnectionProbe], dict[str, Any]]


_M = TypeVar("_M", Connection, Webhook)


async def connection(context: Context, raw: Object) -> float | None:
    """Reconcile a Connection: read the database's version and capabilities."""
    return await _reconciled(context, raw, Connection, _database)


async def webhook(context: Context, raw: Object) -> float | None:
    """Reconcile a Webhook: send a ping."""
    return await _reconciled(context, raw, Webhook, _receiver)


def _database(connection: Connection, intake: str) -> ProbeTarget:
    task = Task(verb="probe", intake=intake, connections={connection.metadata.name: connection})
    return ProbeTarget("the database", tuple(secret_names(connection)), task, connection.status, _answered)


def _answered(probe: ConnectionProbe) -> dict[str, Any]:
    return {
        "version": probe.version,
        "capabilities": list(probe.capabilities),
        "latencyMilliseconds": probe.latency_milliseconds,
    }


def _receiver(webhook: Webhook, intake: str) -> ProbeTarget:
    task = Task(verb="ping", intake=intake, webhook=webhook.model_copy(update={"status": None}))
    return ProbeTarget(
        "the receiver", (webhook.spec.secret_ref.name,), task, webhook.status, lambda probe: {"host": probe.version}
    )


async def _reconciled(context: Context, raw: Object, model: type[_M], asks: Callable[[_M, str], ProbeTarget]) -> float | None:
    """Observe, decide, act, write the status; returns the seconds until the next reconcile."""
    if "deletionTimestamp" in raw["metadata"]:
        return None
    problem = invalid(model, raw)
    if problem:
        await context.report(raw, minimal_observed(raw, context), problem, {})
        return None
    target = asks(model.model_validate(to_model_input(raw)), context.intake_url)
    observed = await _observed(context, raw, target)
    decision = decide(observed)
    if decision.action:
        await _act(context, raw, target, decision.action)
        log_action(raw, decision.action)
    await context.report(raw, observed, decision, _status(observed, target))
    if observed.report and observed.report.final:
        context.reports.forget(raw["metadata"]["namespace"], observed.probe)
    return decision.again_seconds


async def _observed(context: Context, raw: Object, target: ProbeTarget) -> ObservedProbe:
    metadata, now = raw["metadata"], context.clock()
    secrets = await context.secrets(metadata["namespace"], target.secrets)
    request, problem = look_requested(metadata.get("annotations", {}).get(ANNOTATION, ""))
    requests = [request.id] if request else []
    probe = (
        f"{metadata['name'][:40].rstrip('-.')}-{target.task.verb}-{digest(metadata['uid'], raw['spec'], secrets, *requests)[:10]}"
    )
    raw_job = await context.kube.get("Job", metadata["namespace"], probe)
    job = jobs.observed_jobs([raw_job], metadata["uid"], now)[0] if raw_job else None
    report = context.reports.of(metadata["namespace"], probe)
    if job and job.over and report is None and (target.before is None or target.before.probe != probe):
        report = pod_diagnosis.final_report(await context.kube.listed("Pod", metadata["namespace"], f"job-name={probe}"))
    return ObservedProbe(
        now=now,
        generation=metadata["generation"],
        uid=metadata["uid"],
        conditions=target.before.conditions if target.before else (),
        what=target.what,
        before=target.before,
        missing_secrets=tuple(name for name, version in secrets.items() if version is None),
        probe=probe,
        job_there=job is not None,
        job_over=bool(job and job.over),
        ended_seconds=job.ended_seconds if job else 0,
        report=report,
        request=request,
        request_problem=problem,
    )


async def _act(context: Context, raw: Object, target: ProbeTarget, action: ProbeAction) -> None:
    match action:
        case DeleteJob(name):
            await jobs.delete(context, raw["metadata"]["namespace"], name)
        case StartProbe(name):
            order = jobs.WorkerJob(name, raw, target.task.verb, 1, name, context.image, target.task, secrets=target.secrets)
            await jobs.start(context, order)
        case _:
            assert_never(action)


def _status(observed: ObservedProbe, target: ProbeTarget) -> dict[str, object]:
    if observed.report and observed.report.final:
        return {
            "probe": observed.probe,
            "probedAt": format_time(observed.now),
            **(target.found(observed.report.probe) if observed.report.probe else {}),
            "lastHandledRequest": observed.request.id if observed.request else None,
        }
    if observed.before is None:
        return {}
    fields = observed.before.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: value for name, value in fields.items() if name not in _OF_EVERY_KIND}
