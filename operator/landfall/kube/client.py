"""Kubernetes client: credentials and transport of the official asyncio client, objects as plain dictionaries.

A failed create is never retried blindly: names are a function of the object's purpose, so if the response was lost, the next reconcile
gets `AlreadyExistsError`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes.aio import client, config

from landfall.api.crd import GROUP, KINDS, VERSION
from landfall.kube.errors import ForbiddenError, KubeError, NotFoundError, error_of
from landfall.lib.logs import event

Object = dict[str, Any]
_TIMEOUT_SECONDS = 15
_PAGE = 500
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\.")
_PAIR = 12
_APPLY = (
    "application/apply-patch+yaml; charset=utf-8"  # with the bare type, the client would encode the text as JSON a second time
)
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
    "Workload": ("/apis/apps/v1", "deployments"),  # the Deployment of Kubernetes; "Deployment" is Landfall's kind
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "TokenReview": ("/apis/authentication.k8s.io/v1", "tokenreviews"),
    "SelfSubjectAccessReview": ("/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews"),
    "LocalSubjectAccessReview": ("/apis/authorization.k8s.io/v1", "localsubjectaccessreviews"),
}


class Kube:
    """A client with one connection pool.

    Args:
        api: The official client.
        user: The user to impersonate; empty for none.
        namespaces: The namespaces that "all namespaces" means; empty for the whole cluster.
    """

    def __init__(self, api: client.ApiClient, user: str = "", namespaces: Sequence[str] = ()) -> None:
        self._api = api
        self._user = user
        self.namespaces = tuple(namespaces)
        self._unread: set[str] = set()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of a list or watch of everything: the namespaces, or one empty name for the whole cluster."""
        return self.namespaces or ("",)

    def as_user(self, user: str) -> Kube:
        """The same client, impersonating a user, whose roles then apply. Requires the right to impersonate.

        Args:
            user: The user's name in Kubernetes.

        Returns:
            A client that shares this one's connection pool.
        """
        return Kube(self._api, user, self.namespaces)

    @classmethod
    async def connect(cls, namespaces: Sequence[str] = ()) -> Kube:
        """Connect with the pod's service account or, outside a pod, with the default kubeconfig (`KUBECONFIG`, `~/.kube/config`).

        Args:
            namespaces: The namespaces that "all namespaces" means; empty for the whole cluster.

        Returns:
            The connected client. `close` it when done.
        """
        settings = client.Configuration()
        if _ACCOUNT.exists():  # noqa: ASYNC240  once, at the start
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return cls(client.ApiClient(settings), namespaces=namespaces)

    @classmethod
    async def from_kubeconfig(cls, kubeconfig: str, context: str) -> tuple[Kube, str]:
        """Connect as the user of a kubeconfig.

        Args:
            kubeconfig: Path of the kubeconfig; empty for the default one.
            context: Name of the context; empty for the current one.

        Returns:
            The client, and the namespace of the context (`default` if it has none).

        Raises:
            KubeError: The kubeconfig cannot be read, or it has no such context.
        """
        settings = client.Configuration()
        try:
            path = kubeconfig or None  # None: the official client reads KUBECONFIG
            contexts, active = config.list_kube_config_contexts(config_file=path)  # type: ignore[no-untyped-call]
            selected = next((entry for entry in contexts if entry["name"] == context), None) if context else active
            if selected is None:
                message = f"kubeconfig has no context {context!r}. Its contexts: {', '.join(entry['name'] for entry in contexts)}"
                raise KubeError(0, message)
            await config.load_kube_config(config_file=path, context=selected["name"], client_configuration=settings)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise KubeError(0, f"no cluster is configured: {error}. Check --kubeconfig and KUBECONFIG") from error
        return cls(client.ApiClient(settings)), str(selected["context"].get("namespace") or "default")

    async def close(self) -> None:
        """Close the pool."""
        await self._api.close()  # type: ignore[no-untyped-call]

    # -- verbs --------------------------------------------------------------------------------------------------------

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Read an object.

        Args:
            kind: A key of `PATHS`.
            namespace: Its namespace; empty for cluster-scoped kinds.
            name: Its name.

        Returns:
            The object; None if it does not exist.

        Raises:
            KubeError: The request failed.
        """
        try:
            return await self._json("GET", _path(kind, namespace, name))
        except NotFoundError:
            return None

    async def listed(self, kind: str, namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        """List objects, in pages.

        Args:
            kind: A key of `PATHS`.
            namespace: The namespace; empty for all.
            labels: A label selector; empty for all.
            fields: A field selector; empty for all.

        Returns:
            The objects, without `kind` and `apiVersion`, as the API server lists them.

        Raises:
            KubeError: A request failed.
        """
        return [item async for page in self._pages(kind, namespace, labels, fields) for item in page["items"]]

    async def every(self, kind: str, labels: str = "") -> AsyncIterator[Object]:
        """List every object of all namespaces, one page at a time.

        A configured namespace that may not be read is skipped and logged once: when a namespace is deleted, the role in it is deleted too.

        Args:
            kind: A key of `PATHS`.
            labels: A label selector; empty for all.

        Yields:
            The objects.

        Raises:
            ForbiddenError: The objects of the cluster may not be read.
            KubeError: A request failed.
        """
        for scope in self.scopes:
            try:
                async for page in self._pages(kind, scope, labels):
                    for item in page["items"]:
                        yield item
            except ForbiddenError as error:
                if not scope:
                    raise
                if scope not in self._unread:
                    event(logging.WARNING, "namespace_skipped", kind=kind, namespace=scope, error=str(error))
                self._unread.add(scope)
            else:
                self._unread.discard(scope)

    async def snapshot(self, kind: str, scope: str, reduce: Callable[[Object], Object]) -> tuple[list[Object], str]:
        """List every object of a scope, as the start of a watch.

        Args:
            kind: A key of `PATHS`.
            scope: One of `scopes`.
            reduce: Keeps the needed part of an object; called as each page arrives, to limit memory.

        Returns:
            The reduced objects, and the resource version from which `changes` can continue.

        Raises:
            KubeError: A request failed.
        """
        objects, version = [], ""
        async for page in self._pages(kind, scope, ""):
            objects += [reduce(item) for item in page["items"]]
            version = page["metadata"]["resourceVersion"]
        return objects, version

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
        """Create an object.

        Args:
            kind: A key of `PATHS`.
            body: The object.

        Returns:
            The object as stored.

        Raises:
            AlreadyExistsError: An object of that name exists.
            KubeError: The request failed.
        """
        return await self._json("POST", _path(kind, body.get("metadata", {}).get("namespace", "")), body)

    async def replace_status(self, kind: str, body: Object) -> Object:
        """Replace the status of an object.

        Args:
            kind: A key of `PATHS`.
            body: The object as it was read, with its resource version, and the new status.

        Returns:
            The object as stored.

        Raises:
            ConflictError: The object has changed since it was read.
            KubeError: The request failed.
        """
        metadata = body["metadata"]
        return await self._json("PUT", f"{_path(kind, metadata['namespace'], metadata['name'])}/status", body)

    async def patch(self, kind: str, namespace: str, name: str, operations: list[Object]) -> Object:
        """Apply a JSON patch.

        Args:
            kind: A key of `PATHS`.
            namespace: The object's namespace.
            name: The object's name.
            operations: Operations of RFC 6902; begin with a `test` of the resource version to detect concurrent changes.

        Returns:
            The object as stored.

        Raises:
            KubeError: The request failed, or a `test` did.
        """
        return await self._json("PATCH", _path(kind, namespace, name), operations, "application/json-patch+json")

    async def apply(self, kind: str, body: Object, manager: str, *, force: bool = False) -> Object:
        """Apply an object by server-side apply.

        Args:
            kind: A key of `PATHS`.
            body: The object with all fields that the manager owns.
            manager: The field manager.
            force: Take over fields of other managers.

        Returns:
            The object as stored.

        Raises:
            ConflictError: Another manager owns a field; the message names it.
            KubeError: The request failed.
        """
        metadata = body["metadata"]
        query = {"fieldManager": manager, **({"force": "true"} if force else {})}
        path = f"{_path(kind, metadata['namespace'], metadata['name'])}?{urlencode(query)}"
        return await self._json("PATCH", path, as_yaml(body), _APPLY)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object; what it owns is deleted in the background.

        Args:
            kind: A key of `PATHS`.
            namespace: The object's namespace.
            name: The object's name.
            uid: Its UID, so that a new object of the same name is not deleted.

        Raises:
            NotFoundError: The object does not exist.
            ConflictError: The object has another UID.
            KubeError: The request failed.
        """
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._json("DELETE", _path(kind, namespace, name), body)

    async def changes(self, kind: str, version: str, scope: str) -> AsyncIterator[tuple[str, Object]]:
        """Watch the changes in a scope for about five minutes.

        Args:
            kind: A key of `PATHS`.
            version: The resource version to start after.
            scope: One of `scopes`.

        Yields:
            `ADDED`, `MODIFIED` or `DELETED` with the object; `BOOKMARK` with a new resource version only.

        Raises:
            KubeError: The watch failed. Status 410: the version is too old; list again.
        """
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "290", "allowWatchBookmarks": "true"}
        response = await self._request("GET", f"{_path(kind, scope)}?{urlencode(query)}", None, "application/json", seconds=310)
        incomplete = b""  # the transport splits lines only up to a length that large objects exceed
        interrupted = f"the watch of {kind} objects was interrupted"
        try:
            async for part in _chunks(response.content.iter_any(), interrupted):
                *lines, incomplete = (incomplete + part).split(b"\n")
                for change in map(json.loads, lines):
                    if change.get("type") == "ERROR":
                        raise KubeError(int(change["object"].get("code", 0)), str(change["object"].get("message", "")))
                    yield change["type"], change["object"]
        except ValueError as error:
            raise KubeError(0, interrupted) from error
        finally:
            response.close()

    async def log(self, namespace: str, pod: str, container: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Read a container's log.

        Args:
            namespace: The pod's namespace.
            pod: The pod's name.
            container: The container's name.
            follow: Wait for new lines until the container ends, for at most a day.

        Yields:
            The lines, without line ends.

        Raises:
            KubeError: The request failed, or the log was interrupted.
        """
        query = {"container": container, **({"follow": "true"} if follow else {})}
        path = f"{_path('Pod', namespace, pod)}/log?{urlencode(query)}"
        response = await self._request("GET", path, None, "application/json", seconds=86_400 if follow else _TIMEOUT_SECONDS)
        try:
            async for line in _chunks(response.content, f"the log of pod {pod} was interrupted"):
                yield line.decode(errors="replace").rstrip("\n")
        finally:
            response.close()

    async def published(self, path: str) -> Object:
        """Read a document of the API server that is not an object, such as its token-signing keys.

        Args:
            path: The path of the document.

        Returns:
            The document.

        Raises:
            KubeError: The request failed.
        """
        return await self._json("GET", path, accept="application/json, application/jwk-set+json")

    # -- transport ----------------------------------------------------------------------------------------------------

    async def _json(
        self, method: str, path: str, body: object = None, content: str = "application/json", accept: str = "application/json"
    ) -> Object:
        response = await self._request(method, path, body, content, seconds=_TIMEOUT_SECONDS, accept=accept)
        with _transport(f"{method} {path.split('?', maxsplit=1)[0]}: the response was lost"):
            received = await response.read()
        return dict(json.loads(received or b"{}"))

    async def _request(
        self, method: str, path: str, body: object, content: str, *, seconds: float, accept: str = "application/json"
    ) -> Any:  # noqa: ANN401  of the client's own transport
        headers = {"Accept": accept, "Content-Type": content}
        if self._user:
            headers["Impersonate-User"] = self._user
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url, request = f"{self._api.configuration.host}{path}", f"{method} {path.split('?', maxsplit=1)[0]}"
        with _transport(request):
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=seconds
            )
            response = answer.response
            if response.status < 300:
                return response
            received = await response.read()
        try:
            status = json.loads(received or b"{}")
        except json.JSONDecodeError as error:
            raise KubeError(response.status, f"{request}: the response is not from an API server") from error
        raise error_of(response.status, str(status.get("reason", "")), str(status.get("message", "")))


@contextlib.contextmanager
def _transport(request: str) -> Iterator[None]:
    """Turn every exception of the client's transport into a KubeError. Use it around the transport only.

    The client passes on the classes of the library below it, and not all of them are `OSError` or `TimeoutError`. A
    body that is no JSON is a defect of ours: its TypeError passes through, is logged with its trace, and does not look like a server
    that does not answer.

    Args:
        request: What is requested, such as `GET /api/v1/pods`; messages begin with it.

    Yields:
        Nothing; the block runs inside.

    Raises:
        TypeError: The body is no JSON.
        KubeError: The transport failed.
    """
    try:
        yield
    except TypeError:
        raise
    except Exception as error:
        raise KubeError(0, f"{request}: {type(error).__name__}") from error


async def _chunks(content: AsyncIterator[bytes], interrupted: str) -> AsyncIterator[bytes]:
    """Yield the chunks of a response as they arrive. Raises KubeError with the message `interrupted`."""
    with _transport(interrupted):
        async for chunk in content:
            yield chunk


def as_yaml(body: Object) -> str:
    """JSON that is also valid YAML, in which an escape is a whole character and never half of a surrogate pair.

    Args:
        body: The object. Its keys are shorter than 1024 characters, as YAML requires.

    Returns:
        The text.
    """

    def whole(escape: re.Match[str]) -> str:
        if len(escape[0]) != _PAIR:
            return escape[0]
        high, low = int(escape[0][2:6], 16), int(escape[0][8:], 16)
        return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"

    return _ESCAPE.sub(whole, json.dumps(body))


def _path(kind: str, namespace: str, name: str = "") -> str:
    base, plural = PATHS[kind]
    scope = f"/namespaces/{namespace}" if namespace and kind != "Namespace" else ""
    return f"{base}{scope}/{plural}{'/' + name if name else ''}"
