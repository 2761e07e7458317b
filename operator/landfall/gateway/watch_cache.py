"""Objects of the cluster, kept current by watches, so that reads cost the API server nothing. Callers see only what their own rights allow.

The rule: a change reads the object from the API server first, because the cache may be slightly outdated and leaves out `managedFields`,
which are more than half of an object.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from itertools import product
from typing import Any, Protocol

from landfall.api.apikey import Key
from landfall.api.crd import GROUP, KINDS
from landfall.gateway.pagination import Ordering
from landfall.kube.errors import ForbiddenError, KubeError
from landfall.lib import logs

WATCHED = ("Connection", "Deployment", "Migration", "Release", "Webhook")
_REMEMBERED_SECONDS = 10.0
_MOST_REMEMBERED = 10_000
_MOST_ORDERED = 50  # cached lists of one namespace
_PAUSE_SECONDS = 1.0
_PLURALS = {kind.name: kind.plural for kind in KINDS}
Object = dict[str, Any]


class WatchedCluster(Protocol):
    """What the cache needs of the API server."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of all namespaces: names, or one empty name for the whole cluster."""

    async def snapshot(self, kind: str, scope: str, reduce: Callable[[Object], Object]) -> tuple[list[Object], str]:
        """All reduced objects of a scope, and their resource version."""

    def changes(self, kind: str, version: str, scope: str) -> AsyncIterator[tuple[str, Object]]:
        """The changes in a scope after a version: ADDED, MODIFIED, DELETED, BOOKMARK."""

    async def create(self, kind: str, body: Object) -> Object:
        """Create an object."""


class WatchCache:
    """Objects of the kinds that the API shows, of all namespaces."""

    def __init__(self, kube: WatchedCluster, ticks: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._ticks = ticks
        self._objects: dict[str, dict[str, dict[str, Object]]] = {kind: {} for kind in WATCHED}
        self._current: set[tuple[str, str]] = set()
        self._allowed: dict[tuple[str, str, str], tuple[float, bool]] = {}
        self._ordered: dict[tuple[str, str], dict[str, list[Object]]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._numbers = itertools.count(1)
        self._epoch = 0

    async def run(self) -> None:
        """Watch until cancelled. Afterwards the cache is empty."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for kind, scope in product(WATCHED, self._kube.scopes):
                    tasks.create_task(self._watch(kind, scope))
        finally:
            self._current.clear()

    async def knows(self, key: Key, verb: str, kind: str) -> bool:
        """Whether the cache has this kind and the key's account may see it. Raises ForbiddenError if it may not."""
        if not {(kind, ""), (kind, key.namespace)} & self._current:
            return False
        question, moment = (key.user, verb, kind), self._ticks()
        answer = self._allowed.get(question)
        if answer is None or moment - answer[0] >= _REMEMBERED_SECONDS:
            try:
                answer = (moment, await self._may(key, verb, kind))
            except KubeError:
                return False
            if len(self._allowed) >= _MOST_REMEMBERED:
                self._allowed.clear()
            self._allowed[question] = answer
        if not answer[1]:
            raise ForbiddenError(403, f"{key.user} may not {verb} {_PLURALS[kind]}")
        return True

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object, which must not be changed."""
        return self._objects[kind].get(namespace, {}).get(name)

    def listed(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        """Objects of a namespace, which must not be changed."""
        objects = self._objects[kind].get(namespace, {}).values()
        label, _, value = labels.partition("=")
        return [raw for raw in objects if not labels or raw["metadata"].get("labels", {}).get(label) == value]

    def ordered(self, kind: str, namespace: str, ordering: Ordering) -> list[Object]:
        """The requested objects of a namespace, in order; the list must not be changed. It is cached until an object of the kind changes there."""
        orderings = self._ordered.setdefault((kind, namespace), {})
        if ordering.words not in orderings:
            if len(orderings) >= _MOST_ORDERED:
                orderings.clear()
            orderings[ordering.words] = ordering.sort(self._objects[kind].get(namespace, {}).values())
        return orderings[ordering.words]

    def store(self, kind: str, raw: Object) -> None:
        """Store the response to a change, so that the next read sees it. An older version never replaces a newer one."""
        if kind not in self._objects:
            return
        objects, name = self._objects[kind].setdefault(raw["metadata"]["namespace"], {}), raw["metadata"]["name"]
        if name not in objects or _version(raw) >= _version(objects[name]):
            objects[name] = _looked_at(raw)
            self._changed(kind, raw)

    def dropped(self, kind: str, raw: Object) -> None:
        """Remove an object, unless a new one of the same name exists."""
        objects, name = self._objects[kind].get(raw["metadata"]["namespace"], {}), raw["metadata"]["name"]
        if name in objects and objects[name]["metadata"]["uid"] == raw["metadata"]["uid"]:
            del objects[name]
            self._changed(kind, raw)

    def count(self, kind: str, namespace: str) -> tuple[int, int]:
        """A counter that changes with every change of the kind in the namespace, if it has objects of the kind."""
        return self._epoch, self._counts.get((kind, namespace), 0)

    def _changed(self, kind: str, raw: Object) -> None:
        key = kind, raw["metadata"]["namespace"]
        self._ordered.pop(key, None)
        if self._objects[kind][key[1]]:
            self._counts[key] = next(self._numbers)
        else:  # a namespace without objects of the kind needs no entry
            del self._objects[kind][key[1]]
            self._counts.pop(key, None)

    async def _watch(self, kind: str, scope: str) -> None:
        version = ""
        while True:
            try:
                if not version:
                    version = await self._relist(kind, scope)
                async for event, raw in self._kube.changes(kind, version, scope):
                    version = raw["metadata"]["resourceVersion"]
                    if event == "DELETED":
                        self.dropped(kind, raw)
                    elif event != "BOOKMARK":
                        self.store(kind, raw)
            except KubeError as error:
                self._current.discard((kind, scope))
                version = ""
                logs.event(
                    logging.WARNING,
                    "watch_restarted",
                    kind=kind,
                    namespace=scope,
                    error=str(error),
                    retry_in_seconds=_PAUSE_SECONDS,
                )
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _relist(self, kind: str, scope: str) -> str:
        objects, version = await self._kube.snapshot(kind, scope, _looked_at)
        by_namespace: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        for raw in objects:
            by_namespace[raw["metadata"]["namespace"]][raw["metadata"]["name"]] = raw
        if scope:
            self._objects[kind].pop(scope, None)
            self._objects[kind] |= by_namespace
        else:
            self._objects[kind] = dict(by_namespace)
        self._counts = {key: number for key, number in self._counts.items() if key[0] != kind or key[1] in self._objects[kind]}
        self._counts |= {(kind, namespace): next(self._numbers) for namespace in by_namespace}
        self._ordered.clear()
        self._epoch += 1
        self._current.add((kind, scope))
        return version

    async def _may(self, key: Key, verb: str, kind: str) -> bool:
        spec = {
            "user": key.user,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{key.namespace}", "system:authenticated"],
            "resourceAttributes": {"namespace": key.namespace, "verb": verb, "group": GROUP, "resource": _PLURALS[kind]},
        }
        metadata = {"namespace": key.namespace}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview", "metadata": metadata, "spec": spec}
        return bool((await self._kube.create("LocalSubjectAccessReview", body)).get("status", {}).get("allowed"))


def _looked_at(raw: Object) -> Object:
    """What people see of an object."""
    return {**raw, "metadata": {name: value for name, value in raw["metadata"].items() if name != "managedFields"}}


def _version(raw: Object) -> int:
    return int(raw["metadata"]["resourceVersion"])
