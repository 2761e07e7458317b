"""The client: the official one's asyncio half for credentials and transport, plain dictionaries for objects.

A create is never tried again blindly: names are a function of what the object is for, so a lost answer shows as
`AlreadyExistsError` on the next look.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes.aio import client, config

from landfall.api.crd import GROUP, KINDS, VERSION
from landfall.kube.errors import ForbiddenError, KubeError, NotFoundError, error_of
from landfall.lib.logs import event

Object = dict[str, Any]
_TIMEOUT_SECONDS = 15
# What the client's transport raises; the library itself is imported by the client alone.
_BROKEN: tuple[type[Exception], ...] = (client.rest.aiohttp.ClientError, TimeoutError)  # type: ignore[attr-defined]
_UNREADABLE: tuple[type[Exception], ...] = (*_BROKEN, ValueError)
_PAGE = 500
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\.")
_PAIR = 12
_APPLY = "application/apply-patch+yaml; charset=utf-8"  # the client would turn text of the bare type into JSON once more
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
PATHS: dict[str, tuple[str, str]] = {
    **{kind.name: (f"/apis/{GROUP}/{VERSION}", kind.plural) for kind in KINDS},
    "Job": ("/apis/batch/v1", "jobs"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "Service": ("/api/v1", "services"),
    "Workload": ("/apis/apps/v1", "deployments"),  # Kubernetes' own Deployment: ours has the word
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "TokenReview": ("/apis/authentication.k8s.io/v1", "tokenreviews"),
    "SelfSubjectAccessReview": ("/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews"),
    "LocalSubjectAccessReview": ("/apis/authorization.k8s.io/v1", "localsubjectaccessreviews"),
}


class Kube:
    """One connection pool. `namespaces`: what "all namespaces" are to it; none means all that there are."""

    def __init__(self, api: client.ApiClient, user: str = "", namespaces: Sequence[str] = ()) -> None:
        self._api = api
        self._user = user
        self.namespaces = tuple(namespaces)
        self._unread: set[str] = set()

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a list or a watch of everything consists of: namespaces, or one empty name that stands for all of them."""
        return self.namespaces or ("",)

    def as_user(self, user: str) -> Kube:
        """The same in somebody else's name, whose roles then decide. It needs the right to impersonate them."""
        return Kube(self._api, user, self.namespaces)

    @classmethod
    async def connect(cls, namespaces: Sequence[str] = ()) -> Kube:
        """Connect with the pod's service account, or else with the kubeconfig that the client finds (`KUBECONFIG`, `~/.kube/config`).

        Args:
            namespaces: What "all namespaces" are to it; none means all that there are.
        """
        settings = client.Configuration()
        if _ACCOUNT.exists():  # noqa: ASYNC240  once, at the start
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return cls(client.ApiClient(settings), namespaces=namespaces)

    @classmethod
    async def as_person(cls, kubeconfig: str, context: str) -> tuple[Kube, str]:
        """As whoever a kubeconfig says, empty for the usual one and its present context; and that context's namespace. Raises KubeError."""
        settings = client.Configuration()
        try:
            where = kubeconfig or None  # the client then heeds KUBECONFIG
            contexts, active = config.list_kube_config_contexts(config_file=where)  # type: ignore[no-untyped-call]
            chosen = next((one for one in contexts if one["name"] == context), None) if context else active
            if chosen is None:
                message = f"the kubeconfig has no context {context!r}; it has {', '.join(one['name'] for one in contexts)}"
                raise KubeError(0, message)
            await config.load_kube_config(config_file=where, context=chosen["name"], client_configuration=settings)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise KubeError(0, f"there is no cluster to ask: {error}") from error
        return cls(client.ApiClient(settings)), str(chosen["context"].get("namespace") or "default")

    async def close(self) -> None:
        """Close the pool."""
        await self._api.close()  # type: ignore[no-untyped-call]

    # -- verbs --------------------------------------------------------------------------------------------------------

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object as it is now, or None."""
        try:
            return await self._json("GET", _path(kind, namespace, name))
        except NotFoundError:
            return None

    async def listed(self, kind: str, namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        """Objects of a namespace, or of the cluster, read in pages."""
        return [one async for page in self._pages(kind, namespace, labels, fields) for one in page["items"]]

    async def every(self, kind: str, labels: str = "") -> AsyncIterator[Object]:
        """Every object of all namespaces, read a page at a time. Of those that are named, one that may not be read is passed over: with a namespace go our rights in it."""
        for scope in self.scopes:
            try:
                async for page in self._pages(kind, scope, labels):
                    for one in page["items"]:
                        yield one
            except ForbiddenError as error:
                if not scope:
                    raise
                if scope not in self._unread:
                    event(logging.WARNING, "namespace_skipped", kind=kind, namespace=scope, error=str(error))
                self._unread.add(scope)
            else:
                self._unread.discard(scope)

    async def snapshot(self, kind: str, scope: str, kept: Callable[[Object], Object]) -> tuple[list[Object], str]:
        """Every object of a scope, as much of it as is to be kept, and the version that they are of, from which changes can be watched."""
        found, version = [], ""
        async for page in self._pages(kind, scope, ""):
            found += [kept(one) for one in page["items"]]
            version = page["metadata"]["resourceVersion"]
        return found, version

    async def _pages(self, kind: str, namespace: str, labels: str, fields: str = "") -> AsyncIterator[Object]:
        token = ""
        while True:
            query = {
                "limit": str(_PAGE),
                **({"labelSelector": labels} if labels else {}),
                **({"fieldSelector": fields} if fields else {}),
                **({"continue": token} if token else {}),
            }
            page = await self._json("GET", f"{_path(kind, namespace)}?{urlencode(query)}")
            yield {**page, "items": page.get("items") or []}
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    async def create(self, kind: str, body: Object) -> Object:
        """Create; raises AlreadyExistsError."""
        return await self._json("POST", _path(kind, body.get("metadata", {}).get("namespace", "")), body)

    async def replace_status(self, kind: str, body: Object) -> Object:
        """Write the status of exactly the version that was read; raises ConflictError."""
        metadata = body["metadata"]
        return await self._json("PUT", f"{_path(kind, metadata['namespace'], metadata['name'])}/status", body)

    async def patch(self, kind: str, namespace: str, name: str, operations: list[Object]) -> Object:
        """JSON patch; put a test of the resource version in front where it matters."""
        return await self._json("PATCH", _path(kind, namespace, name), operations, "application/json-patch+json")

    async def apply(self, kind: str, body: Object, manager: str, *, force: bool = False) -> Object:
        """Server-side apply: raises ConflictError, which names the manager that has a say in a field, unless its word is to be taken over by force."""
        metadata = body["metadata"]
        query = {"fieldManager": manager, **({"force": "true"} if force else {})}
        path = f"{_path(kind, metadata['namespace'], metadata['name'])}?{urlencode(query)}"
        return await self._json("PATCH", path, as_yaml(body), _APPLY)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this object, and what it owns in the background."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._json("DELETE", _path(kind, namespace, name), body)

    async def watch(self, kind: str, labels: str, scope: str) -> AsyncIterator[Object]:
        """Objects of a scope as they change, for about five minutes; then list and begin again."""
        listed = await self._json("GET", f"{_path(kind, scope)}?{urlencode({'labelSelector': labels, 'limit': 1})}")
        async for change, raw in self.changes(kind, listed["metadata"]["resourceVersion"], scope, labels):
            if change != "BOOKMARK":
                yield raw

    async def changes(self, kind: str, version: str, scope: str, labels: str = "") -> AsyncIterator[tuple[str, Object]]:
        """What happens in a scope from a version on, for about five minutes: ADDED, MODIFIED, DELETED; BOOKMARK where only the version moves."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "290", "allowWatchBookmarks": "true"}
        query |= {"labelSelector": labels} if labels else {}
        response = await self._sent("GET", f"{_path(kind, scope)}?{urlencode(query)}", None, "application/json", seconds=310)
        rest = b""  # lines of large objects are longer than what the transport would split
        try:
            async for part in response.content.iter_any():
                *lines, rest = (rest + part).split(b"\n")
                for change in map(json.loads, lines):
                    if change.get("type") == "ERROR":
                        raise KubeError(int(change["object"].get("code", 0)), str(change["object"].get("message", "")))
                    yield change["type"], change["object"]
        except _UNREADABLE as error:
            raise KubeError(0, f"the watch of {kind}s broke off") from error
        finally:
            response.close()

    async def log(self, namespace: str, pod: str, container: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Lines of a container's log; followed until it ends."""
        query = {"container": container, **({"follow": "true"} if follow else {})}
        path = f"{_path('Pod', namespace, pod)}/log?{urlencode(query)}"
        response = await self._sent("GET", path, None, "application/json", seconds=86_400 if follow else _TIMEOUT_SECONDS)
        try:
            async for line in response.content:
                yield line.decode(errors="replace").rstrip("\n")
        except _UNREADABLE as error:
            raise KubeError(0, f"the log of {pod} broke off") from error
        finally:
            response.close()

    async def published(self, path: str) -> Object:
        """A document that the API server publishes: how tokens are signed. Raises KubeError."""
        return await self._json("GET", path, accept="application/json, application/jwk-set+json")

    # -- transport ----------------------------------------------------------------------------------------------------

    async def _json(
        self, method: str, path: str, body: object = None, content: str = "application/json", accept: str = "application/json"
    ) -> Object:
        response = await self._sent(method, path, body, content, seconds=_TIMEOUT_SECONDS, accept=accept)
        try:
            return dict(json.loads(await response.read() or b"{}"))
        except _BROKEN as error:
            raise KubeError(0, f"{method} {path.split('?', maxsplit=1)[0]}: the answer was lost") from error

    async def _sent(
        self, method: str, path: str, body: object, content: str, *, seconds: float, accept: str = "application/json"
    ) -> Any:  # noqa: ANN401  of the client's own transport
        headers = {"Accept": accept, "Content-Type": content}
        if self._user:
            headers["Impersonate-User"] = self._user
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._api.configuration.host}{path}"
        try:
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=seconds
            )
            response = answer.response
            if response.status < 300:
                return response
            told = json.loads(await response.read() or b"{}")
        except _BROKEN as error:
            raise KubeError(0, f"{method} {path.split('?', maxsplit=1)[0]}: {type(error).__name__}") from error
        except json.JSONDecodeError as error:
            raise KubeError(response.status, f"{method} {path.split('?', maxsplit=1)[0]}: no answer of an API server") from error
        raise error_of(response.status, str(told.get("reason", "")), str(told.get("message", "")))


def as_yaml(body: Object) -> str:
    """JSON that is YAML too: in YAML an escape is a whole character, and never half of a pair. Keys are short, as in Kubernetes: YAML takes 1024 characters."""

    def whole(escape: re.Match[str]) -> str:
        if len(escape[0]) != _PAIR:
            return escape[0]
        high, low = int(escape[0][2:6], 16), int(escape[0][8:], 16)
        return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"

    return _ESCAPE.sub(whole, json.dumps(body))


def _path(kind: str, namespace: str, name: str = "") -> str:
    base, plural = PATHS[kind]
    where = f"/namespaces/{namespace}" if namespace and kind != "Namespace" else ""
    return f"{base}{where}/{plural}{'/' + name if name else ''}"
