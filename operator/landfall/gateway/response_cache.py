"""A cache of responses: valid as long as none of the objects in a response has changed, and only for callers who may see them.

It comes before everything else, so that a cached response costs only the checks of the key and of its permissions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from landfall.gateway.auth import CALLER, Caller, Callers
from landfall.gateway.errors import ProblemError, answered
from landfall.gateway.identifiers import CONNECTION, MIGRATION, WEBHOOK, name_in
from landfall.gateway.watch_cache import WatchCache
from landfall.kube.errors import ForbiddenError

LASTING = "landfall.lasting"
_MOST_OCTETS, _LARGEST = 32 * 1024 * 1024, 256 * 1024
# Paths, the kind and name of their object, and the kinds whose objects are part of the response.
_PATHS: tuple[tuple[re.Pattern[str], str, str, tuple[str, ...]], ...] = (
    (re.compile(r"/v1/migrations(?:/([^/]+))?"), "Migration", MIGRATION, ("Release", "Deployment")),
    (re.compile(r"/v1/connections(?:/([^/]+))?"), "Connection", CONNECTION, ()),
    (re.compile(r"/v1/webhooks(?:/([^/]+))?"), "Webhook", WEBHOOK, ()),
)
Stamp = tuple[object, ...]


@dataclass(slots=True)
class Answer:
    """A response, and the versions of the objects that it was built from."""

    stamp: Stamp
    messages: list[Message] = field(default_factory=list)
    octets: int = 0
    complete: bool = False

    def add(self, message: Message) -> None:
        """Add a message of the response."""
        self.messages.append(message)
        self.octets += len(message.get("body", b""))
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)

    @property
    def good(self) -> bool:
        """Whether it is complete and successful."""
        return self.complete and self.messages[0]["status"] == 200 and self.octets <= _LARGEST


class ResponseCache:
    """Caches responses of GET on lists and objects. A handler marks its response in the scope, by LASTING, if it depends only on its objects."""

    def __init__(self, app: ASGIApp, callers: Callers) -> None:
        self._app = app
        self._callers = callers
        self._answers: dict[tuple[object, ...], Answer] = {}
        self._octets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        request = _cacheable_request(scope)
        if request is None:
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._callers.authenticate(
                request.headers.get(b"authorization", b"").decode("latin-1"), request.address
            )
        except ProblemError as error:
            await answered(error)(scope, receive, send)
            return
        scope[CALLER] = caller
        stamp = await request.stamp(caller)
        question = (caller.key.namespace, scope["path"], scope["query_string"], scope["scheme"], request.headers.get(b"host"))
        answer = self._answers.get(question)
        if stamp is None:
            await self._app(scope, receive, send)
        elif answer and answer.stamp == stamp:
            for message in answer.messages:
                await send(message)
        else:
            await self._learned(Answer(stamp), question, scope, receive, send)

    async def _learned(self, answer: Answer, question: tuple[object, ...], scope: Scope, receive: Receive, send: Send) -> None:
        async def record(message: Message) -> None:
            answer.add(message)
            await send(message)

        await self._app(scope, receive, record)
        if answer.good and scope.get(LASTING):
            before = self._answers.pop(question, None)
            self._octets += answer.octets - (before.octets if before else 0)
            if self._octets > _MOST_OCTETS:
                self._answers.clear()
                self._octets = answer.octets
            self._answers[question] = answer


@dataclass(frozen=True, slots=True)
class _CacheableRequest:
    """A cacheable request. `name`: the requested object; empty for a list."""

    headers: dict[bytes, bytes]
    address: str
    kind: str
    name: str
    other_kinds: tuple[str, ...]

    async def stamp(self, caller: Caller) -> Stamp | None:
        """The current versions of the objects of the response; None if they are not in the watch cache, or the caller may not see them."""
        cache = caller.cache
        if cache is None:
            return None
        try:
            kinds = (self.kind, *self.other_kinds)
            verbs = ("get" if self.name else "list", *("list" for _ in self.other_kinds))
            for kind, verb in zip(kinds, verbs, strict=True):
                if not await cache.knows(caller.key, verb, kind):
                    return None
        except ForbiddenError:
            return None  # the uncached response reports it
        version = self._version(cache, caller.key.namespace)
        return version and (version, *(cache.count(kind, caller.key.namespace) for kind in self.other_kinds))

    def _version(self, cache: WatchCache, namespace: str) -> Stamp | None:
        if not self.name:
            return cache.count(self.kind, namespace)
        raw: dict[str, Any] | None = cache.get(self.kind, namespace, self.name)
        return (raw["metadata"]["uid"], raw["metadata"]["resourceVersion"]) if raw else None


def _cacheable_request(scope: Scope) -> _CacheableRequest | None:
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    for pattern, kind, prefix, other_kinds in _PATHS:
        match = pattern.fullmatch(scope["path"])
        if match:
            name = name_in(prefix, match[1]) if match[1] else ""
            if match[1] and not name:
                return None
            return _CacheableRequest(dict(scope["headers"]), (scope.get("client") or ("", 0))[0], kind, name, other_kinds)
    return None
