"""The operator's process: kopf watches Landfall's kinds, and their Jobs and workloads; its handlers only enqueue keys."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import chain, repeat
from typing import Any, cast

import kopf
from pydantic import ValidationError

from landfall import metrics
from landfall.api.crd import BY_NAME, GROUP, VERSION
from landfall.api.migration import LABEL_MIGRATION
from landfall.controllers import app_deployment
from landfall.controllers.context import Context
from landfall.controllers.deployment import reconcile as deployment
from landfall.controllers.migration import status
from landfall.handlers.workqueue import ObjectKey, Queue
from landfall.kube.client import Object
from landfall.kube.errors import ConflictError, ForbiddenError, InvalidError, KubeError
from landfall.lib.logs import event
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER
from landfall.manifests.run import run_name

_WORKERS = 8
_STUCK_SECONDS = 120
_RELIST_SECONDS = 1.0
_RELIST_MOST_SECONDS = 10.0
_KINDS = ("Connection", "Migration", "Deployment", "Webhook")
_CHILDREN = (("batch", "v1", "jobs"), ("apps", "v1", "deployments"))
Loop = Callable[[Context, Object], Awaitable[float | None]]


class Operator:
    """The work queue, its workers and the periodic list."""

    def __init__(self, context: Context, loops: Mapping[str, Loop], resync_seconds: float) -> None:
        self.queue = Queue(time.monotonic)
        self._context = context
        self._loops = loops
        self._resync_seconds = resync_seconds
        self.namespaces = context.kube.namespaces
        self._known: set[ObjectKey] = set()
        self._refusals_reported: set[ObjectKey] = set()
        self._migration_of_app: dict[tuple[str, str], str] = {}
        self._resynced = time.monotonic()
        self._relisting: asyncio.TimerHandle | None = None
        self._relist_due = 0.0
        self._busy: dict[ObjectKey, float] = {}

    # -- what enqueues keys -------------------------------------------------------------------------------------------

    def enqueue(self, kind: str, namespace: str, name: str) -> None:
        """Enqueue an object that changed."""
        key = ObjectKey(kind, namespace, name)
        self._known.add(key)
        metrics.ADDS.labels(kind).inc()
        self.queue.add(key)

    def on_object(self, kind: str, raw: Object) -> None:
        """Enqueue an object from a list or a watch, unless it is a Migration that is completed for good: there may be thousands."""
        metadata = raw["metadata"]
        self._neighbours(kind, raw)
        if kind == "Migration" and status.is_terminal(raw):
            self._known.discard(ObjectKey(kind, metadata["namespace"], metadata["name"]))
            metrics.record_phase(kind, metadata["namespace"], metadata["name"], str(raw["status"].get("phase", "")))
        else:
            self.enqueue(kind, metadata["namespace"], metadata["name"])

    def _neighbours(self, kind: str, raw: Object) -> None:
        """Enqueue the counterpart: a Deployment and the Migration that creates it wait for each other."""
        namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
        if kind == "Migration" and (app := app_deployment.deployment_name(raw)):
            self._migration_of_app[(namespace, app)] = name
            self.enqueue("Deployment", namespace, app)
        elif kind == "Deployment" and (migration_name := self._migration_of_app.get((namespace, name))):
            key = ObjectKey("Migration", namespace, migration_name)
            if key in self._known:
                self.queue.add(key)

    def on_owned_change(self, kind: str, namespace: str, name: str) -> None:
        """Enqueue the object that owns a changed one; for a Run its Migration, for a Release its Deployment.

        Jobs of a Run name their Migration in a label. Those of earlier versions do not: then the Run's name says which ones it may be.
        """
        if kind == "Run":
            stem = f"{name.rpartition('-')[0]}-"
            for key in self._known:
                if (key.kind, key.namespace) == ("Migration", namespace) and run_name(key.name, "") == stem:
                    self.queue.add(key)
        elif kind == "Release":
            self.enqueue("Deployment", namespace, name.rpartition("-")[0])
        else:
            self.enqueue(kind, namespace, name)

    def on_listed_child(self) -> None:
        """Enqueue all known keys one second after the last listed child, ten at most after the first. A list does not show what was deleted before it."""
        loop = asyncio.get_running_loop()
        if self._relisting:
            self._relisting.cancel()
        else:
            self._relist_due = loop.time() + _RELIST_MOST_SECONDS
        self._relisting = loop.call_at(min(loop.time() + _RELIST_SECONDS, self._relist_due), self._after_list)

    def _after_list(self) -> None:
        self._relisting = None
        self._enqueue_known()

    def _enqueue_known(self) -> None:
        for key in list(self._known):
            self.queue.add(key, 1.0)

    async def on_push(self, repository: str, branch: str) -> int:
        """Check the Deployments that follow a branch now, and return their number."""
        count = 0
        async for raw in self._context.kube.every("Deployment"):
            if deployment.follows(raw, repository, branch):
                metadata = raw["metadata"]
                self._context.lookups.forget(metadata["namespace"], metadata["name"])
                self.enqueue("Deployment", metadata["namespace"], metadata["name"])
                count += 1
        return count

    # -- work ---------------------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Run everything that kopf does not, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._worker())
            group.create_task(self._resync())
            group.create_task(self._context.keeper.expire_periodically())

    async def _worker(self) -> None:
        while True:
            key = await self.queue.get()
            self._busy[key] = began = time.monotonic()
            metrics.DEPTH.labels("landfall").set(len(self.queue))
            try:
                again = await self._reconcile_one(key)
            except ConflictError:
                self.queue.done(key, 0.05)
                metrics.RECONCILED.labels(key.kind, "requeue").inc()
            except (KubeError, ValidationError) as error:
                pause = self.queue.failed(key)
                metrics.ERRORS.labels(key.kind).inc()
                metrics.RECONCILED.labels(key.kind, "error").inc()
                _failed(key, error, pause)
            except Exception as error:  # noqa: BLE001  a fault with one object must not stop the others; it is logged and retried
                _failed(key, error, self.queue.failed(key), logging.ERROR)
                metrics.ERRORS.labels(key.kind).inc()
                metrics.RECONCILED.labels(key.kind, "error").inc()
            else:
                self.queue.done(key, again)
                metrics.RECONCILED.labels(key.kind, "success" if again is None else "requeue_after").inc()
            finally:
                self._busy.pop(key, None)
                metrics.SECONDS.labels(key.kind).observe(time.monotonic() - began)

    async def _reconcile_one(self, key: ObjectKey) -> float | None:
        raw = await self._context.kube.get(key.kind, key.namespace, key.name)
        if raw is None:
            self._forget(key)
            return None
        self._known.add(key)
        try:
            again = await self._loops[key.kind](self._context, raw)
        except (ForbiddenError, InvalidError) as error:
            await self._report_refusal(key, raw, error)
            raise
        self._refusals_reported.discard(key)
        if key.kind == "Connection" and "deletionTimestamp" not in raw["metadata"]:
            self._wake_users(key)
        return again

    def _forget(self, key: ObjectKey) -> None:
        """Drop all state of an object that no longer exists."""
        self._known.discard(key)
        self._refusals_reported.discard(key)
        metrics.record_phase(key.kind, key.namespace, key.name, "")
        if key.kind == "Deployment":
            self._context.lookups.forget(key.namespace, key.name)
        elif key.kind == "Migration":
            apps = self._migration_of_app.items()
            self._migration_of_app = {app: name for app, name in apps if (app[0], name) != (key.namespace, key.name)}

    async def _report_refusal(self, key: ObjectKey, raw: Object, error: KubeError) -> None:
        """Write an Event, once until a reconcile succeeds, for errors that retrying does not fix: quotas, roles, admission policies."""
        if key not in self._refusals_reported:
            self._refusals_reported.add(key)
            message = f"the API server rejected a request of the operator for this object; it is retried: {error.message}"
            await self._context.event(raw, "Refused", message, warning=True)

    def _wake_users(self, connected: ObjectKey) -> None:
        """Enqueue Migrations and Deployments of a Connection's namespace: they may wait for it, and a reconcile costs a few reads."""
        for key in self._known:
            if key.kind in {"Migration", "Deployment"} and key.namespace == connected.namespace:
                self.queue.add(key, 0.5)

    async def _resync(self) -> None:
        """List all objects and enqueue them and all known keys, every `resync_seconds`."""
        while True:
            for kind in _KINDS:
                with contextlib.suppress(KubeError):
                    async for raw in self._context.kube.every(kind):
                        self.on_object(kind, raw)
            self._enqueue_known()
            self._resynced = time.monotonic()
            await asyncio.sleep(self._resync_seconds)

    # -- health -------------------------------------------------------------------------------------------------------

    def health_problem(self) -> str:
        """Why this process is unhealthy, such as a stuck key; empty if it is healthy."""
        moment = time.monotonic()
        if moment - self._resynced > self._resync_seconds + _STUCK_SECONDS:
            return "objects were not listed for too long"
        stuck = [key for key, began in self._busy.items() if moment - began > _STUCK_SECONDS]
        return f"{stuck[0].kind} {stuck[0].namespace}/{stuck[0].name} is stuck" if stuck else ""


def _failed(key: ObjectKey, error: Exception, pause: float, level: int = logging.WARNING) -> None:
    """Log a failed reconcile: one line; a fault of the operator at level error with its traceback."""
    about = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
    message = str(error) if level == logging.WARNING else f"{type(error).__name__}: {error}"
    trace = error if level > logging.WARNING else None
    event(level, "reconcile_failed", trace=trace, **about, error=message, retry_in_seconds=round(pause, 1))


class RetryDelays:
    """Delays before kopf's retries, in seconds, without an end: kopf never restarts a watch that it gave up, as of a recreated namespace."""

    def __iter__(self) -> Iterator[float]:
        """1, 2, 4, 8, 15, then 30 s each."""
        return chain((1, 2, 4, 8, 15), repeat(30))


def registered(operator: Operator) -> kopf.OperatorRegistry:
    """Kopf's handlers: one for each kind, which only enqueues a key."""
    registry = kopf.OperatorRegistry()
    for kind, plural in ((name, BY_NAME[name].plural) for name in _KINDS):

        @kopf.on.event(GROUP, VERSION, plural, registry=registry, id=f"see-{plural}")
        async def on_event(event: kopf.RawEvent, kind: str = kind, **_: Any) -> None:  # noqa: ANN401  kopf's signature
            raw = cast("Object", event["object"])
            if event["type"] == "DELETED":
                operator.enqueue(kind, raw["metadata"]["namespace"], raw["metadata"]["name"])
            else:
                operator.on_object(kind, raw)

    @kopf.on.event(GROUP, VERSION, "tableplans", registry=registry, id="see-tableplans")
    async def on_table_plan_event(spec: kopf.Spec, namespace: str | None, **_: Any) -> None:  # noqa: ANN401  kopf's signature
        operator.enqueue("Migration", namespace or "", str(spec.get("migrationRef", {}).get("name", "")))

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:  # noqa: ANN401  kopf's signature
        _configure(settings, by_name=bool(operator.namespaces))

    @kopf.on.login(registry=registry)
    def login(**more: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401  kopf's signature
        return kopf.login_with_service_account(**more) or kopf.login_with_kubeconfig(**more)

    _register_children(operator, registry)
    return registry


def owner_of_child(labels: Mapping[str, str]) -> tuple[str, str]:
    """Kind and name of the object to enqueue for a changed child; of a Run if the child does not name its Migration."""
    if LABEL_MIGRATION in labels:
        return "Migration", labels[LABEL_MIGRATION]
    return labels.get(LABEL_KIND, ""), labels[LABEL_OWNER]


def _register_children(operator: Operator, registry: kopf.OperatorRegistry) -> None:
    """Children name their owner in labels. The API server sends no others: see `_configure`."""
    for group, version, plural in _CHILDREN:

        @kopf.on.event(group, version, plural, registry=registry, id=f"see-{group}-{plural}")
        async def on_child_event(event: kopf.RawEvent, **_: Any) -> None:  # noqa: ANN401  kopf's signature
            metadata = event["object"]["metadata"]
            if event["type"] is None:
                operator.on_listed_child()
            else:
                labels = metadata["labels"]
                kind, name = owner_of_child(labels)
                operator.on_owned_change(kind, metadata["namespace"], name)


def _configure(settings: kopf.OperatorSettings, *, by_name: bool) -> None:
    """Set kopf's settings. `by_name`: only some namespaces are managed."""
    settings.posting.enabled = False
    settings.scanning.disabled = by_name  # scanning needs a ClusterRole
    settings.peering.standalone = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.2  # seconds; a list starts a task for each object, which ends when it is idle
    for child in _CHILDREN:
        settings.watching.label_selectors[child] = LABEL_OWNER
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = RetryDelays()
    settings.process.ultimate_exiting_timeout = 15
