"""Objects over one connection a thread: a test that waits reads some three times a second, and each kubectl takes 0.16 s of a processor."""

from __future__ import annotations

import threading
import time
from http.client import HTTPException
from pathlib import Path

from tests.support.kubernetes import Client, Object, RefusedError

_PATIENCE_SECONDS = 60
_APPLIED = "fieldManager=kubectl&force=true&fieldValidation=Strict"


class Objects:
    """An API server, by the one context of a kubeconfig whose certificates are files. Kinds are written as kubectl takes them.

    Everything that is sent may be sent twice, so a connection that breaks off is made anew.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._mine = threading.local()
        self._paths: dict[str, tuple[str, str]] = {}
        self._of_the_cluster: set[str] = set()

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """An object, empty where there is none."""
        base, plural = self._path(kind)
        return self._answer("GET", f"{base}/namespaces/{namespace}/{plural}/{name}")

    def listed(self, kinds: str, namespace: str) -> list[Object]:
        """All objects of a namespace that are of one of these kinds."""
        objects = []
        for kind in kinds.split(","):
            base, plural = self._path(kind)
            answer = self._answer("GET", f"{base}/namespaces/{namespace}/{plural}")
            objects += [{"kind": answer["kind"].removesuffix("List"), **raw} for raw in answer["items"]]
        return objects

    def apply(self, document: Object) -> None:
        """Server-side apply, as kubectl's field manager and by force: what was applied before and is left out now, is removed.

        Of an object that had fields and is empty now, it makes null: give its defaults instead.
        """
        metadata = document["metadata"]
        kind = f"{document['kind']}.{document['apiVersion'].rpartition('/')[0]}"
        base, plural = self._path(kind)
        space = "" if kind in self._of_the_cluster else f"/namespaces/{metadata.get('namespace', 'default')}"
        self._answer("PATCH", f"{base}{space}/{plural}/{metadata['name']}?{_APPLIED}", document, "application/apply-patch+yaml")

    def patch(self, kind: str, namespace: str, name: str, change: Object) -> None:
        """A JSON merge patch, as `kubectl patch` sends it."""
        base, plural = self._path(kind)
        path = f"{base}/namespaces/{namespace}/{plural}/{name}?fieldManager=kubectl-patch"
        self._answer("PATCH", path, change, "application/merge-patch+json")

    def annotate(self, kind: str, namespace: str, name: str, **annotations: str | None) -> None:
        """Set `landfall.dev/NAME`; None removes it."""
        prefixed = {f"landfall.dev/{key}": value for key, value in annotations.items()}
        self.patch(kind, namespace, name, {"metadata": {"annotations": prefixed}})

    def delete(self, kind: str, namespace: str, name: str, seconds: float = 300) -> None:
        """Delete an object that is there, and wait until it is gone."""
        base, plural = self._path(kind)
        path = f"{base}/namespaces/{namespace}/{plural}/{name}"
        uid = self._answer("GET", path)["metadata"]["uid"]
        self._answer("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
        deadline = time.monotonic() + seconds
        while self._answer("GET", path).get("metadata", {}).get("uid") == uid:
            if time.monotonic() > deadline:
                message = f"{kind} {namespace}/{name} is not gone after {seconds} s"
                raise RuntimeError(message)
            time.sleep(0.3)

    def _path(self, kind: str) -> tuple[str, str]:
        if kind not in self._paths:
            self._discover()
        return self._paths[kind]

    def _discover(self) -> None:
        groups = [group["preferredVersion"]["groupVersion"] for group in self._answer("GET", "/apis")["groups"]]
        for version in ["v1", *sorted(groups, key=lambda name: name.startswith("landfall.dev"))]:
            base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
            for resource in self._answer("GET", base)["resources"]:
                if "/" in resource["name"]:
                    continue
                group = version.partition("/")[0] if "/" in version else ""
                for name in (resource["name"], resource["singularName"]):
                    self._paths.setdefault(name, (base, resource["name"]))
                    self._paths.setdefault(f"{name}.{group}", (base, resource["name"]))
                kind = f"{resource['kind']}.{group}"
                self._paths.setdefault(kind, (base, resource["name"]))
                if not resource["namespaced"]:
                    self._of_the_cluster.add(kind)

    def _answer(self, method: str, path: str, body: Object | None = None, kind: str = "") -> Object:
        """The document that is answered; empty for a GET of what is not there. Raises RefusedError with what the server says."""
        if not hasattr(self._mine, "client"):
            self._mine.client = Client(self._kubeconfig)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return dict(self._mine.client.send(method, path, body, kind))
            except (OSError, HTTPException):
                if time.monotonic() > deadline:
                    raise
            except RefusedError as error:
                if (method, error.status) == ("GET", 404):
                    return {}
                if (error.status < 500 and error.status != 429) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)
