"""The loop of a Connection."""

from __future__ import annotations

from landfall.api.connection import Connection
from landfall.api.report import Task
from landfall.core.connection.decide import Observed, decide
from landfall.core.outcome import Decision
from landfall.kit.digest import digest
from landfall.kube.client import Object
from landfall.reconcile import jobs
from landfall.reconcile.hands import Hands, bare, invalid, plain, secret_names, told


async def reconcile(hands: Hands, raw: Object) -> float | None:
    """Look, decide, act, report; when to look again, in seconds."""
    if "deletionTimestamp" in raw["metadata"]:
        return None
    problem = invalid(Connection, raw)
    if problem:
        await hands.report(raw, bare(raw, hands), problem, {})
        return None
    seen = await _observed(hands, raw)
    decision = decide(seen)
    await _act(hands, raw, seen, decision)
    await hands.report(raw, seen, decision, _status(seen))
    if seen.report and seen.report.final:
        hands.reports.forget(raw["metadata"]["namespace"], seen.probe)
    return decision.again_seconds


async def _observed(hands: Hands, raw: Object) -> Observed:
    metadata, now = raw["metadata"], hands.clock()
    connection = Connection.model_validate(plain(raw))
    secrets = await hands.secrets(metadata["namespace"], secret_names(connection))
    probe = f"{metadata['name'][:40].rstrip('-.')}-probe-{digest(metadata['uid'], raw['spec'], secrets)[:10]}"
    found = await hands.kube.get("Job", metadata["namespace"], probe)
    job = jobs.seen_jobs([found], metadata["uid"], now)[0] if found else None
    return Observed(
        now=now,
        generation=metadata["generation"],
        uid=metadata["uid"],
        conditions=connection.status.conditions if connection.status else (),
        connection=connection,
        missing_secrets=tuple(name for name, version in secrets.items() if version is None),
        probe=probe,
        job_there=job is not None,
        job_over=bool(job and job.over),
        ended_seconds=job.ended_seconds if job else 0,
        report=hands.reports.of(metadata["namespace"], probe),
    )


async def _act(hands: Hands, raw: Object, seen: Observed, decision: Decision) -> None:
    if decision.act is None or seen.connection is None:
        return
    namespace = raw["metadata"]["namespace"]
    if decision.act.verb == "delete-job":
        await jobs.end(hands, namespace, seen.probe)
        return
    task = Task(verb="probe", intake=hands.intake_url, connections={raw["metadata"]["name"]: seen.connection})
    await jobs.start(hands, jobs.Order(seen.probe, raw, "probe", 1, seen.probe, hands.image, task))


def _status(seen: Observed) -> dict[str, object]:
    before = seen.connection.status if seen.connection else None
    if seen.report and seen.report.final:
        probe = seen.report.probe
        return {
            "probe": seen.probe,
            "probedAt": told(seen.now),
            "version": probe.version if probe else None,
            "capabilities": list(probe.capabilities) if probe else None,
            "latencyMilliseconds": probe.latency_milliseconds if probe else None,
        }
    if before is None:
        return {}
    kept = before.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {k: v for k, v in kept.items() if k in {"probe", "probedAt", "version", "capabilities", "latencyMilliseconds"}}
