"""Read-only commands for objects in a cluster: get, describe, watch, plan, logs, releases, open."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.live import Live

from landfall.api.crd import KINDS as CRDS
from landfall.api.plan_storage import LABEL_RUN, joined
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.cli import logs as podlogs
from landfall.cli import render_objects, render_plan
from landfall.cli.cluster_client import ClusterClient, RefusedError, console, manifest_of, reaching
from landfall.cli.resource_names import GROUP, KIND_OF, KINDS, Deployment, Name, parse_name
from landfall.engine.model.plan import Plan
from landfall.engine.model.plan_codec import as_json, unpacked
from landfall.kube.errors import KubeError

Object = dict[str, Any]
_EVERY_SECONDS = 1.0
_PATIENCE_ROUNDS = 120
_SINGULAR = {kind.name: kind.plural.removesuffix("s") for kind in CRDS}  # as kubectl takes them


class ObjectFormat(StrEnum):
    """Output format of objects."""

    TABLE = ""
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Output = Annotated[
    ObjectFormat, typer.Option("--output", "-o", help="Output format: wide, json, yaml or name. Default: a table.")
]


@reaching
async def get(
    cluster: ClusterClient,
    what: Annotated[
        str,
        typer.Argument(
            metavar="[KIND|KIND/NAME]",
            help="migrations, deployments, releases, connections or webhooks. Default: all kinds except releases.",
        ),
    ] = "",
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Name of the object.")] = "",
    output: Output = ObjectFormat.TABLE,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="List the objects of all namespaces.")] = False,
) -> None:
    """List objects, or show one object."""
    word, slash, inner = what.partition("/")
    kinds = [KIND_OF.get(word.lower(), "")] if word else ["Migration", "Deployment", "Connection", "Webhook"]
    if not kinds[0]:
        message = f"unknown kind {word!r}. Valid kinds: {', '.join(words[1] for words in KINDS.values())}"
        raise RefusedError(message, 2)
    object_name = inner if slash else name
    objects_of_kind: dict[str, list[Object]] = {}
    for kind in kinds:
        if object_name:
            objects_of_kind[kind] = [await cluster.get(kind, object_name)]
        else:
            objects_of_kind[kind] = await cluster.kube.listed(kind, "" if everywhere else cluster.namespace)
    _printed(objects_of_kind, output, single=bool(object_name), namespaced=everywhere, namespace=cluster.namespace)


def _printed(
    objects_of_kind: dict[str, list[Object]], output: ObjectFormat, *, single: bool, namespaced: bool, namespace: str
) -> None:
    documents = [manifest_of(raw, kind) for kind, objects in objects_of_kind.items() for raw in objects]
    whole: Object = documents[0] if single else {"apiVersion": "v1", "kind": "List", "items": documents}
    if output is ObjectFormat.JSON:
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    elif output is ObjectFormat.YAML:
        sys.stdout.write(yaml.safe_dump(whole, sort_keys=False))
    elif output is ObjectFormat.NAME:
        for document in documents:
            sys.stdout.write(f"{_SINGULAR[document['kind']]}.{GROUP}/{document['metadata']['name']}\n")
    else:
        sections = [(kind, objects) for kind, objects in objects_of_kind.items() if objects]
        for kind, objects in sections:
            objects.sort(key=lambda raw: (raw["metadata"]["namespace"], raw["metadata"]["name"]))
            heading = [] if len(objects_of_kind) == 1 else [f"[bold]{kind}s[/]"]
            for part in (
                *heading,
                render_objects.listed(
                    kind, objects, render_objects.today(), wide=output is ObjectFormat.WIDE, namespaced=namespaced
                ),
            ):
                console().print(part)
        if not sections:
            console(error=True).print("no objects found" if namespaced else f"no objects found in namespace {namespace}")


@reaching
async def describe(cluster: ClusterClient, name: Name) -> None:
    """Show one object in detail: conditions, plan, progress, events."""
    kind, object_name = parse_name(name, *KINDS)
    raw = await cluster.get(kind, object_name)
    events = await cluster.kube.listed("Event", cluster.namespace, fields=f"involvedObject.uid={raw['metadata']['uid']}")
    console().print(render_objects.described(kind, raw, events, render_objects.today()))


@reaching
async def watch(cluster: ClusterClient, name: Name) -> None:
    """Follow a Migration or Deployment until it is ready or needs action.

    Exit status: 0 ready, 1 action required, 3 approval required.
    """
    kind, object_name = parse_name(name, "Migration", "Deployment")
    out = console()
    raw = await cluster.get(kind, object_name)
    if out.is_terminal:
        with Live(render_objects.working(raw), console=out, refresh_per_second=4) as live:
            raw = await _followed(cluster, kind, raw, lambda now: live.update(render_objects.working(now)))
    else:
        raw = await _followed(cluster, kind, raw, _changes(out))
    message = render_objects.condition(raw, "Ready").get("message", "")
    if render_objects.holds(raw, "Ready"):
        out.print(f"[bold green]{object_name}[/]: {message}")
        return
    if render_objects.waits_for_approval(raw):
        advice = f"{message}\nReview the plan: landfall plan {name}\nApprove it: landfall approve {name}"
        raise RefusedError(advice, 3)
    raise RefusedError(message)


def _changes(out: Console) -> Callable[[Object], None]:
    last_line = ""

    def tell(raw: Object) -> None:
        nonlocal last_line
        line = render_objects.line(raw)
        if line != last_line:
            out.print(line, markup=False)
        last_line = line

    return tell


async def _followed(cluster: ClusterClient, kind: str, raw: Object, tell: Callable[[Object], None]) -> Object:
    """Read the object every second until no more change is expected. Tolerates an unavailable API server for some time."""
    failures = 0
    while True:
        tell(raw)
        if render_objects.rests(raw):
            return raw
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            raw, failures = await cluster.get(kind, raw["metadata"]["name"]), 0
        except KubeError as error:
            failures += 1
            if error.status in {401, 403} or failures > _PATIENCE_ROUNDS:
                raise


async def plan(cluster: ClusterClient, name: str, *, every: bool, as_document: bool) -> None:
    """Print the complete plan of a Migration: risks first, then mappings."""
    _, object_name = parse_name(name, "Migration")
    migration_plan = await _plan(cluster, await cluster.get("Migration", object_name))
    if as_document:
        sys.stdout.write(
            json.dumps(
                {**json.loads(as_json(migration_plan)), "digest": migration_plan.digest(), "toReview": migration_plan.to_review}
            )
            + "\n"
        )
    else:
        render_plan.plan(console(), migration_plan, every_column=every)


async def _plan(cluster: ClusterClient, raw: Object) -> Plan:
    status, name = raw.get("status") or {}, raw["metadata"]["name"]
    if not status.get("plan") or not status.get("run"):
        message = f"{name} has no plan yet: {render_objects.condition(raw, 'Ready').get('message', 'planning is in progress')}"
        raise RefusedError(message)
    pieces = await cluster.kube.listed("ConfigMap", cluster.namespace, f"{LABEL_RUN}={status['run']}")
    packed = joined(pieces, status["plan"]["digest"])
    if not packed:
        raise RefusedError("the plan is being stored; try again in a few seconds")
    return unpacked(packed)


@reaching
async def releases(
    cluster: ClusterClient,
    deployment: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name of the Deployment.")],
    output: Output = ObjectFormat.TABLE,
) -> None:
    """List the releases of a Deployment, newest first."""
    _, object_name = parse_name(deployment, "Deployment")
    await cluster.get("Deployment", object_name)
    release_objects = await cluster.kube.listed("Release", cluster.namespace, f"{LABEL_DEPLOYMENT}={object_name}")
    release_objects.sort(key=lambda raw: int(raw["spec"]["revision"]), reverse=True)
    if output in {ObjectFormat.TABLE, ObjectFormat.WIDE}:
        console().print(
            render_objects.listed(
                "Release", release_objects, render_objects.today(), wide=output is ObjectFormat.WIDE, namespaced=False
            )
        )
    else:
        _printed({"Release": release_objects}, output, single=False, namespaced=False, namespace=cluster.namespace)


@reaching
async def logs(
    cluster: ClusterClient,
    name: Name,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow the logs until the object is ready or needs action.")
    ] = False,
) -> None:
    """Print worker or build logs."""
    kind, object_name = parse_name(name, "Migration", "Deployment", "Release")
    raw = await cluster.get(kind, object_name)

    async def over() -> bool:
        return kind == "Release" or render_objects.rests(await cluster.get(kind, object_name))

    await podlogs.printed(cluster, kind, raw, over if follow else None)


@reaching
async def open_(
    cluster: ClusterClient,
    deployment: Deployment,
    printed: Annotated[bool, typer.Option("--print", help="Print the URL only.")] = False,
) -> None:
    """Open the URL of a Deployment in the browser."""
    _, object_name = parse_name(deployment, "Deployment")
    raw = await cluster.get("Deployment", object_name)
    url = str((raw.get("status") or {}).get("url") or "")
    if not url:
        message = f"{object_name} has no URL yet: {render_objects.condition(raw, 'Ready').get('message', 'it is not live')}"
        raise RefusedError(message)
    sys.stdout.write(f"{url}\n")
    if not printed and sys.stdout.isatty():
        typer.launch(url)


COMMANDS = {"get": get, "describe": describe, "watch": watch, "logs": logs, "releases": releases, "open": open_}
