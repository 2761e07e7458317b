"""The operator's process: kopf watches our kinds, our own watch sees their Jobs; both only name keys to look at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from typing import Any, cast

import kopf
from pydantic import ValidationError
from starlette.types import ASGIApp

from landfall import metrics
from landfall.api.crd import BY_NAME, GROUP, VERSION
from landfall.api.worker_protocol import Dials
from landfall.controllers import app_deployment
from landfall.controllers.connection import reconcile as probing
from landfall.controllers.context import Context
from landfall.controllers.deployment import reconcile as deployment
from landfall.controllers.migration import reconcile as migration
from landfall.controllers.migration import status
from landfall.controllers.objects import now
from landfall.controllers.providers import Providers
from landfall.controllers.reports import Reports
from landfall.handlers.serving import served
from landfall.handlers.workqueue import Key, Queue
from landfall.journal.store import Journal
from landfall.journal.writer import Keeper
from landfall.kube.client import Kube, Object
from landfall.kube.errors import ConflictError, ForbiddenError, InvalidError, KubeError
from landfall.lib.logs import event
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER
from landfall.settings import Settings

_WORKERS = 8
_WATCH_SECONDS = 300
_STUCK_SECONDS = 120
Pushed = Callable[[str, str], Awaitable[int]]
IntakeOf = Callable[
    [Kube, Reports, Keeper, Callable[[str, str, str], None], Callable[[Object], Dials | None], Settings, Pushed], ASGIApp
]
_KINDS = ("Connection", "Migration", "Deployment", "Webhook")
_CHILDREN = ("Job", "Workload")
Loop = Callable[[Context, Object], Awaitable[float | None]]


def _loops(settings: Settings) -> dict[str, Loop]:
    async def deployed(context: Context, raw: Object) -> float | None:
        return await deployment.reconcile(context, settings.builds, raw)

    return {
        "Connection": probing.connection,
        "Migration": migration.reconcile,
        "Deployment": deployed,
        "Webhook": probing.webhook,
    }


class Operator:
    """The queue, its workers and the watches beside kopf's."""

    def __init__(self, kube: Kube, settings: Settings, intake: IntakeOf) -> None:
        self.queue = Queue(time.monotonic)
        self._kube = kube
        self._reports = Reports()
        self._settings = settings
        self._journal = Journal(settings.journal_url)
        self._keeper = Keeper(self._journal, settings.journal_keep_days, settings.journal_keep_lines, now)
        providers = Providers(settings.builds.github, settings.supabase, settings.builds.private_hosts)
        self._context = Context(kube, self._reports, settings.image, settings.intake_url, now, self._keeper, providers)
        self._loops = _loops(settings)
        self._intake = intake(
            kube,
            self._reports,
            self._keeper,
            self.owned,
            migration.dialled,
            settings,
            self.pushed,
        )
        self.namespaces = kube.namespaces
        self._known: set[Key] = set()
        self._told: set[Key] = set()
        self._movers: dict[tuple[str, str], str] = {}
        self._resynced = time.monotonic()
        self._watched = {(kind, scope): time.monotonic() for kind in _CHILDREN for scope in kube.scopes}
        self._busy: dict[Key, float] = {}

    # -- what is told to look at --------------------------------------------------------------------------------------

    def seen(self, kind: str, namespace: str, name: str) -> None:
        """An object changed."""
        key = Key(kind, namespace, name)
        self._known.add(key)
        metrics.ADDS.labels(kind).inc()
        self.queue.add(key)

    def told(self, kind: str, raw: Object) -> None:
        """An object as a list or a watch tells it: what is done for good is not looked at closer, be there ten thousand of it."""
        metadata = raw["metadata"]
        self._neighbours(kind, raw)
        if kind == "Migration" and status.is_terminal(raw):
            self._known.discard(Key(kind, metadata["namespace"], metadata["name"]))
            metrics.stands(kind, metadata["namespace"], metadata["name"], str(raw["status"].get("phase", "")))
        else:
            self.seen(kind, metadata["namespace"], metadata["name"])

    def _neighbours(self, kind: str, raw: Object) -> None:
        """A Deployment and the Migration that it belongs to wait for each other."""
        namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
        if kind == "Migration" and (app := app_deployment.means(raw)):
            self._movers[(namespace, app)] = name
            self.seen("Deployment", namespace, app)
        elif kind == "Deployment" and (mover := self._movers.get((namespace, name))):
            key = Key("Migration", namespace, mover)
            if key in self._known:
                self.queue.add(key)

    def owned(self, kind: str, namespace: str, name: str) -> None:
        """Something that belongs to an object changed: a Run stands for its Migration, a Release for its Deployment."""
        if kind == "Run":
            metrics.REPORTS.inc()
            for key in self._known:
                if key.kind == "Migration" and key.namespace == namespace and name.startswith(key.name[:40].rstrip("-.")):
                    self.queue.add(key)
        elif kind == "Release":
            self.seen("Deployment", namespace, name.rpartition("-")[0])
        else:
            self.seen(kind, namespace, name)

    async def pushed(self, repository: str, branch: str) -> int:
        """Look now at the Deployments that follow a branch; how many there are."""
        found = 0
        async for raw in self._kube.every("Deployment"):
            if deployment.follows(raw, repository, branch):
                metadata = raw["metadata"]
                self._context.checked.pop(f"{metadata['namespace']}/{metadata['name']}", None)
                self.seen("Deployment", metadata["namespace"], metadata["name"])
                found += 1
        return found

    # -- work ---------------------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Everything that runs beside kopf, until it is cancelled."""
        try:
            async with served(self._intake, self._settings.intake_port), asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(self._worker())
                for kind, scope in self._watched:
                    group.create_task(self._watch(kind, scope))
                group.create_task(self._resync())
                group.create_task(self._keeper.tidy())
        finally:
            await self._context.providers.close()
            self._journal.close()

    async def _worker(self) -> None:
        while True:
            key = await self.queue.get()
            self._busy[key] = began = time.monotonic()
            metrics.DEPTH.labels("landfall").set(len(self.queue))
            try:
                again = await self._one(key)
            except ConflictError:
                self.queue.done(key, 0.05)
                metrics.RECONCILED.labels(key.kind, "requeue").inc()
            except (KubeError, ValidationError) as error:
                pause = self.queue.failed(key)
                metrics.ERRORS.labels(key.kind).inc()
                metrics.RECONCILED.labels(key.kind, "error").inc()
                _failed(key, error, pause)
            except Exception as error:  # noqa: BLE001  one object's fault must not stop the others; it is logged and tried again
                _failed(key, error, self.queue.failed(key), logging.ERROR)
                metrics.ERRORS.labels(key.kind).inc()
                metrics.RECONCILED.labels(key.kind, "error").inc()
            else:
                self.queue.done(key, again)
                metrics.RECONCILED.labels(key.kind, "success" if again is None else "requeue_after").inc()
            finally:
                self._busy.pop(key, None)
                metrics.SECONDS.labels(key.kind).observe(time.monotonic() - began)

    async def _one(self, key: Key) -> float | None:
        raw = await self._kube.get(key.kind, key.namespace, key.name)
        if raw is None:
            self._gone(key)
            return None
        self._known.add(key)
        try:
            again = await self._loops[key.kind](self._context, raw)
        except (ForbiddenError, InvalidError) as error:
            await self._refused(key, raw, error)
            raise
        self._told.discard(key)
        if key.kind == "Connection" and "deletionTimestamp" not in raw["metadata"]:
            self._wake_users(key)
        return again

    def _gone(self, key: Key) -> None:
        """Nothing is kept of an object that is no more."""
        self._known.discard(key)
        self._told.discard(key)
        metrics.stands(key.kind, key.namespace, key.name, "")
        if key.kind == "Deployment":
            self._context.checked.pop(f"{key.namespace}/{key.name}", None)
        elif key.kind == "Migration":
            self._movers = {app: mover for app, mover in self._movers.items() if (app[0], mover) != (key.namespace, key.name)}

    async def _refused(self, key: Key, raw: Object, error: KubeError) -> None:
        """What no other try will change is told where people look, once until it is over: a quota, a role that does not fit, an admission policy."""
        if key not in self._told:
            self._told.add(key)
            message = f"the API server refuses what the operator asks of it here, which is tried again: {error.message}"
            await self._context.event(raw, "Refused", message, warning=True)

    def _wake_users(self, connected: Key) -> None:
        """A Connection that appeared or changed may be what a Migration or Deployment waits for; looking costs a few reads."""
        for key in self._known:
            if key.kind in {"Migration", "Deployment"} and key.namespace == connected.namespace:
                self.queue.add(key, 0.5)

    async def _watch(self, kind: str, scope: str) -> None:
        """Watch children by label. kopf could, but would keep each one and give no sign of life (decision 0037). After each end, all known keys are queued."""
        while True:
            self._watched[kind, scope] = time.monotonic()
            with contextlib.suppress(KubeError):
                async for child in self._kube.watch(kind, LABEL_OWNER, scope):
                    self._watched[kind, scope] = time.monotonic()
                    metadata = child["metadata"]
                    self.owned(metadata["labels"].get(LABEL_KIND, ""), metadata["namespace"], metadata["labels"][LABEL_OWNER])
            for key in list(self._known):
                self.queue.add(key, 1.0)
            await asyncio.sleep(1)

    async def _resync(self) -> None:
        """Now and then, all that is listed and all that is known."""
        while True:
            for kind in _KINDS:
                with contextlib.suppress(KubeError):
                    async for raw in self._kube.every(kind):
                        self.told(kind, raw)
            for key in list(self._known):
                self.queue.add(key, 1.0)
            self._resynced = time.monotonic()
            await asyncio.sleep(self._settings.resync_seconds)

    # -- health -------------------------------------------------------------------------------------------------------

    def ill(self) -> str:
        """What is wrong with this process, if anything: a watch that is dead, a key that is stuck."""
        moment = time.monotonic()
        if moment - self._resynced > self._settings.resync_seconds + _STUCK_SECONDS:
            return "objects have not been listed for too long"
        for (kind, scope), watched in self._watched.items():
            if moment - watched > _WATCH_SECONDS + _STUCK_SECONDS:
                return f"the watch of {kind}s{' of ' + scope if scope else ''} is dead"
        stuck = [key for key, began in self._busy.items() if moment - began > _STUCK_SECONDS]
        return f"{stuck[0].kind} {stuck[0].namespace}/{stuck[0].name} is stuck" if stuck else ""


def _failed(key: Key, error: Exception, pause: float, level: int = logging.WARNING) -> None:
    """One line for each failed reconcile; a fault of the operator comes at level error, with its traceback."""
    about = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
    told = str(error) if level == logging.WARNING else f"{type(error).__name__}: {error}"
    trace = error if level > logging.WARNING else None
    event(level, "reconcile_failed", trace=trace, **about, error=told, retry_in_seconds=round(pause, 1))


class Patience:
    """How long kopf waits before it asks again, in seconds, without an end: a watch that it gives up it never begins again, as of a namespace that was deleted and comes back."""

    def __iter__(self) -> Iterator[float]:
        """One more after each."""
        return chain((1, 2, 4, 8, 15), repeat(30))


def registered(operator: Operator) -> kopf.OperatorRegistry:
    """Kopf's side: one handler a kind, which only names a key."""
    registry = kopf.OperatorRegistry()
    for kind, plural in ((name, BY_NAME[name].plural) for name in _KINDS):

        @kopf.on.event(GROUP, VERSION, plural, registry=registry, id=f"see-{plural}")
        async def see(event: kopf.RawEvent, kind: str = kind, **_: Any) -> None:  # noqa: ANN401  kopf's
            raw = cast("Object", event["object"])
            if event["type"] == "DELETED":
                operator.seen(kind, raw["metadata"]["namespace"], raw["metadata"]["name"])
            else:
                operator.told(kind, raw)

    @kopf.on.event(GROUP, VERSION, "tableplans", registry=registry, id="see-tableplans")
    async def see_plan(spec: kopf.Spec, namespace: str | None, **_: Any) -> None:  # noqa: ANN401  kopf's
        operator.seen("Migration", namespace or "", str(spec.get("migrationRef", {}).get("name", "")))

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:  # noqa: ANN401  kopf's
        settings.posting.enabled = False
        settings.scanning.disabled = bool(
            operator.namespaces
        )  # of the cluster's kinds and namespaces, which only a cluster's role may see
        settings.peering.standalone = True
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 310
        settings.watching.connect_timeout = 30
        settings.watching.chunk_size = 500
        settings.networking.request_timeout = 30
        settings.networking.error_backoffs = Patience()
        settings.process.ultimate_exiting_timeout = 15

    @kopf.on.login(registry=registry)
    def login(**more: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401  kopf's
        return kopf.login_with_service_account(**more) or kopf.login_with_kubeconfig(**more)

    return registry
