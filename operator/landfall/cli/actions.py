"""Steering what is in a cluster: each command is one change of a spec, or one request annotation, which `kubectl diff` shows."""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import Annotated, Any

import typer

from landfall.api import spec_changes
from landfall.api.annotations import ANNOTATION, PhaseName
from landfall.cli import render_objects
from landfall.cli.cluster_client import Reach, RefusedError, changing, console
from landfall.cli.resource_names import Deployment, Name, named
from landfall.lib.text import counted

_EVERY_SECONDS = 0.5
Reason = Annotated[str, typer.Option("--reason", help="Shown to whoever looks.")]


@changing
async def approve(
    reach: Reach,
    name: Name,
    digest: Annotated[str, typer.Option("--digest", help="Only if the plan is still this one.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")] = False,
) -> None:
    """Approve the plan of a Migration as it is."""
    _, which = named(name, "Migration")
    raw = await reach.found("Migration", which)
    brief = (raw.get("status") or {}).get("plan")
    if not brief:
        told = f"{which} has no plan yet: {render_objects.condition(raw, 'Ready').get('message', 'it is being planned')}"
        raise RefusedError(told)
    if digest and digest != brief["digest"]:
        told = f"the plan is another one by now: {brief['digest']}. Read it: landfall plan {which}"
        raise RefusedError(told)
    if brief.get("blockers"):
        told = f"{counted(brief['blockers'], 'risk')} must be mended first. Read them: landfall plan {which}"
        raise RefusedError(told)
    for part in render_objects.planned(brief):
        console().print(part)
    if not yes and not (sys.stdin.isatty() and typer.confirm("Approve this plan?")):
        raise RefusedError("not approved; --yes approves without asking", 3)
    await reach.change("Migration", raw, spec_changes.approve(brief["digest"]))
    _said(f"{which}: the plan {brief['digest']} is approved")


@changing
async def start(
    reach: Reach,
    name: Name,
    skip_approval: Annotated[bool, typer.Option("--skip-approval", help="Whatever of the plan needs review.")] = False,
    first: Annotated[
        PhaseName | None, typer.Option("--from", help="Where to go on; refused where what is before it is not proven.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Rehearse: everything but the cutover, and nothing left of it.")
    ] = False,
) -> None:
    """Have a Migration begin, or go on, to its end."""
    _, which = named(name, "Migration")
    raw, identifier = await _unended(reach, which), _identifier()
    request = (
        spec_changes.rehearse(identifier)
        if dry_run
        else spec_changes.on_terms(identifier, skip_approval=skip_approval, first=first)
    )
    await reach.change("Migration", raw, {} if dry_run else spec_changes.start(), {ANNOTATION: request} if request else None)
    _said(f"{which}: {'it will be rehearsed' if dry_run else 'it begins'}; landfall watch {which}")


@changing
async def pause(
    reach: Reach,
    name: Name,
    reason: Reason = "",
    immediate: Annotated[bool, typer.Option("--immediate", help="Give up the chunks in flight.")] = False,
) -> None:
    """Have a Migration stop at the next checkpoint."""
    _, which = named(name, "Migration")
    await reach.change("Migration", await _unended(reach, which), spec_changes.pause(reason, immediate=immediate))
    _said(f"{which}: it pauses {'at once' if immediate else 'at the next checkpoint'}")


@changing
async def resume(reach: Reach, name: Name) -> None:
    """Have a paused Migration go on; or a Deployment that was rolled back move on."""
    kind, which = named(name, "Migration", "Deployment")
    if kind == "Migration":
        await reach.change(kind, await _unended(reach, which), spec_changes.resume())
    else:
        await reach.change(kind, await reach.found(kind, which), spec_changes.move_on())
    _said(f"{which}: it goes on")


@changing
async def cancel(
    reach: Reach,
    name: Name,
    reason: Reason = "",
    keep: Annotated[bool, typer.Option("--keep", help="Keep what was staged.")] = False,
    at_once: Annotated[bool, typer.Option("--force", help="Wait for no worker.")] = False,
) -> None:
    """End a Migration before its cutover."""
    _, which = named(name, "Migration")
    await reach.change("Migration", await _unended(reach, which), spec_changes.cancel(reason, rollback=not keep, force=at_once))
    _said(f"{which}: it is cancelled; what was staged is {'kept' if keep else 'dropped'}")


async def rollback(reach: Reach, name: str, *, to: str, discard_writes: bool) -> None:
    """Put back what a Migration's cutover replaced, or have a Deployment go back to a Release that was live."""
    kind, which = named(name, "Migration", "Deployment")
    raw = await reach.found(kind, which)
    if kind == "Migration":
        await reach.change(kind, raw, spec_changes.back(discard_writes=discard_writes))
        _said(f"{which}: what was there before the cutover is put back")
        return
    goal = to or str((raw.get("status") or {}).get("previous") or "")
    if not goal:
        told = f"{which} has no release before the one that serves. Another one: --to, of landfall releases {which}"
        raise RefusedError(told)
    await reach.change(kind, raw, spec_changes.back_to(goal, _identifier()))
    _said(f"{which}: it goes back to {goal}; landfall resume deployment/{which} moves on again")


@changing
async def deploy(
    reach: Reach,
    deployment: Deployment,
    commit: Annotated[str, typer.Option("--commit", help="Default: the newest of its branch.")] = "",
) -> None:
    """Deploy a commit now."""
    _, which = named(deployment, "Deployment")
    raw = await reach.found("Deployment", which)
    await reach.change("Deployment", raw, spec_changes.move_on(), {ANNOTATION: spec_changes.deploy(_identifier(), commit)})
    _said(f"{which}: it is deployed; landfall watch deployment/{which}")


@changing
async def test(reach: Reach, name: Annotated[str, typer.Argument(metavar="NAME", help="A Connection, or webhook/NAME.")]) -> None:
    """Ask the database of a Connection, or ping a Webhook, now. Exit status: 0 it answers, 1 it does not."""
    kind, which = named(name, "Connection", "Webhook")
    raw, identifier = await reach.found(kind, which), _identifier()
    await reach.change(kind, raw, {}, {ANNOTATION: spec_changes.look(identifier)})
    while (raw.get("status") or {}).get("lastHandledRequest") != identifier:
        await asyncio.sleep(_EVERY_SECONDS)
        raw = await reach.found(kind, which)
    message = str(render_objects.condition(raw, "Ready").get("message", ""))
    if not render_objects.holds(raw, "Ready"):
        raise RefusedError(message)
    spent = raw["status"].get("latencyMilliseconds")
    _said(f"{which}: {message}{'' if spent is None else f', {spent} ms'}")


async def _unended(reach: Reach, which: str) -> dict[str, Any]:
    """A Migration that is not completed. Raises RefusedError."""
    raw = await reach.found("Migration", which)
    if (raw.get("status") or {}).get("phase") == "Completed" and render_objects.holds(raw, "Ready"):
        told = f"{which} is completed. The way back: landfall rollback {which}; to run it again: another spec.data.rerunToken"
        raise RefusedError(told)
    return raw


def _identifier() -> str:
    return secrets.token_hex(8)


def _said(message: str) -> None:
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
