"""Authentication: the holder of an API key, and the API server with that holder's rights."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from landfall.api.apikey import TEXT, Key, hashed, read, secret_name
from landfall.gateway.errors import ProblemError
from landfall.gateway.pagination import Ordering
from landfall.gateway.rate_limit import USUAL, RateLimiter, Rates
from landfall.gateway.watch_cache import WatchCache
from landfall.kube.client import Kube
from landfall.lib.logs import event

CALLER = "landfall.caller"  # the request's caller, if it is already known
_AUDIT = logging.getLogger("landfall.audit")
_REMEMBERED_SECONDS = 10.0
_MOST_REMEMBERED = 10_000
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """An API key, and the Kubernetes client and cache with its rights."""

    key: Key
    kube: Kube
    cache: WatchCache | None = None

    async def get(self, kind: str, name: str, *, fresh: bool = False) -> Object | None:
        """An object of the key's namespace. `fresh`: read it from the API server, as before a change."""
        if not fresh and self.cache and await self.cache.knows(self.key, "get", kind):
            cached = self.cache.get(kind, self.key.namespace, name)
            if cached is not None:  # an object that is not in the cache may just have been created
                return cached
        return await self.kube.get(kind, self.key.namespace, name)

    async def listed(self, kind: str, labels: str = "", *, fresh: bool = False) -> list[Object]:
        """Objects of the key's namespace."""
        if not fresh and self.cache and await self.cache.knows(self.key, "list", kind):
            return self.cache.listed(kind, self.key.namespace, labels)
        return await self.kube.listed(kind, self.key.namespace, labels)

    async def ordered(self, kind: str, ordering: Ordering) -> list[Object]:
        """The requested objects of the key's namespace, in order. The list must not be changed."""
        if self.cache and await self.cache.knows(self.key, "list", kind):
            return self.cache.ordered(kind, self.key.namespace, ordering)
        return ordering.sort(await self.kube.listed(kind, self.key.namespace))

    def store(self, kind: str, raw: Object) -> None:
        """Store the response to a change in the cache."""
        if self.cache:
            self.cache.store(kind, raw)

    async def delete(self, kind: str, raw: Object) -> None:
        """Delete exactly this object. Raises KubeError."""
        await self.kube.delete(kind, self.key.namespace, raw["metadata"]["name"], raw["metadata"]["uid"])
        if self.cache:
            self.cache.dropped(kind, raw)

    def may_write(self) -> None:
        """Raises ProblemError for a read-only key."""
        if self.key.role != "editor":
            raise ProblemError(403, "forbidden", "this key is read-only. Use a key with the role editor")

    def audit(self, action: str, name: str, identifier: str) -> None:
        """Log a change, one line: who, what, and which object. Values are not logged."""
        about: Object = {
            "namespace": self.key.namespace,
            "name": name,
            "id": identifier,
            "key": self.key.id,
            "user": self.key.user,
        }
        event(logging.INFO, "change_made", _AUDIT, action=action, **about)


class Callers:
    """Verifies keys. A key's Secret is cached for 10 s, so a revoked key stops working within 10 s."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        clock: Callable[[], datetime],
        rates: Rates = USUAL,
        ticks: Callable[[], float] = time.monotonic,
        cache: WatchCache | None = None,
    ) -> None:
        self._cache = cache
        self._strangers = RateLimiter(rates.address, ticks)
        self._holders = RateLimiter(rates.key, ticks)
        self._kube = kube
        self._namespace = namespace
        self.clock = clock
        self._ticks = ticks
        self._known: dict[str, tuple[float, Object | None]] = {}

    async def authenticate(self, authorization: str, address: str) -> Caller:
        """The caller of this header from this address. Raises ProblemError, with the same message whatever is wrong with the key."""
        kind, _, text = authorization.partition(" ")
        match = TEXT.fullmatch(text.strip()) if kind.lower() == "bearer" else None
        secret = await self._secret(match[1]) if match else None
        key = read(match[1], secret) if match and secret else None
        right = hmac.compare_digest(hashed(match[2] if match else ""), key.digest if key else "-" * 64)
        if not right or key is None or (key.expires and self.clock() >= key.expires):
            self._strangers.take(address)
            raise ProblemError(
                401, "unauthorized", "no valid API key: send Authorization: Bearer with a key that is not revoked or expired"
            )
        self._holders.take(key.id)
        return Caller(key, self._kube.as_user(key.user), self._cache)

    async def _secret(self, identifier: str) -> Object | None:
        moment = self._ticks()
        remembered = self._known.get(identifier)
        if remembered and moment - remembered[0] < _REMEMBERED_SECONDS:
            return remembered[1]
        secret = await self._kube.get("Secret", self._namespace, secret_name(identifier))
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[identifier] = (moment, secret)
        return secret
