"""The operator's process: kopf watches our kinds, our own watch sees their Jobs; both only name keys to look at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
import kopf
from aiohttp import web
from pydantic import ValidationError

from landfall.api.crd import BY_NAME, GROUP, VERSION
from landfall.api.report import Dials
from landfall.journal.store import Journal
from landfall.kube.client import Kube, Object
from landfall.kube.errors import ConflictError, KubeError
from landfall.manifests.job import LABEL_KIND, LABEL_OWNER
from landfall.metrics import loop as metrics
from landfall.providers.github import Commit, CommitStatus, GitHub
from landfall.reconcile import connection, deployment, migration
from landfall.reconcile.hands import Hands, Providers, now
from landfall.reconcile.keeper import Keeper
from landfall.reconcile.queue import Key, Queue
from landfall.reconcile.reports import Reports
from landfall.settings import Settings

_LOG = logging.getLogger("landfall")
_WORKERS = 8
_WATCH_SECONDS = 300
_STUCK_SECONDS = 120
Pushed = Callable[[str, str], Awaitable[int]]
IntakeOf = Callable[
    [Kube, Reports, Keeper, Callable[[str, str, str], None], Callable[[Object], Dials | None], str, Pushed], web.Application
]
_KINDS = ("Connection", "Migration", "Deployment")
_CHILDREN = ("Job", "Workload")
Loop = Callable[[Hands, Object], Awaitable[float | None]]


def _loops(settings: Settings) -> dict[str, Loop]:
    async def deployed(hands: Hands, raw: Object) -> float | None:
        return await deployment.reconcile(hands, settings.builds, raw)

    return {"Connection": connection.reconcile, "Migration": migration.reconcile, "Deployment": deployed}


class Operator:
    """The queue, its workers and the watches beside kopf's."""

    def __init__(self, kube: Kube, settings: Settings, intake: IntakeOf) -> None:
        self.queue = Queue(time.monotonic)
        self._kube = kube
        self._reports = Reports()
        self._settings = settings
        self._journal = Journal(settings.journal_url)
        self._keeper = Keeper(self._journal, settings.journal_keep_days, settings.journal_keep_lines, now)
        self._github: GitHub | None = None
        self._session: aiohttp.ClientSession | None = None
        providers = Providers(self._opened, settings.supabase)
        self._hands = Hands(
            kube,
            self._reports,
            settings.image,
            settings.intake_url,
            now,
            self._keeper.forget,
            self._commit,
            self._tell,
            providers,
        )
        self._loops = _loops(settings)
        self._intake = intake(
            kube, self._reports, self._keeper, self.owned, migration.dialled, settings.webhook_secret, self.pushed
        )
        self._known: set[Key] = set()
        self._resynced = time.monotonic()
        self._watched = dict.fromkeys(_CHILDREN, time.monotonic())
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
        if kind == "Migration" and migration.settled(raw):
            self._known.discard(Key(kind, metadata["namespace"], metadata["name"]))
            metrics.stands(kind, metadata["namespace"], metadata["name"], str(raw["status"].get("phase", "")))
        else:
            self.seen(kind, metadata["namespace"], metadata["name"])

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
                self._hands.checked.pop(f"{metadata['namespace']}/{metadata['name']}", None)
                self.seen("Deployment", metadata["namespace"], metadata["name"])
                found += 1
        return found

    # -- work ---------------------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Everything that runs beside kopf, until it is cancelled."""
        runner = web.AppRunner(self._intake, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", self._settings.intake_port).start()  # noqa: S104  pods reach it through a Service
        session = self._session = aiohttp.ClientSession()
        self._github = GitHub(self._settings.builds.github, session)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(self._worker())
                for kind in _CHILDREN:
                    group.create_task(self._watch(kind))
                group.create_task(self._resync())
                group.create_task(self._keeper.tidy())
        finally:
            await session.close()
            await runner.cleanup()
            self._journal.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            message = "the operator is not at work yet"
            raise RuntimeError(message)
        return self._session

    @property
    def _asked(self) -> GitHub:
        if self._github is None:
            message = "the operator is not at work yet"
            raise RuntimeError(message)
        return self._github

    async def _commit(self, repository: str, ref: str, token: str) -> Commit:
        return await self._asked.commit(repository, ref, token)

    async def _tell(self, told: CommitStatus, token: str) -> None:
        await self._asked.tell(told, token)

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
                _LOG.warning("%s %s/%s: %s; again in %.1f s", key.kind, key.namespace, key.name, error, pause)
            except Exception:  # noqa: BLE001  one object's fault must not stop the others; it is logged and tried again
                self.queue.failed(key)
                metrics.ERRORS.labels(key.kind).inc()
                metrics.RECONCILED.labels(key.kind, "error").inc()
                _LOG.exception("%s %s/%s: a fault of the operator", key.kind, key.namespace, key.name)
            else:
                self.queue.done(key, again)
                metrics.RECONCILED.labels(key.kind, "success" if again is None else "requeue_after").inc()
            finally:
                self._busy.pop(key, None)
                metrics.SECONDS.labels(key.kind).observe(time.monotonic() - began)

    async def _one(self, key: Key) -> float | None:
        raw = await self._kube.get(key.kind, key.namespace, key.name)
        if raw is None:
            self._known.discard(key)
            metrics.stands(key.kind, key.namespace, key.name, "")
            return None
        self._known.add(key)
        again = await self._loops[key.kind](self._hands, raw)
        if key.kind == "Connection" and "deletionTimestamp" not in raw["metadata"]:
            self._wake_users(key)
        return again

    def _wake_users(self, connected: Key) -> None:
        """A Connection that appeared or changed may be what a Migration or Deployment waits for; looking costs a few reads."""
        for key in self._known:
            if key.kind in {"Migration", "Deployment"} and key.namespace == connected.namespace:
                self.queue.add(key, 0.5)

    async def _watch(self, kind: str) -> None:
        """Our own watch, by label; kopf cannot. After every end it begins anew, and all known keys are looked at."""
        while True:
            self._watched[kind] = time.monotonic()
            with contextlib.suppress(KubeError):
                async for child in self._kube.watch(kind, LABEL_OWNER):
                    self._watched[kind] = time.monotonic()
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
        for kind, watched in self._watched.items():
            if moment - watched > _WATCH_SECONDS + _STUCK_SECONDS:
                return f"the watch of {kind}s is dead"
        stuck = [key for key, began in self._busy.items() if moment - began > _STUCK_SECONDS]
        return f"{stuck[0].kind} {stuck[0].namespace}/{stuck[0].name} is stuck" if stuck else ""


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
        settings.peering.standalone = True
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 310
        settings.watching.connect_timeout = 30
        settings.watching.chunk_size = 500
        settings.networking.request_timeout = 30
        settings.networking.error_backoffs = [1, 2, 4, 8, 15, 30, 30, 30, 30, 30, 30, 30]
        settings.process.ultimate_exiting_timeout = 15

    @kopf.on.login(registry=registry)
    def login(**more: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401  kopf's
        return kopf.login_with_service_account(**more) or kopf.login_with_kubeconfig(**more)

    return registry
