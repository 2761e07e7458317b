"""Actions on objects in a cluster: each command changes the spec or sets one request annotation."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from landfall.api import spec_changes
from landfall.api.annotations import ANNOTATION
from landfall.api.migration import Schedule
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.cli import render_objects
from landfall.cli.cluster_client import ClusterClient, RefusedError, changing, console
from landfall.cli.resource_names import Deployment, Name, parse_name
from landfall.controllers.deployment.rules import rollback_problem
from landfall.controllers.migration.maintenance_window import opening
from landfall.lifecycle import Action, Desired, Phase, PhaseName, desired_after_resume, facts_of, resume_to_value
from landfall.refusals import Refusal, approval_refusal, refusal, request_refusal, rollback_refusal, start_refusal

_EVERY_SECONDS = 0.5
Object = dict[str, Any]
Reason = Annotated[str, typer.Option("--reason", help="Reason, shown in the status.")]


@changing
async def approve(
    cluster: ClusterClient,
    name: Name,
    digest: Annotated[str, typer.Option("--digest", help="Approve only if the plan has this digest.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt.")] = False,
) -> None:
    """Approve the current plan of a Migration."""
    _, object_name = parse_name(name, "Migration")
    raw = await cluster.get("Migration", object_name)
    _refused(approval_refusal(raw, digest))
    brief = raw["status"]["plan"]
    for part in render_objects.plan_summary(brief):
        console().print(part)
    if not yes and not (sys.stdin.isatty() and typer.confirm("Approve this plan?")):
        raise RefusedError("not approved; --yes approves without a prompt", 3)

    def change(current: Object) -> tuple[Object, None]:
        _refused(approval_refusal(current, brief["digest"]))
        return spec_changes.approve(brief["digest"]), None

    await cluster.change("Migration", raw, change)
    _print(f"{object_name}: plan {brief['digest']} approved")


@changing
async def start(
    cluster: ClusterClient,
    name: Name,
    skip_approval: Annotated[bool, typer.Option("--skip-approval", help="Skip the review of the plan.")] = False,
    first: Annotated[
        PhaseName | None, typer.Option("--from", help="Phase to start from; rejected unless the earlier phases are complete.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Rehearse: run everything except the cutover, and clean up.")
    ] = False,
) -> None:
    """Start or resume a Migration, and run it to completion."""
    _, object_name = parse_name(name, "Migration")
    raw, identifier = await cluster.get("Migration", object_name), _identifier()

    def change(current: Object) -> tuple[Object, Object | None]:
        _refused(start_refusal(current, skip_approval=skip_approval, rehearse=dry_run, first=first))
        anew = facts_of(current).phase == Phase.FAILED
        terms = spec_changes.on_terms(identifier, skip_approval=skip_approval, first=first, anew=anew)
        request = spec_changes.rehearse(identifier) if dry_run else terms
        _refused(request_refusal(current, request))
        return {} if dry_run else spec_changes.start(), {ANNOTATION: request} if request else None

    await cluster.change("Migration", raw, change)
    waits = "" if dry_run else _waits(raw)
    result_text = "rehearsal requested" if dry_run else f"start requested, scheduled for {waits}" if waits else "start requested"
    _print(f"{object_name}: {result_text}; landfall watch {object_name}")


@changing
async def pause(
    cluster: ClusterClient,
    name: Name,
    reason: Reason = "",
    immediate: Annotated[bool, typer.Option("--immediate", help="Abort the chunks in progress.")] = False,
) -> None:
    """Pause a Migration at the next checkpoint."""
    _, object_name = parse_name(name, "Migration")
    await _steered(
        cluster,
        object_name,
        partial(refusal, Action.PAUSE),
        lambda current: spec_changes.pause(reason, immediate=immediate, resume_to=resume_to_value(current)),
    )
    _print(f"{object_name}: pause requested, {'immediately' if immediate else 'at the next checkpoint'}")


@changing
async def resume(cluster: ClusterClient, name: Name) -> None:
    """Resume a paused Migration, or end the rollback of a Deployment."""
    kind, object_name = parse_name(name, "Migration", "Deployment")
    if kind == "Migration":
        raw = await _steered(
            cluster,
            object_name,
            partial(refusal, Action.RESUME),
            lambda current: spec_changes.resume(desired_after_resume(current)),
        )
        begins = desired_after_resume(raw) is Desired.COMPLETED
        _print(
            f"{object_name}: {'resume requested' if begins else f'resume requested, plan only; to run it: landfall start {object_name}'}"
        )
    else:
        await cluster.change(kind, await cluster.get(kind, object_name), lambda _: (spec_changes.move_on(), None))
        _print(f"{object_name}: resume requested; new commits are deployed again")


@changing
async def cancel(
    cluster: ClusterClient,
    name: Name,
    reason: Reason = "",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the staged tables.")] = False,
    at_once: Annotated[bool, typer.Option("--force", help="Do not wait for running workers.")] = False,
) -> None:
    """Cancel a Migration before its cutover."""
    _, object_name = parse_name(name, "Migration")
    spec = spec_changes.cancel(reason, rollback=not keep, force=at_once)
    await _steered(cluster, object_name, partial(refusal, Action.CANCEL), lambda _: spec)
    _print(f"{object_name}: cancellation requested; staged tables will be {'kept' if keep else 'dropped'}")


async def rollback(cluster: ClusterClient, name: str, *, to: str, discard_writes: bool) -> None:
    """Undo the cutover of a Migration, or roll a Deployment back to a Release that was live."""
    kind, object_name = parse_name(name, "Migration", "Deployment")
    if kind == "Migration":
        spec = spec_changes.back(discard_writes=discard_writes)
        refused = partial(rollback_refusal, discard_writes=discard_writes)
        await _steered(cluster, object_name, refused, lambda _: spec)
        _print(f"{object_name}: rollback requested; landfall watch {object_name}")
        return
    raw = await cluster.get(kind, object_name)
    goal = to or str((raw.get("status") or {}).get("previous") or "")
    if not goal:
        message = f"{object_name} has no release before the live one. To choose a release: --to RELEASE (list them: landfall releases {object_name})"
        raise RefusedError(message)
    listed = await cluster.kube.listed("Release", cluster.namespace, f"{LABEL_DEPLOYMENT}={object_name}")
    wrong = rollback_problem(goal, {r["metadata"]["name"]: bool((r.get("status") or {}).get("liveAt")) for r in listed})
    if wrong:
        raise RefusedError(wrong[1])
    back = spec_changes.back_to(goal, _identifier())
    await cluster.change(kind, raw, lambda _: (back, None))
    _print(f"{object_name}: rollback to {goal} requested. To deploy new commits again: landfall resume deployment/{object_name}")


@changing
async def deploy(
    cluster: ClusterClient,
    deployment: Deployment,
    commit: Annotated[str, typer.Option("--commit", help="Commit to deploy. Default: the latest commit of the branch.")] = "",
) -> None:
    """Deploy a commit of a Deployment now."""
    _, object_name = parse_name(deployment, "Deployment")
    raw = await cluster.get("Deployment", object_name)
    request = spec_changes.deploy(_identifier(), commit)

    def change(current: Object) -> tuple[Object, Object]:
        annotation = str((current["metadata"].get("annotations") or {}).get(ANNOTATION, ""))
        queue = spec_changes.queued(annotation, str((current.get("status") or {}).get("lastHandledRequest", "")), request)
        if queue is None:
            message = f"too many deploys of {object_name} are queued; try again when the first of them has been processed"
            raise RefusedError(message)
        return spec_changes.move_on(), {ANNOTATION: queue}

    await cluster.change("Deployment", raw, change)
    _print(f"{object_name}: deploy requested; landfall watch deployment/{object_name}")


@changing
async def test(
    cluster: ClusterClient, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a Connection, or webhook/NAME.")]
) -> None:
    """Test a Connection or Webhook now. Exit status: 0 success, 1 failure."""
    kind, object_name = parse_name(name, "Connection", "Webhook")
    raw, identifier = await cluster.get(kind, object_name), _identifier()
    await cluster.change(kind, raw, lambda _: ({}, {ANNOTATION: spec_changes.look(identifier)}))
    while (raw.get("status") or {}).get("lastHandledRequest") != identifier:
        await asyncio.sleep(_EVERY_SECONDS)
        raw = await cluster.get(kind, object_name)
    message = str(render_objects.condition(raw, "Ready").get("message", ""))
    if not render_objects.holds(raw, "Ready"):
        raise RefusedError(message)
    latency = raw["status"].get("latencyMilliseconds")
    _print(f"{object_name}: {message}{'' if latency is None else f', {latency} ms'}")


async def _steered(
    cluster: ClusterClient, object_name: str, refused: Callable[[Object], Refusal | None], change: Callable[[Object], Object]
) -> Object:
    """Change the spec of a Migration unless the request is refused. Returns the object before the change. Raises RefusedError."""
    raw = await cluster.get("Migration", object_name)

    def allowed(current: Object) -> tuple[Object, None]:
        _refused(refused(current))
        return change(current), None

    await cluster.change("Migration", raw, allowed)
    return raw


def _refused(refusal: Refusal | None) -> None:
    """Raise RefusedError if there is a refusal."""
    if refusal:
        raise RefusedError(refusal.message)


def _waits(raw: Object) -> str:
    """Time until which its schedule delays it; empty if it may start now."""
    schedule = raw["spec"].get("schedule")
    opening_hours = opening(Schedule.model_validate(schedule) if schedule else None, datetime.now(UTC), cutover=False)  # noqa: TID251  a person's clock
    return "" if opening_hours.open or opening_hours.changes is None else f"{opening_hours.changes:%Y-%m-%dT%H:%M:%SZ}"


def _identifier() -> str:
    return secrets.token_hex(8)


def _print(message: str) -> None:
    console().print(message, markup=False)


COMMANDS = {
    "approve": approve,
    "start": start,
    "pause": pause,
    "resume": resume,
    "cancel": cancel,
    "deploy": deploy,
    "test": test,
}
