"""The client: the official one's asyncio half for credentials and transport, plain dictionaries for objects.

A create is never tried again blindly: names are a function of what the object is for, so a lost answer shows as
`AlreadyExistsError` on the next look.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from landfall.api.crd import GROUP, KINDS, VERSION
from landfall.kube.errors import KubeError, NotFoundError, error_of

Object = dict[str, Any]
_TIMEOUT_SECONDS = 15
_PAGE = 500
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
}


class Kube:
    """One connection pool."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls) -> Kube:
        """With the pod's service account, or else with the kubeconfig of the environment."""
        settings = client.Configuration()
        if os.path.exists(_ACCOUNT):  # noqa: ASYNC240, PTH110  once, at the start
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(config_file=os.environ.get("KUBECONFIG"), client_configuration=settings)  # type: ignore[no-untyped-call]
        return cls(client.ApiClient(settings))

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
        """All objects, read in pages."""
        return [one async for page in self._pages(kind, namespace, labels, fields) for one in page]

    async def every(self, kind: str) -> AsyncIterator[Object]:
        """Every object of all namespaces, read a page at a time."""
        async for page in self._pages(kind, "", ""):
            for one in page:
                yield one

    async def _pages(self, kind: str, namespace: str, labels: str, fields: str = "") -> AsyncIterator[list[Object]]:
        token = ""
        while True:
            query = {
                "limit": str(_PAGE),
                **({"labelSelector": labels} if labels else {}),
                **({"fieldSelector": fields} if fields else {}),
                **({"continue": token} if token else {}),
            }
            page = await self._json("GET", f"{_path(kind, namespace)}?{urlencode(query)}")
            yield page.get("items") or []
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

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this object, and what it owns in the background."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._json("DELETE", _path(kind, namespace, name), body)

    async def watch(self, kind: str, labels: str) -> AsyncIterator[Object]:
        """Objects as they change, over all namespaces, for about five minutes; then list and begin again."""
        listed = await self._json("GET", f"{_path(kind, '')}?{urlencode({'labelSelector': labels, 'limit': 1})}")
        version = listed["metadata"]["resourceVersion"]
        query = {"watch": "1", "labelSelector": labels, "resourceVersion": version, "timeoutSeconds": "290"}
        response = await self._sent("GET", f"{_path(kind, '')}?{urlencode(query)}", None, "application/json", seconds=310)
        try:
            async for line in response.content:
                event = json.loads(line)
                if event.get("type") == "ERROR":
                    raise KubeError(int(event["object"].get("code", 0)), str(event["object"].get("message", "")))
                yield event["object"]
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KubeError(0, f"the watch of {kind}s broke off") from error
        finally:
            response.close()

    # -- transport ----------------------------------------------------------------------------------------------------

    async def _json(self, method: str, path: str, body: object = None, content: str = "application/json") -> Object:
        response = await self._sent(method, path, body, content, seconds=_TIMEOUT_SECONDS)
        try:
            return dict(json.loads(await response.read() or b"{}"))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise KubeError(0, f"{method} {path.split('?', maxsplit=1)[0]}: the answer was lost") from error

    async def _sent(self, method: str, path: str, body: object, content: str, *, seconds: float) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._api.configuration.host}{path}"
        try:
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=seconds
            )
            response: aiohttp.ClientResponse = answer.response
            if response.status < 300:
                return response
            told = json.loads(await response.read() or b"{}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise KubeError(0, f"{method} {path.split('?', maxsplit=1)[0]}: {type(error).__name__}") from error
        except json.JSONDecodeError as error:
            raise KubeError(response.status, f"{method} {path.split('?', maxsplit=1)[0]}: no answer of an API server") from error
        raise error_of(response.status, str(told.get("reason", "")), str(told.get("message", "")))


def _path(kind: str, namespace: str, name: str = "") -> str:
    base, plural = PATHS[kind]
    where = f"/namespaces/{namespace}" if namespace and kind != "Namespace" else ""
    return f"{base}{where}/{plural}{'/' + name if name else ''}"
