"""What is in the cluster, as the gateway watches it, so that a look costs the API server nothing. It is told to those alone whose own rights allow it.

The one rule: who changes something reads it from the API server first; what is here may be a moment old, and is without the record of
who says what of it, which is more than half of an object.
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
_MOST_ORDERED = 50  # questions of one namespace
_PAUSE_SECONDS = 1.0
_PLURALS = {kind.name: kind.plural for kind in KINDS}
Object = dict[str, Any]


class Cluster(Protocol):
    """What is asked of an API server."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """What all namespaces consist of: names, or an empty one that stands for all of them."""

    async def snapshot(self, kind: str, scope: str, kept: Callable[[Object], Object]) -> tuple[list[Object], str]:
        """All objects of a scope, as much of each as is to be kept, and the version that they are of."""

    def changes(self, kind: str, version: str, scope: str) -> AsyncIterator[tuple[str, Object]]:
        """What happens there from a version on: ADDED, MODIFIED, DELETED, BOOKMARK."""

    async def create(self, kind: str, body: Object) -> Object:
        """Create."""


class Cache:
    """Objects of the kinds that people look at, of all namespaces."""

    def __init__(self, kube: Cluster, ticks: Callable[[], float] = time.monotonic) -> None:
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
        """Watch until it is cancelled. Afterwards nothing is told from here any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for kind, scope in product(WATCHED, self._kube.scopes):
                    tasks.create_task(self._watch(kind, scope))
        finally:
            self._current.clear()

    async def knows(self, key: Key, verb: str, kind: str) -> bool:
        """Whether this is told from here: it is watched, and the key's account may see it. Raises ForbiddenError where it may not."""
        if not {(kind, ""), (kind, key.namespace)} & self._current:
            return False
        which, moment = (key.user, verb, kind), self._ticks()
        known = self._allowed.get(which)
        if known is None or moment - known[0] >= _REMEMBERED_SECONDS:
            try:
                known = (moment, await self._may(key, verb, kind))
            except KubeError:
                return False
            if len(self._allowed) >= _MOST_REMEMBERED:
                self._allowed.clear()
            self._allowed[which] = known
        if not known[1]:
            raise ForbiddenError(403, f"{key.user} may not {verb} {_PLURALS[kind]}")
        return True

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object; nobody may change it."""
        return self._objects[kind].get(namespace, {}).get(name)

    def listed(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        """Objects of a namespace; nobody may change them."""
        found = self._objects[kind].get(namespace, {}).values()
        label, _, value = labels.partition("=")
        return [one for one in found if not labels or one["metadata"].get("labels", {}).get(label) == value]

    def ordered(self, kind: str, namespace: str, asked: Ordering) -> list[Object]:
        """Those of a namespace that are asked for, in order; nobody may change the list. It is remembered until one of that kind changes there."""
        known = self._ordered.setdefault((kind, namespace), {})
        if asked.words not in known:
            if len(known) >= _MOST_ORDERED:
                known.clear()
            known[asked.words] = asked.of(self._objects[kind].get(namespace, {}).values())
        return known[asked.words]

    def took(self, kind: str, raw: Object) -> None:
        """What a change was answered with: who asks next sees it. An older version never takes the place of a newer one."""
        if kind not in self._objects:
            return
        mine, name = self._objects[kind].setdefault(raw["metadata"]["namespace"], {}), raw["metadata"]["name"]
        if name not in mine or _version(raw) >= _version(mine[name]):
            mine[name] = _looked_at(raw)
            self._changed(kind, raw)

    def dropped(self, kind: str, raw: Object) -> None:
        """It is no more, unless another one of its name has come already."""
        mine, name = self._objects[kind].get(raw["metadata"]["namespace"], {}), raw["metadata"]["name"]
        if name in mine and mine[name]["metadata"]["uid"] == raw["metadata"]["uid"]:
            del mine[name]
            self._changed(kind, raw)

    def count(self, kind: str, namespace: str) -> tuple[int, int]:
        """Another one after every change of that kind there, unless there is nothing of it."""
        return self._epoch, self._counts.get((kind, namespace), 0)

    def _changed(self, kind: str, raw: Object) -> None:
        where = kind, raw["metadata"]["namespace"]
        self._ordered.pop(where, None)
        if self._objects[kind][where[1]]:
            self._counts[where] = next(self._numbers)
        else:  # a namespace that has nothing of it, or is gone, costs nothing
            del self._objects[kind][where[1]]
            self._counts.pop(where, None)

    async def _watch(self, kind: str, scope: str) -> None:
        version = ""
        while True:
            try:
                if not version:
                    version = await self._taken(kind, scope)
                async for event, raw in self._kube.changes(kind, version, scope):
                    version = raw["metadata"]["resourceVersion"]
                    if event == "DELETED":
                        self.dropped(kind, raw)
                    elif event != "BOOKMARK":
                        self.took(kind, raw)
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

    async def _taken(self, kind: str, scope: str) -> str:
        objects, version = await self._kube.snapshot(kind, scope, _looked_at)
        found: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        for raw in objects:
            found[raw["metadata"]["namespace"]][raw["metadata"]["name"]] = raw
        if scope:
            self._objects[kind].pop(scope, None)
            self._objects[kind] |= found
        else:
            self._objects[kind] = dict(found)
        self._counts = {
            where: number for where, number in self._counts.items() if where[0] != kind or where[1] in self._objects[kind]
        }
        self._counts |= {(kind, namespace): next(self._numbers) for namespace in found}
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
        where = {"namespace": key.namespace}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview", "metadata": where, "spec": spec}
        return bool((await self._kube.create("LocalSubjectAccessReview", body)).get("status", {}).get("allowed"))


def _looked_at(raw: Object) -> Object:
    """What people see of an object."""
    return {**raw, "metadata": {name: told for name, told in raw["metadata"].items() if name != "managedFields"}}


def _version(raw: Object) -> int:
    return int(raw["metadata"]["resourceVersion"])
